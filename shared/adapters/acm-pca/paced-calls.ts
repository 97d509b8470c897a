/** Pacing of calls to ACM PCA as its callers see it: what a budget is asked, and the quotas that it keeps. */
import { setTimeout as setTimer } from 'node:timers/promises';
import type { EpochMs } from '../../pki/epoch.ts';

/** The calls a signer makes for each certificate. Each has its own budget: submitting never starves collecting. */
export const pacedCalls = ['IssueCertificate', 'GetCertificate', 'RevokeCertificate'] as const;
export type PacedCall = (typeof pacedCalls)[number];

/** One call may go out, at `at` or soon after it; not after `goodUntil`. */
export interface Permit {
  readonly at: EpochMs;
  readonly goodUntil: EpochMs;
}

export type PacingGrant =
  | { readonly kind: 'granted' }
  /** The permits would come after the deadline: nothing was taken. `retryAfterMs` from now they would be there. */
  | { readonly kind: 'late'; readonly retryAfterMs: number };

export interface PacingReservation {
  /** As many as there were, in the order of their instants; at most as many as asked for. */
  readonly permits: readonly Permit[];
  /** From now until there would be more. */
  readonly retryAfterMs: number;
}

/**
 * Permits to call. Waiting is bounded by the deadline that the caller gives, first come, first served; a call whose permit
 * would be late learns so at once, so that a batch beyond its budget is answered and not waited for. Nothing here rejects: a
 * budget that cannot be reached gives no permits.
 */
export interface PacingBudget {
  /** Takes `count` permits (1), all or none; resolves when they may be used. `deadline` is an instant. */
  take(call: PacedCall, deadline: EpochMs, count?: number): Promise<PacingGrant>;
  /** Up to `countMax` permits for calls to come; answers by the deadline. */
  reserve(call: PacedCall, deadline: EpochMs, countMax: number): Promise<PacingReservation>;
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
 * The default quotas of an account (AWS General Reference, "AWS Private CA endpoints and quotas"). A burst of less than a
 * third of a second: the service counts from when a call arrives, and a full second's burst on top of the steady rate meets
 * its limit when calls bunch up.
 */
export const defaultPacingRates: Readonly<Record<PacedCall, PacingRate>> = {
  IssueCertificate: { perSecond: 25, burstMs: 300 },
  GetCertificate: { perSecond: 75, burstMs: 300 },
  RevokeCertificate: { perSecond: 20, burstMs: 300 },
};

/**
 * Of each quota, what is left to people and other tools of the account: 2.5 of 25 calls a second. They take more at times,
 * and are then seen as throttles. 0 where nobody else calls.
 */
export const defaultShareForOthers = 0.1;
