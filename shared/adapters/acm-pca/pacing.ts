/**
 * Pacing of calls to ACM PCA. Its quotas hold per account, Region and call (aws-facts: IssueCertificate 25/s, GetCertificate
 * 75/s), so that all signers of an account and Region stand behind one budget: permits are leased from a store they share.
 */
import type { PermitStore, StoredPermitBudget } from '../../issuance/permits.ts';
import type { Clock } from '../../issuance/ports.ts';
import type { EpochMs } from '../../pki/epoch.ts';
import {
  defaultPacingRates,
  defaultShareForOthers,
  type PacedCall,
  type PacingBudget,
  type PacingRate,
  type PacingReservation,
  type Permit,
  type Sleep,
  sleepInRealTime,
} from './paced-calls.ts';
import {
  type BudgetLimits,
  intervalMsOf,
  leaseAheadMs,
  leaseFartherMsMax,
  leasePermits,
  newPermitBudget,
  nextPermitAt,
  permitLifeMs,
  settleBudget,
} from './permit-budget.ts';

export * from './paced-calls.ts';

export interface LeasedPacingOptions {
  readonly store: PermitStore;
  readonly clock: Clock;
  readonly sleep?: Sleep;
  /** Account and Region: signers that name the same share one budget for each call. */
  readonly budgetId: string;
  /** The account's quotas, where they are not the defaults. */
  readonly rates?: Readonly<Partial<Record<PacedCall, PacingRate>>>;
  /** Of each quota, from 0 to below 1 (`defaultShareForOthers`). */
  readonly shareForOthers?: number;
}

const burstMsMax = 1000;
/** Exchanges of one lease: each round another signer has won one. */
const roundsMax = 32;
/** Permits to have at hand when there are plenty: what was used in so much time. */
const spareMs = 250;
/** After a store that did not answer. */
const storeRetryMs = 1_000;

interface Waiter {
  readonly count: number;
  readonly since: EpochMs;
  readonly deadline: EpochMs;
  /** False: all or none, and due by the deadline. True: what there is by the deadline. */
  readonly takesPart: boolean;
  readonly permits: Permit[];
  readonly answer: (reservation: PacingReservation) => void;
}

/** One call's share of the budget in this process. */
interface Desk {
  readonly budgetId: string;
  readonly limits: BudgetLimits;
  known: StoredPermitBudget | undefined;
  /** Leased and not used, earliest first. */
  spare: Permit[];
  waiters: Waiter[];
  /** Throttles that the store has not been told of. */
  throttled: number;
  /** Handed out since the last lease. */
  used: number;
  leasedAt: EpochMs;
  isRunning: boolean;
}

/**
 * Takes permits as they are needed, for all who wait in one exchange, and a few more when nobody is short of them, so that a
 * fast signer does not ask for each call. RangeError for a rate that is not positive, a burst above one second's, or a share
 * that leaves nothing.
 */
export function createLeasedPacingBudget(options: LeasedPacingOptions): PacingBudget {
  const { clock, sleep = sleepInRealTime } = options;
  const desks: Readonly<Record<PacedCall, Desk>> = {
    IssueCertificate: createDesk(options, 'IssueCertificate'),
    GetCertificate: createDesk(options, 'GetCertificate'),
    RevokeCertificate: createDesk(options, 'RevokeCertificate'),
  };

  const ask = (call: PacedCall, deadline: EpochMs, count: number, takesPart: boolean) =>
    new Promise<PacingReservation>((answer) => {
      const desk = desks[call];
      desk.waiters.push({ count, since: clock(), deadline, takesPart, permits: [], answer });
      void serve(desk, options.store, clock, sleep);
    });

  return {
    async take(call, deadline, count = 1) {
      const { permits, retryAfterMs } = await ask(call, deadline, count, false);
      if (permits.length < count) return { kind: 'late', retryAfterMs };
      const waitMs = Math.ceil((permits.at(-1)?.at ?? 0) - clock());
      if (waitMs > 0) await sleep(waitMs);
      return { kind: 'granted' };
    },
    reserve: (call, deadline, countMax) => ask(call, deadline, countMax, true),
    report(call, outcome) {
      if (outcome !== 'throttled') return;
      const desk = desks[call];
      desk.throttled += 1;
      // What is at hand was leased at a rate that is too high.
      desk.spare = [];
      void serve(desk, options.store, clock, sleep);
    },
  };
}

