/** How far apart several runs of one measurement lie. */
export interface Spread {
  readonly min: number;
  readonly median: number;
  readonly max: number;
}

/** Undefined when there is nothing to spread. The median of an even number is the mean of the middle two. */
export function spreadOf(values: readonly number[]): Spread | undefined {
  if (values.length === 0) return undefined;
  const sorted = values.toSorted((a, b) => a - b);
  const upper = sorted[Math.floor(sorted.length / 2)]!;
  const lower = sorted[Math.floor((sorted.length - 1) / 2)]!;
  return { min: sorted[0]!, median: (lower + upper) / 2, max: sorted.at(-1)! };
}

/** Nearest rank; `sorted` ascending and not empty, `rank` in (0, 1]. */
export function percentile(sorted: ArrayLike<number>, rank: number): number {
  return sorted[Math.max(0, Math.ceil(rank * sorted.length) - 1)]!;
}

/** Rounded to `digits` after the point: a result is read by people, and no run is exact to a nanosecond. */
export function rounded(value: number, digits: number): number {
  const scale = 10 ** digits;
  return Math.round(value * scale) / scale;
}
