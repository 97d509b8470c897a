import type { EpochMs } from '../../pki/epoch.ts';

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

/** The counted properties of a certificate. */
export interface Counted {
  readonly caId: string;
  readonly owner: string;
  readonly fleet: string;
  readonly profile: string;
  readonly keyType: string;
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
