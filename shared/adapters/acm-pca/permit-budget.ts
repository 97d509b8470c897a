/**
 * Arithmetic of one permit budget: what a lease takes from the timeline, and what throttles teach. All of it is a function of
 * the stored budget, the configured limits and an instant, so that signers that share the store come to the same figures.
 */
import type { PermitBudget } from '../../issuance/permits.ts';
import type { EpochMs } from '../../pki/epoch.ts';

export interface BudgetLimits {
  /** Permits a second when nothing is throttled; never more. */
  readonly perSecond: number;
  /** Permits of the past that may be made up for, as milliseconds of the rate. */
  readonly burstMs: number;
}

/**
 * How far ahead of its instant a permit is leased, and how much farther by who has waited long: that makes the order of
 * signers that of their coming. What is leased goes out at the old rate when the rate is cut, and is lost with its signer.
 */
export const leaseAheadMs = 2_000;
export const leaseFartherMsMax = 2_000;
/**
 * How long a permit is good, from its instant, or from its lease when that was later. With the burst it stays below the one
 * second's calls that ACM PCA takes at once, which leaves room for calls that are held up on their way.
 */
export const permitLifeMs = 600;

/** Below one call a second a budget would be indistinguishable from an outage. */
const perSecondMin = 1;
/** A budget that is given out further ahead than this was so by a clock that is wrong. */
const aheadMsMax = 10_000;
/** A cut is judged on at least this much of the past, and on the longer window when throttles are few. */
const windowMs = 1_000;
const longWindowMs = 5_000;
/** Of the permits of a window, the share of throttled ones that is no accident: of the short, and of the long one. */
const cutShare = 0.1;
const longCutShare = 0.01;
/** Calls are under way this long after their permits' instants. */
const callMs = 1_000;
/** What is left of the rate found, so that the quota's own bucket can fill again. */
const afterCut = 0.98;
const cutShareMax = 0.5;
/** Recovery after a first cut; the wait doubles and the step halves with each that follows. */
const quietMsFirst = 3_000;
const quietMsMax = 60_000;
/** Of the configured rate, each second. */
const recoveryFirst = 0.1;
const recoveryMin = 0.002;

/** A budget that nobody has leased of: a whole burst is there. */
export function newPermitBudget({ perSecond, burstMs }: BudgetLimits, now: EpochMs): PermitBudget {
  return { perSecond, nextAt: now - burstMs, ratedAt: now, cuts: 0, quietUntil: now, deafUntil: now };
}

export function intervalMsOf({ perSecond }: PermitBudget): number {
  return 1000 / perSecond;
}

/** Brings a budget to `now`: recovery, `throttled` more throttles, and a cut when they are no accident. */
export function settleBudget(
  stored: PermitBudget,
  limits: BudgetLimits,
  now: EpochMs,
  throttled: number,
): PermitBudget {
  const budget = recover(boundClock(stored, now), limits, now);
  return judge(throttled > 0 && now >= budget.deafUntil ? note(budget, now, throttled) : budget, limits, now);
}

function boundClock(budget: PermitBudget, now: EpochMs): PermitBudget {
  return {
    ...budget,
    nextAt: Math.min(budget.nextAt, now + aheadMsMax),
    quietUntil: Math.min(budget.quietUntil, now + quietMsMax),
    deafUntil: Math.min(budget.deafUntil, now + aheadMsMax + callMs),
  };
}

/**
 * Additive. A limit that is met again before the configured rate was reached is taken for the real one: it is tried ever more
 * rarely and gently, so that the rate stays where it is and does not saw.
 */
function recover(budget: PermitBudget, limits: BudgetLimits, now: EpochMs): PermitBudget {
  const ratedAt = Math.max(budget.ratedAt, now);
  if (budget.perSecond >= limits.perSecond) return { ...budget, perSecond: limits.perSecond, ratedAt, cuts: 0 };
  const seconds = Math.max(0, now - Math.max(budget.ratedAt, budget.quietUntil)) / 1000;
  const step = Math.max(recoveryMin, recoveryFirst / 2 ** Math.max(0, budget.cuts - 1)) * limits.perSecond;
  const perSecond = Math.min(limits.perSecond, budget.perSecond + seconds * step);
  return { ...budget, perSecond, ratedAt, cuts: perSecond < limits.perSecond ? budget.cuts : 0 };
}

