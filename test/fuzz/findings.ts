import type { Verdict } from './judge.ts';

/** Above this our parser is not linear any more: 64 KiB, the most it takes, are some milliseconds. */
export const slowMs = 250;

/** One input that must not be. `bytes` are those of the smallest input that shows the same. */
export interface Finding {
  readonly index: number;
  readonly kind: 'crash' | 'disagreement' | 'slow' | 'hang' | 'oracle-hang';
  readonly reason: string;
  readonly bytes: Uint8Array;
  readonly origin: readonly string[];
}

/** What some inputs came to. */
export interface Part {
  inputs: number;
  bytes: number;
  readonly kinds: Record<Verdict['kind'], number>;
  /** How often each rule explained a refusal of what the oracle takes. */
  readonly rules: Record<string, number>;
  /** How often each reason of a finding was met. */
  readonly reasons: Record<string, number>;
  readonly findings: Finding[];
  slowest: { readonly index: number; readonly parseMs: number; readonly bytes: number };
}

export function emptyPart(): Part {
  return {
    inputs: 0,
    bytes: 0,
    kinds: { accepted: 0, 'refused-by-both': 0, stricter: 0, disagreement: 0, crash: 0 },
    rules: {},
    reasons: {},
    findings: [],
    slowest: { index: 0, parseMs: 0, bytes: 0 },
  };
}

export function addPart(sum: Part, part: Part): void {
  sum.inputs += part.inputs;
  sum.bytes += part.bytes;
  for (const kind of Object.keys(sum.kinds) as Verdict['kind'][]) sum.kinds[kind] += part.kinds[kind];
  for (const [rule, count] of Object.entries(part.rules)) sum.rules[rule] = (sum.rules[rule] ?? 0) + count;
  for (const [reason, count] of Object.entries(part.reasons)) sum.reasons[reason] = (sum.reasons[reason] ?? 0) + count;
  sum.findings.push(...part.findings);
  if (part.slowest.parseMs > sum.slowest.parseMs) sum.slowest = part.slowest;
}
