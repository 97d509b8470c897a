/** What the inventory reads of the ledger, and how it is kept readable. Each comment states what an adapter owes. */
import type { ContactSample } from '../inventory/contacts.ts';
import type { Counted, CountedDimension, CountedSums, LiveBucket } from '../inventory/counted.ts';

import type { EpochMs } from '../pki/epoch.ts';
import type { IssuanceState } from './issuance-state.ts';
import type { CounterRow } from './ledger-ports.ts';

export type { CountedSums, LiveBucket } from '../inventory/counted.ts';

/**
 * A value with a bound: never less than what is outstanding, and more only by what expired since the counters were last
 * brought up to date (`InventoryUpkeep`).
 */
export interface StandingValue {
  readonly value: string;
  readonly standing: number;
}

/** Where a list of values by standing goes on. */
export interface StandingPlace {
  readonly standing: number;
  readonly value: string;
}

/** One certificate of a key. */
export interface CertificateOfKey {
  readonly issuanceId: string;
  readonly caId: string;
  readonly owner: string;
  readonly fleet: string;
  readonly profile: string;
  readonly keyType: string;
  readonly credentialId: string;
  readonly state: IssuanceState;
  readonly notBefore: EpochMs;
  readonly notAfter: EpochMs;
}

/** Whose devices, of those whose contacts the ledger keeps. */
export type SampledBy =
  | { readonly kind: 'fleet'; readonly caId: string; readonly fleet: string }
  | { readonly kind: 'owner'; readonly owner: string }
  | { readonly kind: 'credential'; readonly credentialId: string };

export interface SampledFleet {
  readonly caId: string;
  readonly fleet: string;
  /** One device in so many is kept, a power of two; which ones is decided by a digest of their names. */
  readonly oneIn: number;
  readonly devices: readonly ContactSample[];
}

/**
 * Reads of the counters and beside them. None of them scans: each costs what it answers, whatever the number of
 * certificates. Eventually consistent where the counters are. `at` is the caller's clock.
 */
export interface InventoryReads {
  sums(caId: string, dimension: CountedDimension, value: string, at: EpochMs): Promise<CountedSums>;
  /** Buckets that end after `at` and hold a certificate, by their end. As many as a lifetime has buckets at most. */
  liveBuckets(caId: string, dimension: CountedDimension, value: string, at: EpochMs): Promise<readonly LiveBucket[]>;
  /** Values with the largest `standing` above 0 first, those of the same one by text; after `after`. At most 1,000. */
  largest(
    caId: string,
    dimension: CountedDimension,
    countMax: number,
    after?: StandingPlace,
  ): Promise<readonly StandingValue[]>;
  /** Values above 0 by their text, after `after` (undefined: from the first). At most 1,000. */
  standingValues(
    caId: string,
    dimension: CountedDimension,
    after: string | undefined,
    countMax: number,
  ): Promise<readonly StandingValue[]>;
  /** `standing` of each value, 0 where there is none. At most 1,000. */
  standings(caId: string, dimension: CountedDimension, values: readonly string[]): Promise<readonly number[]>;
  /** Different values with a `standing` above 0 in any of the CAs; looks at no more than `countMax` a CA. */
  countValues(
    caIds: readonly string[],
    dimension: CountedDimension,
    countMax: number,
  ): Promise<{ readonly count: number; readonly exact: boolean }>;
  /** Certificates of one public key (SHA-256 of its SubjectPublicKeyInfo, hex), in a steady order. At most 1,000. */
  certificatesOfKey(spkiSha256: string, countMax: number): Promise<readonly CertificateOfKey[]>;
  /** Devices whose contacts are kept, those of the least digests first, at most `countMax` (10,000) in all. */
  contacts(by: SampledBy, countMax: number): Promise<readonly SampledFleet[]>;
}

export interface InventoryUpkeep {
  /**
   * Takes what has expired up to `at` off `standing`, at most `rowsMax` (1,000) counters; `more` when there are others. Reads
   * are right without it, and costlier the longer it has not run. Twice, or two at once, is no error.
   */
  expire(at: EpochMs, rowsMax: number): Promise<{ readonly more: boolean }>;
}

/** A certificate as a recount sees it. */
export type CountedCertificate = Counted & { readonly revoked: boolean };

export type CountedRow = CounterRow & {
  readonly caId: string;
  /** True when it was taken off the `standing` of its value as expired. */
  readonly taken: boolean;
};

/** The sums that an adapter keeps of a value beside its counters. */
export interface SumsRow {
  readonly caId: string;
  readonly dimension: CountedDimension;
  readonly value: string;
  readonly issued: number;
  readonly revoked: number;
  readonly standing: number;
}

/**
 * Records and counters page by page, `after` being what the page before answered as `next`. Pages hold 1,000 at most; those of
 * counters and sums are in the order CA, dimension, value, by octets of UTF-8.
 */
export interface RecountView {
  certificates(after: string | undefined): Promise<{
    readonly certificates: readonly CountedCertificate[];
    readonly next: string | undefined;
  }>;
  counters(after: string | undefined): Promise<{
    readonly rows: readonly CountedRow[];
    readonly next: string | undefined;
  }>;
  sums(after: string | undefined): Promise<{
    readonly rows: readonly SumsRow[];
    readonly next: string | undefined;
  }>;
  /** Issuances that there are about, for progress. */
  readonly issuancesAbout: number;
  close(): Promise<void>;
}

export interface RecountSource {
  /**
   * Opens a view of the ledger. `consistent`: it shows one instant, whatever is written meanwhile. Where it is not, whoever
   * finds a difference reads it again before believing it.
   */
  open(): Promise<{ readonly consistent: boolean; readonly view: RecountView }>;
}
