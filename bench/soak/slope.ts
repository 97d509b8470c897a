/** A line through measurements over time. `bound` is how far the slope may be off: two of its standard errors. */
export interface Slope {
  readonly perHour: number;
  readonly boundPerHour: number;
  readonly mean: number;
}

export interface Point {
  readonly atMs: number;
  readonly value: number;
}

const hourMs = 3_600_000;

/** Least squares. Undefined for fewer than three points, or for points of one instant. */
export function slopeOf(points: readonly Point[]): Slope | undefined {
  const { length } = points;
  if (length < 3) return undefined;
  const meanAt = points.reduce((sum, { atMs }) => sum + atMs, 0) / length;
  const mean = points.reduce((sum, { value }) => sum + value, 0) / length;
  const spread = points.reduce((sum, { atMs }) => sum + (atMs - meanAt) ** 2, 0);
  if (spread === 0) return undefined;
  const slope = points.reduce((sum, { atMs, value }) => sum + (atMs - meanAt) * (value - mean), 0) / spread;
  const squares = points.reduce((sum, { atMs, value }) => sum + (value - mean - slope * (atMs - meanAt)) ** 2, 0);
  const error = Math.sqrt(squares / (length - 2) / spread);
  return { perHour: slope * hourMs, boundPerHour: 2 * error * hourMs, mean };
}

/**
 * Whether something grows: its slope is above nothing by more than its bound, and by more than `shareMax` of its mean an hour.
 * What moves up and down by collection is not growth, and neither is what would take weeks to matter.
 */
export function isGrowing({ boundPerHour, mean, perHour }: Slope, shareMax: number): boolean {
  return perHour > boundPerHour && perHour > shareMax * mean;
}
