/** What has been issued and is still out there, from counters. docs/blast-radius.md has the formula with worked numbers. */
import type { EpochMs } from '../pki/epoch.ts';
import type { CountedSums, LiveBucket } from './counted.ts';

export interface IssuedFigures {
  readonly total: number;
  readonly revoked: number;
  readonly expired: number;
  /** total − revoked − expired. */
  readonly outstanding: number;
  /** `outstanding`, were everything expired of which the counters do not tell. The same where the figure is exact. */
  readonly outstandingMin: number;
  /** False when a bucket that `at` lies in may hold certificates that have expired and others that have not. */
  readonly exact: boolean;
  /** When the figure changes next at the latest: end of the first bucket with an outstanding certificate. */
  readonly nextEdge: EpochMs | undefined;
  /** How many remain from each instant on, if nothing is done; the last one is 0. */
  readonly exposureCurve: readonly { readonly at: EpochMs; readonly outstanding: number }[];
  /** Latest notAfter of the last bucket with an outstanding certificate. */
  readonly lastNotAfter: EpochMs | undefined;
}

type InBucket = 'valid' | 'expired' | 'unknown';

/** A certificate is valid up to and with its notAfter (RFC 5280 4.1.2.5). */
function judge({ bucketStart, notAfterFirst, notAfterLast }: LiveBucket, at: EpochMs): InBucket {
  if (bucketStart > at || notAfterFirst >= at) return 'valid';
  return notAfterLast < at ? 'expired' : 'unknown';
}

const endOf = ({ bucketStart, bucketMs }: LiveBucket) => bucketStart + bucketMs;
const standing = ({ issued, revoked }: LiveBucket) => issued - revoked;

/**
 * Sums of one or more CAs, and their buckets that end after `at`, in any order. A bucket that `at` lies in counts as
 * outstanding whole, unless all of it has expired: between two edges the figure is an upper bound, and says so.
 */
export function issuedFigures(
  sums: readonly CountedSums[],
  liveBuckets: readonly LiveBucket[],
  at: EpochMs,
): IssuedFigures {
  const total = sums.reduce((sum, { issued }) => sum + issued, 0);
  const revoked = sums.reduce((sum, one) => sum + one.revoked, 0);
  const held = liveBuckets.filter((bucket) => standing(bucket) > 0);
  const countOf = (kind: InBucket) =>
    held.reduce((sum, bucket) => (judge(bucket, at) === kind ? sum + standing(bucket) : sum), 0);
  const outstanding = sums.reduce((sum, one) => sum + one.outstanding, 0) - countOf('expired');
  const unknown = countOf('unknown');
  const open = held.filter((bucket) => judge(bucket, at) !== 'expired');
  const edges = open.map(endOf);
  return {
    total,
    revoked,
    expired: total - revoked - outstanding,
    outstanding,
    outstandingMin: outstanding - unknown,
    exact: unknown === 0,
    nextEdge: edges.length === 0 ? undefined : edges.reduce((least, edge) => Math.min(least, edge)),
    exposureCurve: exposureCurve(open, outstanding, at),
    lastNotAfter:
      open.length === 0 ? undefined : open.reduce((last, { notAfterLast }) => Math.max(last, notAfterLast), 0),
  };
}

function exposureCurve(open: readonly LiveBucket[], outstanding: number, at: EpochMs): IssuedFigures['exposureCurve'] {
  const ending = new Map<EpochMs, number>();
  for (const bucket of open) ending.set(endOf(bucket), (ending.get(endOf(bucket)) ?? 0) + standing(bucket));
  let left = outstanding;
  const points = [...ending]
    .sort(([a], [b]) => a - b)
    .map(([edge, count]) => {
      left -= count;
      return { at: edge, outstanding: left };
    });
  return [{ at, outstanding }, ...points];
}
