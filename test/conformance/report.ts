/** What a run prints: a table of what did not pass, or of everything, and a closing line. At most 100 columns. */
import { modelSource } from './model.ts';
import type { CaseResult } from './suite.ts';

export interface RunSummary {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

export interface RunReport extends RunSummary {
  readonly target: string;
  readonly model: string;
  readonly seconds: number;
  /** ARNs of CAs that the run made and could not delete. */
  readonly left: readonly string[];
  readonly cases: readonly CaseResult[];
}

const columnsMax = 100;
const indent = 10;

/** Counts of the outcomes. */
export function summarize(results: readonly CaseResult[]): RunSummary {
  const count = (outcome: CaseResult['outcome']): number => results.filter((one) => one.outcome === outcome).length;
  return { passed: count('passed'), failed: count('failed'), skipped: count('skipped') };
}

/** A run as data. */
export function runReport(
  target: string,
  results: readonly CaseResult[],
  seconds: number,
  left: readonly string[],
): RunReport {
  return { target, model: modelSource, ...summarize(results), seconds, left, cases: results };
}

function cut(text: string, columns: number): string {
  return text.length <= columns ? text : `${text.slice(0, columns - 1)}…`;
}

function lines({ name, source, outcome, detail }: CaseResult): readonly string[] {
  const from = source === 'model' ? 'model' : 'doc';
  const first = `${outcome.padEnd(8)}${from.padEnd(6)}${cut(name, columnsMax - 14)}`;
  return detail === undefined ? [first] : [first, `${' '.repeat(indent)}${cut(detail, columnsMax - indent)}`];
}

/**
 * Two lines: the counts by source, which a reader compares two targets by, and all. Not in the form that a lane of tests closes
 * with: what another's endpoint fails is no failure of ours.
 */
export function summaryLines(target: string, results: readonly CaseResult[]): string {
  const of = (source: CaseResult['source']): string => {
    const { passed, failed, skipped } = summarize(results.filter((one) => one.source === source));
    return `${passed} of ${passed + failed}${skipped === 0 ? '' : ` (${skipped} not run)`}`;
  };
  const { passed, failed, skipped } = summarize(results);
  const bySource = `of the model ${of('model')}, of the documentation ${of('documentation')}`;
  const all = `passes ${passed} of ${results.length}, fails ${failed}, ${skipped} not run`;
  return `${bySource}\n${cut(target, columnsMax - 45)}: ${all}`;
}

/** The table. Without `all` only what did not pass; the skipped ones are one line a reason. */
export function tableOf(results: readonly CaseResult[], all: boolean): string {
  const shown = results.filter(({ outcome }) => outcome === 'failed' || (all && outcome === 'passed'));
  const reasons = new Map<string, number>();
  for (const { outcome, detail = '' } of results) {
    if (outcome === 'skipped') reasons.set(detail, (reasons.get(detail) ?? 0) + 1);
  }
  const skips = [...reasons].map(([reason, count]) => `skipped ${count} cases: ${reason}`);
  return [...shown.flatMap(lines), ...skips].map((line) => `${line}\n`).join('');
}
