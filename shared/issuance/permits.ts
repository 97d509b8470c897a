/** The port behind pacing: how signers that share nothing but the ledger share one quota. */
import type { EpochMs } from '../pki/epoch.ts';

/**
 * The permits for one call in one account and Region, as a timeline: each permit is an instant, 1000/perSecond apart, and a
 * lease moves `nextAt` past the instants that it takes. Whoever holds a leased instant may make one call at it or soon after.
 */
export interface PermitBudget {
  /** Permits a second. Below the configured rate when throttles have taught so. */
  readonly perSecond: number;
  /** The first instant that nobody has leased. A fraction of a millisecond counts. */
  readonly nextAt: EpochMs;
  /** Up to when `perSecond` has been recovered. */
  readonly ratedAt: EpochMs;
  /** Cuts of the rate since it was last the configured one. */
  readonly cuts: number;
  /** No recovery before. */
  readonly quietUntil: EpochMs;
  /** Throttles before this instant are of permits leased before the last cut: no news. */
  readonly deafUntil: EpochMs;
  /** Open while throttles are being counted. */
  readonly window?: { readonly from: EpochMs; readonly leased: number; readonly throttled: number };
}

export interface StoredPermitBudget {
  readonly budget: PermitBudget;
  /** From 1, one more with each exchange. */
  readonly version: number;
}

export type ExchangeOutcome =
  | { readonly kind: 'stored'; readonly version: number }
  /** Another signer was first; `actual` is what it left (undefined: there is none, though a version was expected). */
  | { readonly kind: 'conflict'; readonly actual: StoredPermitBudget | undefined };

/**
 * Compare and set, and nothing more: a lease is one exchange, made by the signer that needs it, so that there is no
 * coordinator. `exchange` is linearizable for each budget: of two with the same expected version exactly one is `stored`.
 * DynamoDB does so by one PutItem with a condition on the version, whose failure answers the item that is there. It need not
 * be durable: a lost exchange gives its permits out again, a burst no longer than the outage. A rejected promise leaves the
 * outcome unknown; the caller then takes its lease for lost. A lost lease wastes permits, and never exceeds the rate.
 * `read` may be stale: the exchange that follows finds out.
 */
export interface PermitStore {
  read(budgetId: string): Promise<StoredPermitBudget | undefined>;
  /** Stores `next` if the version is `expectedVersion`, 0 for a budget that is not there yet. */
  exchange(budgetId: string, expectedVersion: number, next: PermitBudget): Promise<ExchangeOutcome>;
}
