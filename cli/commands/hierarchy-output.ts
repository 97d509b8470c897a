/** Plans and outcomes for people (100 columns) and for scripts. */
import type { HierarchyFault } from '../../shared/hierarchy/hierarchy.ts';
import type { BuildOutcome, BuildStep } from '../../shared/issuance/build-hierarchy.ts';
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

function summary({ changes, refused }: HierarchyPlan, color: boolean): string {
  if (refused > 0) return `${styled('refused', 'red', color)}: nothing installed is changed or replaced\n`;
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

export function renderOutcome(
  result: { readonly outcome: BuildOutcome; readonly steps: readonly BuildStep[]; readonly after: HierarchyPlan },
  options: RenderOptions,
): string {
  const { after, outcome, steps } = result;
  const failures = steps.flatMap((step) => {
    if (step.kind !== 'failed') return [];
    return [bullet('✗', `${step.caId}: ${toldOf(step.cause)}`)];
  });
  const isWhole = outcome.failed.length + outcome.refused.length + outcome.skipped.length === 0;
  const counted = `${outcome.built.length} made or adopted, ${outcome.present.length} there before`;
  const end = isWhole
    ? `${styled('the hierarchy is as the file says', 'green', options.color)}: ${counted}\n`
    : `${counted}, ${outcome.skipped.length} waiting, ${outcome.failed.length} failed, ${outcome.refused.length} refused\n  → mend what is named above, then npx sealwright hierarchy apply\n`;
  const table = renderPlan(after, options);
  return [table.slice(0, table.lastIndexOf(summary(after, options.color))), ...failures, end].join('');
}
