/** What a run came to, for a person at a terminal. */
import { urlDefault } from '../../../cli/service.ts';
import { type ProgressBar, type ProgressStream, progressBar } from '../../../cli/terminal/progress-bar.ts';
import { type Column, renderTable } from '../../../cli/terminal/table.ts';
import { printable, styled } from '../../../cli/terminal/text.ts';
import type { FleetPhase, FleetProgress } from './fleet.ts';
import { type FleetResult, fleetSucceeded, type ReportedAuthority, type ResultRow } from './fleet-result.ts';

export interface SummaryOptions {
  readonly color?: boolean;
  /** 100 by default. */
  readonly widthMax?: number;
  /** Where the service answers; shown in the next steps. */
  readonly url?: string;
  /** State folder whose tokens the command is to use, when it is not the default one. */
  readonly stateDir?: string;
}

const rowsShownMax = 100;

/** The tables after a fleet: by profile and CA, the authorities, what was refused or failed and why, what to try next. */
export function renderFleetSummary(
  result: FleetResult,
  authorities: readonly ReportedAuthority[],
  options: SummaryOptions = {},
): string {
  const layout = { color: options.color ?? false, widthMax: options.widthMax ?? 100 };
  const refused = result.rows.filter((row) => row.outcome === 'rejected');
  const failed = result.rows.filter((row) => row.outcome === 'failed');
  const unexpected = result.rows.filter((row) => row.unexpected && row.outcome === 'issued');
  return [
    headline(result, layout.color),
    ...result.notes.map((note) => styled(`  ${printable(note)}\n`, 'yellow', layout.color)),
    result.tallies.length === 0 ? '' : `\n${tallyTable(result, layout)}`,
    authorities.length === 0 ? '' : `\n${authorityTable(authorities, layout)}`,
    section('Refused', refused, result.rejected, layout),
    section('Failed', failed, result.failed, layout),
    section('Issued, though it should not have been', unexpected, unexpected.length, layout),
    nextSteps(options, layout.color),
  ].join('');
}

interface Layout {
  readonly color: boolean;
  readonly widthMax: number;
}

function headline(result: FleetResult, color: boolean): string {
  const what = result.kind === 'fleet' ? 'devices' : 'requests';
  const mark = fleetSucceeded(result) ? styled('✓', 'green', color) : styled('✗', 'red', color);
  const parts = [
    `${result.submitted} ${what}`,
    `${result.issued} issued`,
    `${result.verified} verified against the pinned root`,
    `${result.rejected} refused`,
    `${result.failed} failed`,
    ...(result.unexpected > 0 ? [`${result.unexpected} unexpected`] : []),
  ];
  return `${mark} ${parts.join(', ')}\n  ${result.seconds.toFixed(1)} s, ${result.certificatesPerSecond} certificates a second, ${latencyText(result)}\n`;
}

function latencyText(result: FleetResult): string {
  const { p50, p99 } = result.latencyMs;
  return p50 === null || p99 === null
    ? 'no certificate to time'
    : `p50 ${p50} ms, p99 ${p99} ms from POST to certificate`;
}

function tallyTable(result: FleetResult, layout: Layout): string {
  const number = (header: string): Column => ({ header, align: 'right', widthMin: 4 });
  return renderTable(
    [
      { header: 'profile' },
      { header: 'CA' },
      { header: 'backend' },
      ...['asked', 'issued', 'refused', 'failed', 'p50 ms', 'p99 ms'].map(number),
    ],
    result.tallies.map((tally) => [
      tally.profile,
      tally.caId === '' ? '–' : tally.caId,
      tally.backend === '' ? '–' : tally.backend,
      tally.submitted,
      tally.issued,
      tally.rejected,
      tally.failed,
      tally.latencyMs.p50 ?? '–',
      tally.latencyMs.p99 ?? '–',
    ]),
    layout,
  );
}

function authorityTable(authorities: readonly ReportedAuthority[], layout: Layout): string {
  return renderTable(
    [
      { header: 'CA' },
      { header: 'tier' },
      { header: 'backend' },
      { header: 'custody' },
      { header: 'outstanding', align: 'right' },
    ],
    authorities.map((authority) => [
      authority.id,
      authority.tier,
      authority.backend,
      authority.custodyModel,
      authority.outstanding,
    ]),
    layout,
  );
}

