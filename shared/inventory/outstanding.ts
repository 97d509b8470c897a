import type { EpochMs } from '../pki/epoch.ts';

/** A counter as the ledger keeps it: certificates whose notAfter lies in one bucket. */
export interface BucketCount {
  /** The bucket holds notAfter in [bucketStart, bucketStart + bucketMs). */
  readonly bucketStart: EpochMs;
  readonly bucketMs: number;
  readonly issued: number;
  readonly revoked: number;
}

/**
 * Certificates that are neither revoked nor expired at `at`. A bucket counts as expired once it has ended, so that the
 * figure is exact at bucket edges and an upper bound between them.
 */
export function outstandingAt(buckets: Iterable<BucketCount>, at: EpochMs): number {
  let outstanding = 0;
  for (const { bucketStart, bucketMs, issued, revoked } of buckets) {
    if (bucketStart + bucketMs > at) outstanding += issued - revoked;
  }
  return outstanding;
}
