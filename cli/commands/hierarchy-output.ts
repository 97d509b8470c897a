/** Plans and outcomes for people (100 columns) and for scripts. */
import type { ApplyReading } from '../../localstack/embedded/hierarchy-work.ts';
import type { HierarchyFault } from '../../shared/hierarchy/hierarchy.ts';
import type { HierarchyPlan, PlannedAuthority } from '../../shared/issuance/plan-hierarchy.ts';
import { type Column, renderTable } from '../terminal/table.ts';
import { printable, styled, wrap } from '../terminal/text.ts';

const widthMax = 100;
const day = (at: number): string => new Date(at).toISOString().slice(0, 10);

export interface PlanJsonOptions {
  readonly file: string;
  readonly stage: string;
  readonly advice: readonly HierarchyFault[];
  readonly unasked: 'no-state' | 'state-in-use' | undefined;
}

/** Times are ISO 8601. Additions may come; nothing goes. */
export function planJson(plan: HierarchyPlan, { advice, file, stage, unasked }: PlanJsonOptions) {
  const iso = (at: number) => new Date(at).toISOString();
  return {
    hierarchy: file,
    stage,
    at: iso(plan.at),
    backendsAsked: unasked === undefined,
    changes: plan.changes,
    refused: plan.refused,
    authorities: plan.authorities.map(({ notBefore, notAfter, issuesUntil, signedBy, ...rest }) => ({
      ...rest,
      signedBy: signedBy ?? null,
      notBefore: iso(notBefore),
      notAfter: iso(notAfter),
      issuesUntil: issuesUntil === undefined ? null : iso(issuesUntil),
    })),
    warnings: plan.warnings.map((warning) => ({ ...warning, at: iso(warning.at) })),
    advice,
  };
}

export interface RenderOptions {
  readonly file: string;
  readonly advice: readonly HierarchyFault[];
  readonly color: boolean;
  readonly unasked: 'no-state' | 'state-in-use' | undefined;
  readonly hsmMissing: string | undefined;
}

const columns: readonly Column[] = [
  { header: 'CA', widthMin: 14 },
  { header: 'gen', align: 'right', widthMin: 3 },
  { header: 'backend', widthMin: 8 },
  { header: 'action', widthMin: 14 },
  { header: 'signed by', widthMin: 9 },
  { header: 'not after', widthMin: 10 },
  { header: 'issues until', widthMin: 12 },
];

const actionWords: Readonly<Record<PlannedAuthority['action'], string>> = {
  nothing: 'nothing',
  create: '+ create',
  'new-generation': '+ new generation',
  finish: '+ finish',
  adopt: '+ adopt',
  wait: '… wait',
  refused: '✗ refused',
};

export function renderPlan(plan: HierarchyPlan, options: RenderOptions): string {
  const { color } = options;
  const depth = { root: 0, subordinate: 1, issuance: 2 } as const;
  const rows = plan.authorities.map((one) => [
    `${'  '.repeat(depth[one.tier])}${one.caId}`,
    String(one.generation),
    one.backend,
    actionWords[one.action],
    one.signedBy ?? 'itself',
    `${day(one.notAfter)}${one.shortened ? ' (short)' : ''}`,
    one.issuesUntil === undefined ? '–' : day(one.issuesUntil),
  ]);
  const reasons = plan.authorities.flatMap(({ action, caId, reasons: all }) =>
    all.map((reason) => bullet(action === 'refused' ? '✗' : '…', `${caId}: ${reason}`)),
  );
  return [renderTable(columns, rows, { color }), '\n', ...reasons, ...notes(plan, options), summary(plan, color)].join(
    '',
  );
}

function notes(plan: HierarchyPlan, { advice, file, hsmMissing, unasked }: RenderOptions): readonly string[] {
  return [
    ...plan.warnings.map(({ caId, generation, message }) => bullet('!', `${caId} generation ${generation} ${message}`)),
    ...advice.map(({ line, message }) => bullet('!', `${file}:${line}: ${message}`)),
    ...(hsmMissing === undefined ? [] : [bullet('!', `CAs on an HSM have to wait: ${hsmMissing}`)]),
    ...(unasked === 'state-in-use'
      ? [bullet('!', 'a service has the state: the backends were not asked what they hold')]
      : []),
  ];
}