function createDesk(
  { budgetId, clock, rates, shareForOthers = defaultShareForOthers }: LeasedPacingOptions,
  call: PacedCall,
): Desk {
  const { perSecond, burstMs } = rates?.[call] ?? defaultPacingRates[call];
  if (!(perSecond > 0 && Number.isFinite(perSecond))) {
    throw new RangeError('a pacing rate is a positive number of calls a second');
  }
  if (!(burstMs >= 0 && burstMs <= burstMsMax)) throw new RangeError(`a burst is at most ${burstMsMax} ms of the rate`);
  if (!(shareForOthers >= 0 && shareForOthers < 1)) throw new RangeError('the share for others is from 0 to below 1');
  return {
    budgetId: `${budgetId}/${call}`,
    limits: { perSecond: perSecond * (1 - shareForOthers), burstMs },
    known: undefined,
    spare: [],
    waiters: [],
    throttled: 0,
    used: 0,
    leasedAt: clock(),
    isRunning: false,
  };
}

/** Serves a desk until nobody waits and the store knows of every throttle. One at a time; ends whatever the store does. */
async function serve(desk: Desk, store: PermitStore, clock: Clock, sleep: Sleep): Promise<void> {
  if (desk.isRunning) return;
  desk.isRunning = true;
  try {
    // Whoever else asks in this turn is served by the same exchange.
    await Promise.resolve();
    for (;;) {
      handOut(desk, clock());
      if (desk.waiters.length === 0 && desk.throttled === 0) return;
      const taken = await lease(desk, store, clock);
      handOut(desk, clock());
      if (taken > 0) continue;
      const waitMs = turnAway(desk, clock());
      if (desk.waiters.length > 0) await sleep(waitMs);
    }
  } catch {
    // Without the store there are no permits. What the last exchange took, if anything, is lost.
    desk.known = undefined;
    for (const waiter of desk.waiters.splice(0)) dismiss(desk, waiter, storeRetryMs);
  } finally {
    desk.isRunning = false;
  }
}

/** Gives what is at hand to those who wait, in their order. */
function handOut(desk: Desk, now: EpochMs): void {
  desk.spare = desk.spare.filter(({ goodUntil }) => goodUntil >= now);
  for (let waiter = desk.waiters[0]; waiter !== undefined; waiter = desk.waiters[0]) {
    waiter.permits.push(...desk.spare.splice(0, waiter.count - waiter.permits.length));
    if (waiter.permits.length < waiter.count) return;
    desk.waiters.shift();
    desk.used += waiter.count;
    if (!waiter.takesPart && waiter.permits.at(-1)!.at > waiter.deadline) {
      dismiss(desk, waiter, waiter.permits.at(-1)!.at - now);
    } else {
      waiter.answer({ permits: waiter.permits, retryAfterMs: 0 });
    }
  }
}

/** Answers a waiter that gets no more: with what it has, if it takes a part, else with nothing. */
function dismiss(desk: Desk, waiter: Waiter, retryAfterMs: number): void {
  const permits = waiter.takesPart ? waiter.permits : [];
  if (!waiter.takesPart) desk.spare.unshift(...waiter.permits);
  waiter.answer({ permits, retryAfterMs: Math.max(1, Math.ceil(retryAfterMs)) });
}

/**
 * When the timeline is leased out as far ahead as it may be: dismisses those whose permits come too late, and answers how
 * long the others have to wait until there is something to lease.
 */
