/**
 * Delays in bins whose width grows with them, 1 % at a time: from half a second to years in some two thousand numbers, and no
 * delay is further from its bin's middle than what an estimate can tell.
 */
const firstMs = 60_000;
const growth = Math.log(1.01);
/** Beyond three years nothing is told apart. */
export const delayMsMax = 3 * 365 * 86_400_000;

export function binOf(delayMs: number): number {
  return Math.floor(Math.log1p(Math.max(0, delayMs) / firstMs) / growth);
}

export const binCount: number = binOf(delayMsMax) + 1;

/** Upper edges of the bins, milliseconds. */
const binEndsMs = Float64Array.from({ length: binCount }, (_, bin) => firstMs * (Math.exp((bin + 1) * growth) - 1));

/**
 * What is served of what arrives, bin by bin, at no more than `perSecond` (a fluid queue). Both are amounts up to the end of a
 * bin; `arriving` is what arrives in each.
 */
export function servedOf(arriving: Float64Array, perSecond: number): Float64Array {
  const served = new Float64Array(arriving.length);
  let arrived = 0;
  let done = 0;
  let before = 0;
  for (let bin = 0; bin < arriving.length; bin++) {
    arrived += arriving[bin]!;
    const end = binEndsMs[bin]!;
    done = Math.min(arrived, done + (perSecond * (end - before)) / 1000);
    served[bin] = done;
    before = end;
  }
  return served;
}

/** When the amount is reached, milliseconds, straight between the ends of bins; undefined when it never is. */
export function reachedAtMs(served: Float64Array, amount: number): number | undefined {
  for (let bin = 0; bin < served.length; bin++) {
    const here = served[bin]!;
    if (here < amount) continue;
    const [below, from] = bin === 0 ? [0, 0] : [served[bin - 1]!, binEndsMs[bin - 1]!];
    const share = here === below ? 1 : (amount - below) / (here - below);
    return from + share * (binEndsMs[bin]! - from);
  }
  return undefined;
}

/** One rotation as it would have gone: devices that would have come in each bin, for each group. */
export interface Run {
  readonly arriving: readonly Float64Array[];
  /** Up to this delay all of it is known. */
  readonly knownMs: number;
  /** False when no fleet's past was seen. */
  readonly observed: boolean;
}