function section(title: string, rows: readonly ResultRow[], count: number, layout: Layout): string {
  if (rows.length === 0) return '';
  // What was expected is worth a column only where something else came.
  const expected = rows.some((row) => row.expected !== undefined && row.unexpected);
  const columns: readonly Column[] = [
    { header: 'request', widthMin: 20 },
    { header: 'profile' },
    { header: 'answer' },
    ...(expected ? [{ header: 'expected' }] : []),
    { header: 'why', overflow: 'wrap', widthMin: 30 },
  ];
  const shown = [...rows].sort((a, b) => Number(b.unexpected) - Number(a.unexpected)).slice(0, rowsShownMax);
  const table = renderTable(
    columns,
    shown.map((row) => [
      row.subject,
      row.profile,
      row.status === 0 ? '–' : row.status,
      ...(expected ? [`${row.expected ?? '–'}${row.unexpected ? ' (!)' : ''}`] : []),
      why(row),
    ]),
    { ...layout, cellLinesMax: whyLinesMax },
  );
  const left = count - shown.length;
  const more = left > 0 ? styled(`  and ${left} more\n`, 'dim', layout.color) : '';
  return `\n${styled(`${title} (${count})`, 'bold', layout.color)}\n${table}${more}`;
}

const reasonsShownMax = 8;
const whyLinesMax = 16;

function why(row: ResultRow): string {
  const shown = row.reasons.slice(0, reasonsShownMax).join(' · ');
  const left = row.reasons.length - reasonsShownMax;
  const code =
    row.reasons.some((reason) => reason.startsWith(row.code)) || row.code === 'policy-refused' ? '' : `${row.code}: `;
  return `${code}${shown}${left > 0 ? ` · and ${left} more reasons` : ''}`;
}

function nextSteps(options: SummaryOptions, color: boolean): string {
  const { url = urlDefault, stateDir } = options;
  const at = url === urlDefault ? '' : ` --url ${url}`;
  const state =
    stateDir === undefined ? '' : ` --state ${/[^\w./-]/.test(stateDir) ? `'${printable(stateDir)}'` : stateDir}`;
  return [
    `\n${styled('Next', 'bold', color)}\n`,
    `  npx sealwright enroll FILE.csr --profile device${at}${state}\n`,
    `  npx sealwright hierarchy show${at}\n`,
    `  npx sealwright --help\n`,
  ].join('');
}

export interface FleetProgressOptions {
  readonly stream: ProgressStream;
  /** False with --quiet or --json. */
  readonly enabled: boolean;
  readonly color?: boolean;
  readonly monotonic?: () => number;
}

const phaseLabels: Readonly<Record<FleetPhase, string>> = {
  keys: 'making keys',
  enrol: 'enrolling',
  verify: 'verifying',
};

/** `onProgress` for `runFleet` and `runCsrDirectory`: one bar a phase. Call `end` when the run is over, also when it threw. */
export function fleetProgressBar(options: FleetProgressOptions): {
  readonly onProgress: (progress: FleetProgress) => void;
  end(): void;
} {
  let phase: FleetPhase | undefined;
  let bar: ProgressBar | undefined;
  return {
    onProgress(progress) {
      if (progress.phase !== phase) {
        bar?.end();
        phase = progress.phase;
        bar = progressBar({
          stream: options.stream,
          label: phaseLabels[phase],
          total: progress.total,
          enabled: options.enabled,
          color: options.color ?? false,
          now: options.monotonic ?? (() => performance.now()),
        });
      }
      const { issued, rejected, failed } = progress;
      const note =
        phase === 'enrol'
          ? [
              `${issued} issued`,
              ...(rejected > 0 ? [`${rejected} refused`] : []),
              ...(failed > 0 ? [`${failed} failed`] : []),
            ].join(', ')
          : '';
      bar?.update(progress.done, note);
    },
    end() {
      bar?.end();
      bar = undefined;
    },
  };
}