function bullet(mark: string, text: string): string {
  return `${wrap(printable(text), widthMax - 2, 12)
    .map((line, index) => `${index === 0 ? mark : ' '} ${line}`)
    .join('\n')}\n`;
}

function summary({ authorities, changes, refused }: HierarchyPlan, color: boolean): string {
  if (refused > 0) return `${styled('refused', 'red', color)}: nothing installed is changed or replaced\n`;
  const waiting = authorities.filter(({ action }) => action === 'wait').length;
  if (changes === 0 && waiting > 0)
    return `${styled('nothing to do now', 'yellow', color)}: ${waiting} of the CAs ${waiting === 1 ? 'waits' : 'wait'} for what is said above\n`;
  if (changes === 0) return `${styled('nothing to do', 'green', color)}\n`;
  return `${changes} of the CAs would change; no CA and no key is ever deleted\n  → npx sealwright hierarchy apply\n`;
}

const causesMax = 5;

/** What failed, and what it came from where that says something else. */
export function toldOf(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  let origin: Error = cause;
  for (let depth = 0; depth < causesMax && origin.cause instanceof Error; depth += 1) origin = origin.cause;
  return cause.message.includes(origin.message) ? cause.message : `${cause.message}: ${origin.message}`;
}

type ApplyResult = Pick<ApplyReading, 'after' | 'ceremony' | 'outcome' | 'steps'>;

/** Whether something failed, was refused or is missing here. What waits for a ceremony alone is as far as it can be. */
export function isUnfinished({ after, outcome }: Pick<ApplyResult, 'after' | 'outcome'>): boolean {
  const waiting = new Set(after.authorities.flatMap((one) => (one.waitsForCeremony ? [one.caId] : [])));
  return outcome.failed.length + outcome.refused.length > 0 || outcome.skipped.some((caId) => !waiting.has(caId));
}

export function renderOutcome(result: ApplyResult, options: RenderOptions): string {
  const { after, ceremony, steps } = result;
  const failures = steps.flatMap((step) => {
    if (step.kind !== 'failed') return [];
    return [bullet('✗', `${step.caId}: ${toldOf(step.cause)}`)];
  });
  const table = renderPlan(after, options);
  const body = table.slice(0, table.lastIndexOf(summary(after, options.color)));
  return [body, ...ceremonyNote(ceremony), ...failures, ending(result, options.color)].join('');
}

function ending(result: ApplyResult, color: boolean): string {
  const { built, failed, present, refused, skipped } = result.outcome;
  const counted = `${built.length} made or adopted, ${present.length} there before`;
  if (isUnfinished(result))
    return `${counted}, ${skipped.length} waiting, ${failed.length} failed, ${refused.length} refused\n  → mend what is named above, then npx sealwright hierarchy apply\n`;
  if (skipped.length === 0) return `${styled('the hierarchy is as the file says', 'green', color)}: ${counted}\n`;
  return `${styled('the rest waits for a ceremony', 'yellow', color)}: ${counted}, ${skipped.length} waiting\n  → afterwards npx sealwright hierarchy apply --adopt DIR --roster FILE\n`;
}

function ceremonyNote(ceremony: ApplyReading['ceremony']): readonly string[] {
  if (ceremony === undefined) return [];
  if (!ceremony.verified)
    return [bullet('!', 'the transcript of the ceremony is not verified: no roster; --roster FILE verifies it')];
  const { head, mode, quorum, signers } = ceremony;
  return [
    bullet(
      '✓',
      `the transcript of the ceremony verifies (${mode}), signed by ${signers.join(', ')} (quorum ${quorum}), sha256:${head}`,
    ),
  ];
}
