import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { pack } from '../../shared/adapters/dynamodb/audits.ts';
import type { Comparison } from '../../shared/issuance/ports.ts';
import { digestOf, ledgerTime } from '../support/ledger-fixtures.ts';

const comparisonOf = (namedCount: number, subjectOf: (n: number) => string): Comparison => ({
  caId: 'devices',
  generation: 1,
  comparedAt: ledgerTime,
  report: { reportId: 'report-1', askedAt: ledgerTime, begunAt: ledgerTime + 1 },
  entries: namedCount,
  undecided: 0,
  unknownCertificates: {
    count: namedCount,
    named: Array.from({ length: namedCount }, (_, n) => ({
      arn: `arn:aws:acm-pca:eu-central-1:111122223333:certificate-authority/a/certificate/${BigInt(`0x${digestOf(`${n}`)}`)}`,
      serialHex: digestOf(`${n}`),
      subject: subjectOf(n),
      notBefore: ledgerTime,
      notAfter: ledgerTime + 1,
      issuedAt: ledgerTime,
      templateArn: 'arn:aws:acm-pca:::template/EndEntityCertificate/V1',
    })),
  },
  unknownIssuances: { count: 0, named: [] },
});
const unpack = (packed: Uint8Array) => JSON.parse(gunzipSync(packed).toString('utf8')) as Comparison;

describe('a comparison as an item of DynamoDB', () => {
  it('holds two full lists of a thousand names as they are', async () => {
    const comparison = comparisonOf(1_000, (n) => `CN=device-${n}.fleet.example`);
    const packed = await pack(comparison);
    expect(packed.length).toBeLessThan(350_000);
    expect(unpack(packed)).toEqual(comparison);
  });

  it('names fewer rather than not fit, and counts what it counted', async () => {
    const noise = (n: number) => Array.from({ length: 60 }, (_, part) => digestOf(`${n}-${part}`)).join('');
    const packed = await pack(comparisonOf(1_000, noise));
    expect(packed.length).toBeLessThanOrEqual(350_000);
    const { count, named } = unpack(packed).unknownCertificates;
    expect(count).toBe(1_000);
    expect(named.length).toBeGreaterThan(50);
    expect(named.length).toBeLessThan(1_000);
  });
});
