import type { EpochMs } from '../pki/epoch.ts';

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

/**
 * What certificates are counted by. Marginals: each certificate is counted once in each dimension, never in their product,
 * whose size nothing would bound. The value of `total` is the empty string.
 */
export const countedDimensions = ['total', 'owner', 'fleet', 'profile', 'keyType', 'credential'] as const;
export type CountedDimension = (typeof countedDimensions)[number];

/** The counted properties of a certificate. */
export interface Counted {
  readonly caId: string;
  readonly owner: string;
  readonly fleet: string;
  readonly profile: string;
  readonly keyType: string;
  /** Enrolment credential that it was asked for with. */
  readonly credentialId: string;
  readonly notBefore: EpochMs;
  readonly notAfter: EpochMs;
}

/** The bucket of notAfter, aligned to UTC: an hour for lifetimes up to 7 days, else a day. */
export function bucketOf(
  notBefore: EpochMs,
  notAfter: EpochMs,
): { readonly bucketStart: EpochMs; readonly bucketMs: number } {
  const bucketMs = notAfter - notBefore <= 7 * dayMs ? hourMs : dayMs;
  return { bucketStart: Math.floor(notAfter / bucketMs) * bucketMs, bucketMs };
}

/** Both sizes of bucket there are, in milliseconds. */
export const bucketSizesMs: readonly number[] = [hourMs, dayMs];

/** The value of a certificate in each dimension. */
export function countedValues(certificate: Counted): Readonly<Record<CountedDimension, string>> {
  const { owner, fleet, profile, keyType, credentialId } = certificate;
  return { total: '', owner, fleet, profile, keyType, credential: credentialId };
}

/** Certificates of one CA with one value of a dimension, over all time. */
export interface CountedSums {
  readonly issued: number;
  readonly revoked: number;
  /** Neither revoked, nor of a bucket that has ended at the instant asked about. */
  readonly outstanding: number;
}

/** Certificates of one CA with one value of a dimension, in one bucket. */
export interface LiveBucket {
  /** The bucket holds notAfter in [bucketStart, bucketStart + bucketMs). */
  readonly bucketStart: EpochMs;
  readonly bucketMs: number;
  readonly issued: number;
  readonly revoked: number;
  /** Earliest and latest notAfter of the certificates of the bucket, revoked ones included. */
  readonly notAfterFirst: EpochMs;
  readonly notAfterLast: EpochMs;
}
