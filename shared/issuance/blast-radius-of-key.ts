import type { BlastRadius, Breakdown, BreakdownEntry } from '../inventory/blast-radius.ts';
import type { LiveBucket } from '../inventory/counted.ts';
import { issuedFigures } from '../inventory/issued.ts';
import type { EpochMs } from '../pki/epoch.ts';
import type { CertificateOfKey, InventoryReads } from './inventory-ports.ts';

/** Certificates of one key that are read. A key that has more is one that many devices share. */
const certificatesMax = 1_000;

/**
 * The blast radius of one end-entity key, from its certificates themselves: exact to the second, unless there are more of them
 * than are read. Such a key signs no certificates, so that nothing is issuable.
 */
export async function blastRadiusOfKey(
  inventory: Pick<InventoryReads, 'certificatesOfKey'>,
  spkiSha256: string,
  at: EpochMs,
): Promise<BlastRadius> {
  const found = await inventory.certificatesOfKey(spkiSha256, certificatesMax);
  const issued = found.filter(({ state }) => state === 'issued' || state === 'revoked');
  const valid = issued.filter(({ state, notAfter }) => state === 'issued' && notAfter >= at);
  const revoked = issued.filter(({ state }) => state === 'revoked').length;
  const sums = { issued: issued.length, revoked, outstanding: valid.length };
  const figures = issuedFigures([sums], bucketsOf(valid), at);
  const count = (of: (one: CertificateOfKey) => string) => breakdownBy(valid, of);
  return {
    subject: { kind: 'key', value: spkiSha256, includes: [...new Set(issued.map(({ caId }) => caId))] },
    asOf: at,
    issued: {
      ...figures,
      exact: figures.exact && found.length < certificatesMax,
      by: {
        owner: count(({ owner }) => owner),
        fleet: count(({ fleet }) => fleet),
        profile: count(({ profile }) => profile),
        keyType: count(({ keyType }) => keyType),
        credential: count(({ credentialId }) => credentialId),
      },
      byAuthority: count(({ caId }) => caId).values,
      unsettled: undefined,
    },
    issuable: undefined,
    reach: undefined,
    rotation: undefined,
  };
}

/** Each certificate in a bucket of its own second: the curve then falls where they end. */
function bucketsOf(certificates: readonly CertificateOfKey[]): readonly LiveBucket[] {
  return certificates.map(({ notAfter }) => ({
    bucketStart: notAfter,
    bucketMs: 1_000,
    issued: 1,
    revoked: 0,
    notAfterFirst: notAfter,
    notAfterLast: notAfter,
  }));
}

function breakdownBy(valid: readonly CertificateOfKey[], of: (one: CertificateOfKey) => string): Breakdown {
  const values = [...Map.groupBy(valid, of)]
    .map(([value, same]): BreakdownEntry => ({ value, outstanding: same.length }))
    .sort((a, b) => b.outstanding - a.outstanding || (a.value < b.value ? -1 : 1));
  return { values, total: values.length, exact: true };
}
