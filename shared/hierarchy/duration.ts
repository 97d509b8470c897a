/** Durations as the hierarchy writes them: a count of years, days or hours. */
import type { EpochMs } from '../pki/epoch.ts';

/** Exactly one of `years`, `days`, `hours` is set. */
export interface Duration {
  readonly text: string;
  readonly years?: number;
  readonly days?: number;
  readonly hours?: number;
}

export const hourMs = 3_600_000;
export const dayMs = 24 * hourMs;
/** Longest a calendar year is on average (a leap day every fourth): what an upper bound in years allows when counted in days. */
const yearDaysMax = 365.25;

/** '20y', '365d', '1h' → Duration; anything else, zero included → undefined. */
export function parseDuration(text: string): Duration | undefined {
  const match = /^([1-9][0-9]{0,4})([ydh])$/.exec(text);
  if (match === null) return undefined;
  const count = Number(match[1]);
  switch (match[2]) {
    case 'y':
      return { text, years: count };
    case 'd':
      return { text, days: count };
    default:
      return { text, hours: count };
  }
}

/**
 * The instant a duration after `at` (UTC). Years are calendar years; from 29 February into a year without one it is
 * 28 February, so that n years never last longer than the calendar says.
 */
export function addDuration(at: EpochMs, duration: Duration): EpochMs {
  if (duration.years === undefined) return at + durationMs(duration);
  const date = new Date(at);
  const month = date.getUTCMonth();
  date.setUTCFullYear(date.getUTCFullYear() + duration.years);
  if (date.getUTCMonth() !== month) date.setUTCDate(0);
  return date.getTime();
}

/** Nominal length in milliseconds: years of 365 days. For comparisons; a notAfter comes from `addDuration`. */
export function durationMs(duration: Duration): number {
  return (duration.years ?? 0) * 365 * dayMs + (duration.days ?? 0) * dayMs + (duration.hours ?? 0) * hourMs;
}

/** Longest a count of calendar years may be when it is written in days or hours: 1y → 366 d, 10y → 3,653 d. */
export function yearsMsMax(years: number): number {
  return Math.ceil(years * yearDaysMax) * dayMs;
}