function turnAway(desk: Desk, now: EpochMs): number {
  if (desk.known === undefined) throw new Error('a lease left no budget');
  const { budget } = desk.known;
  const intervalMs = intervalMsOf(budget);
  const nextAt = nextPermitAt(budget, desk.limits, now);
  let ahead = 0;
  const staying: Waiter[] = [];
  for (const waiter of desk.waiters) {
    const missing = waiter.count - waiter.permits.length;
    const firstAt = nextAt + ahead * intervalMs;
    const lastAt = firstAt + (missing - 1) * intervalMs;
    const isOver = waiter.takesPart
      ? untilMsOf(waiter, now) <= 0 || firstAt - leaseAheadMs - leaseFartherMsMax > waiter.deadline
      : lastAt > waiter.deadline;
    if (isOver) {
      dismiss(desk, waiter, (waiter.takesPart ? firstAt : lastAt) - now);
      continue;
    }
    ahead += missing;
    staying.push(waiter);
  }
  desk.waiters = staying;
  const untilMs = Math.min(...staying.map((waiter) => untilMsOf(waiter, now)));
  return Math.max(1, Math.ceil(Math.min(untilMs, leasableAt(nextAt, staying[0]?.since ?? now) - now)));
}

/** How far ahead of now permits may be leased by who has waited since then. */
function aheadMsOf(since: EpochMs, now: EpochMs): number {
  return leaseAheadMs + Math.min(leaseFartherMsMax, Math.max(0, now - since));
}

/** When a permit at `at` may be leased by who has waited since then. */
function leasableAt(at: EpochMs, since: EpochMs): EpochMs {
  return Math.max((at - leaseAheadMs + since) / 2, at - leaseAheadMs - leaseFartherMsMax);
}

/** How long to wait at most: who takes a part is answered when its first permit is due, lest it be wasted. */
function untilMsOf({ deadline, permits, takesPart }: Waiter, now: EpochMs): number {
  if (!takesPart) return Number.POSITIVE_INFINITY;
  return Math.min(deadline, permits[0]?.at ?? deadline) - now;
}

/** One lease for all who wait, and the news of throttles with it. Answers how many permits it took. */
async function lease(desk: Desk, store: PermitStore, clock: Clock): Promise<number> {
  const { budgetId, limits } = desk;
  for (let round = 0; round < roundsMax; round += 1) {
    desk.known ??= await store.read(budgetId);
    const { known, throttled } = desk;
    const now = clock();
    const count = desk.waiters.reduce((sum, waiter) => sum + waiter.count - waiter.permits.length, 0);
    const settled = settleBudget(known?.budget ?? newPermitBudget(limits, now), limits, now, throttled);
    const spareMax = count === 0 ? 0 : Math.ceil((desk.used * spareMs) / Math.max(spareMs, now - desk.leasedAt));
    const { budget, permits } = leasePermits(settled, limits, now, {
      count,
      latest: latestOf(desk, now),
      together: desk.waiters[0] === undefined ? 0 : desk.waiters[0].count - desk.waiters[0].permits.length,
      spareMax,
    });
    if (permits.length === 0 && throttled === 0 && known !== undefined && settled.window === known.budget.window) {
      desk.known = { budget, version: known.version };
      return 0;
    }
    const outcome = await store.exchange(budgetId, known?.version ?? 0, budget);
    if (outcome.kind === 'conflict') {
      desk.known = outcome.actual;
      continue;
    }
    desk.known = { budget, version: outcome.version };
    desk.throttled -= throttled;
    if (permits.length === 0) return 0;
    desk.used = 0;
    desk.leasedAt = now;
    desk.spare.push(...permits.map((at) => ({ at, goodUntil: Math.max(at, now) + permitLifeMs })));
    return permits.length;
  }
  throw new Error(`the permit budget ${budgetId} is contended`);
}

/** The latest instant that is of use to anyone who waits. */
function latestOf(desk: Desk, now: EpochMs): EpochMs {
  const ahead = now + aheadMsOf(desk.waiters[0]?.since ?? now, now);
  const latest = desk.waiters.map(({ takesPart, deadline }) => (takesPart ? ahead : deadline));
  return Math.min(ahead, Math.max(now, ...latest));
}
