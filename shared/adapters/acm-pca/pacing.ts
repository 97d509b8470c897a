/**
 * Pacing of calls to ACM PCA. Its quotas hold per account, Region and call (aws-facts: IssueCertificate 25/s, GetCertificate
 * 75/s), so that one budget stands between all signers of a process and the service; a budget shared by several processes is
 * another implementation of the same small port.
 */
import { setTimeout as setTimer } from 'node:timers/promises';
import type { Clock } from '../../issuance/ports.ts';
import type { EpochMs } from '../../pki/epoch.ts';

/** The calls a signer makes for each certificate. Each has its own budget: submitting never starves collecting. */
export type PacedCall = 'IssueCertificate' | 'GetCertificate';

export type PacingGrant =
  | { readonly kind: 'granted' }
  /** The permits would come after the deadline: nothing was taken. `retryAfterMs` from now they would be there. */
  | { readonly kind: 'late'; readonly retryAfterMs: number };

/**
 * Permits to call. Waiting is bounded by the deadline that the caller gives, first come, first served; a call whose permit
 * would be late learns so at once, so that a batch beyond its budget is answered and not waited for.
 */
export interface PacingBudget {
  /** Takes `count` permits (1), all or none; resolves when they may be used. `deadline` is an instant. */
  take(call: PacedCall, deadline: EpochMs, count?: number): Promise<PacingGrant>;
  /** What the service made of a paced call: the budget learns the real limit from throttling. */
  report(call: PacedCall, outcome: 'accepted' | 'throttled'): void;
}

/** Waits; an argument everywhere, so that tests and simulations run in virtual time. */
export type Sleep = (waitMs: number) => Promise<void>;

export const sleepInRealTime: Sleep = async (waitMs) => {
  await setTimer(waitMs);
};

export interface PacingRate {
  /** Calls a second when nothing is throttled. */
  readonly perSecond: number;
  /** Calls that may go out at once, as milliseconds of the rate: at most one second's. */
  readonly burstMs: number;
}

/**
 * The default quotas of an account (AWS General Reference, "AWS Private CA endpoints and quotas"). A burst of half a second: the service
 * counts from when a call arrives, and a full second's burst on top of the steady rate meets its limit when calls bunch up.
 */
export const defaultPacingRates: Readonly<Record<PacedCall, PacingRate>> = {
  IssueCertificate: { perSecond: 25, burstMs: 500 },
  GetCertificate: { perSecond: 75, burstMs: 500 },
};

const burstMsMax = 1000;
/** Below one call a second a budget would be indistinguishable from an outage. */
const perSecondMin = 1;
/** Throttles of one burst are one piece of news, not many. */
const cutIntervalMs = 1000;
/** Share of the configured rate that comes back each second: a halved rate is whole again after ten. */
const recoveryPerSecond = 0.05;

interface Bucket {
  readonly configured: PacingRate;
  perSecond: number;
  /** Permits at hand; negative when permits of the future are given away already. */
  permits: number;
  at: EpochMs;
  cutAt: EpochMs | undefined;
}

function createBucket(configured: PacingRate, now: EpochMs): Bucket {
  if (!(configured.perSecond > 0 && Number.isFinite(configured.perSecond))) {
    throw new RangeError('a pacing rate is a positive number of calls a second');
  }
  if (!(configured.burstMs >= 0 && configured.burstMs <= burstMsMax)) {
    throw new RangeError(`a burst is at most ${burstMsMax} ms of the rate`);
  }
  return {
    configured,
    perSecond: configured.perSecond,
    permits: burstOf(configured.perSecond, configured),
    at: now,
    cutAt: undefined,
  };
}

/** At least one permit, or nothing would ever be granted. */
function burstOf(perSecond: number, configured: PacingRate): number {
  return Math.max(1, (perSecond * configured.burstMs) / 1000);
}

/** Brings the bucket to `now`: permits at the present rate, and a cut rate some way back to the configured one. */
function refill(bucket: Bucket, now: EpochMs): void {
  const elapsedSeconds = Math.max(0, now - bucket.at) / 1000;
  bucket.at = Math.max(bucket.at, now);
  bucket.permits = Math.min(
    burstOf(bucket.perSecond, bucket.configured),
    bucket.permits + elapsedSeconds * bucket.perSecond,
  );
  if (bucket.perSecond < bucket.configured.perSecond) {
    const recovered = bucket.perSecond + elapsedSeconds * recoveryPerSecond * bucket.configured.perSecond;
    bucket.perSecond = Math.min(bucket.configured.perSecond, recovered);
  }
}

/** Halves the rate and empties the bucket: what was saved up is what the service just refused. */
function cut(bucket: Bucket, now: EpochMs): void {
  refill(bucket, now);
  bucket.permits = Math.min(bucket.permits, 0);
  if (bucket.cutAt !== undefined && now - bucket.cutAt < cutIntervalMs) return;
  bucket.cutAt = now;
  bucket.perSecond = Math.max(Math.min(perSecondMin, bucket.configured.perSecond), bucket.perSecond / 2);
}

/**
 * A token bucket for each call, of this process. Multiplicative decrease and additive increase on throttling. RangeError
 * for a rate that is not positive or a burst above one second's.
 */
export function createPacingBudget(options: {
  readonly clock: Clock;
  readonly sleep?: Sleep;
  readonly rates?: Readonly<Partial<Record<PacedCall, PacingRate>>>;
}): PacingBudget {
  const { clock, sleep = sleepInRealTime } = options;
  const rates = { ...defaultPacingRates, ...options.rates };
  const buckets: Readonly<Record<PacedCall, Bucket>> = {
    IssueCertificate: createBucket(rates.IssueCertificate, clock()),
    GetCertificate: createBucket(rates.GetCertificate, clock()),
  };
  return {
    async take(call, deadline, count = 1) {
      const bucket = buckets[call];
      const now = clock();
      refill(bucket, now);
      const waitMs = Math.max(0, Math.ceil(((count - bucket.permits) / bucket.perSecond) * 1000));
      if (now + waitMs > deadline) return { kind: 'late', retryAfterMs: waitMs };
      bucket.permits -= count;
      if (waitMs > 0) await sleep(waitMs);
      return { kind: 'granted' };
    },
    report(call, outcome) {
      if (outcome === 'throttled') cut(buckets[call], clock());
    },
  };
}