/** A throttled call says that the quota's bucket was empty: one permit is held back for it, and nothing is made up for. */
function note(budget: PermitBudget, now: EpochMs, throttled: number): PermitBudget {
  const window = budget.window ?? { from: now, leased: 0, throttled: 0 };
  return {
    ...budget,
    nextAt: Math.max(budget.nextAt, now) + throttled * intervalMsOf(budget),
    window: { ...window, throttled: window.throttled + throttled },
  };
}

function judge(budget: PermitBudget, limits: BudgetLimits, now: EpochMs): PermitBudget {
  const { window, ...rest } = budget;
  if (window === undefined || now - window.from < windowMs) return budget;
  const share = window.throttled / Math.max(window.leased, window.throttled);
  if (share >= cutShare && window.throttled >= 2) return cut(rest, limits, now, share);
  if (now - window.from < longWindowMs) return budget;
  return share >= longCutShare && window.throttled >= 3 ? cut(rest, limits, now, share) : rest;
}

/** Multiplicative: by the share of calls that were throttled, which is by how much the rate is above the limit. */
function cut(budget: PermitBudget, limits: BudgetLimits, now: EpochMs, share: number): PermitBudget {
  const floor = Math.min(perSecondMin, limits.perSecond);
  const perSecond = Math.max(floor, budget.perSecond * (1 - Math.min(cutShareMax, share)) * afterCut);
  const nextAt = Math.max(budget.nextAt, now);
  const quietUntil = now + Math.min(quietMsMax, quietMsFirst * 2 ** Math.min(10, budget.cuts));
  return { ...budget, perSecond, nextAt, ratedAt: now, cuts: budget.cuts + 1, quietUntil, deafUntil: nextAt + callMs };
}

/** The first instant that can be leased now. One permit is always due at its time, however short the burst. */
export function nextPermitAt(budget: PermitBudget, { burstMs }: BudgetLimits, now: EpochMs): EpochMs {
  return Math.max(budget.nextAt, Math.min(now, now - burstMs + intervalMsOf(budget)));
}

export interface LeaseRequest {
  /** Permits wanted, with instants up to `latest`. */
  readonly count: number;
  readonly latest: EpochMs;
  /** So many are leased together, up to `leaseAheadMs` beyond `latest`, if the first of them is not: a batch is not torn. */
  readonly together: number;
  /** Permits to take beyond them if they are due already: to have at hand. */
  readonly spareMax: number;
}

export interface Lease {
  readonly budget: PermitBudget;
  /** The instants leased, earliest first. */
  readonly permits: readonly EpochMs[];
}

/** Takes from the timeline of a budget that is settled at `now`. */
export function leasePermits(
  budget: PermitBudget,
  limits: BudgetLimits,
  now: EpochMs,
  { count, latest, spareMax, together }: LeaseRequest,
): Lease {
  const interval = intervalMsOf(budget);
  const from = nextPermitAt(budget, limits, now);
  const upTo = (instant: EpochMs) => Math.max(0, Math.floor((instant - from) / interval + roundingSlack) + 1);
  const inTime = upTo(latest);
  const wanted = inTime === 0 ? 0 : Math.min(count, Math.max(inTime, Math.min(together, upTo(latest + leaseAheadMs))));
  const taken = wanted < count ? wanted : Math.max(wanted, Math.min(count + spareMax, upTo(now)));
  const permits = Array.from({ length: taken }, (_, index) => from + index * interval);
  if (taken === 0) return { budget, permits };
  const { window } = budget;
  return {
    budget: {
      ...budget,
      nextAt: from + taken * interval,
      ...(window === undefined ? {} : { window: { ...window, leased: window.leased + taken } }),
    },
    permits,
  };
}

/** Of an interval: sums of fractions of a millisecond may fall short of the whole one they stand for. */
const roundingSlack = 1e-6;
