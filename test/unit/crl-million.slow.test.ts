import { generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { crlShardCapacity, crlUrlOf } from '../../shared/issuance/crl-shards.ts';
import {
  assembleCertificate,
  authorityKeyIdentifierExtension,
  basicConstraintsExtension,
  buildTbsCertificate,
  crlDistributionPointExtension,
  keyIdentifierOf,
  keyUsageExtension,
  subjectKeyIdentifierExtension,
} from '../../shared/pki/certificate-builder.ts';
import { buildTbsCertList, type CrlEntry, parseCertificateList } from '../../shared/pki/certificate-list.ts';
import { encodeCommonNameOnly } from '../../shared/pki/names.ts';
import { dayMs, testKeyOf, testTime } from '../support/make-certificate.ts';
import { opensslCrlCheck } from '../support/openssl-crl.ts';

const revokedCount = 1_000_000;
const shardBytesMax = 128 * 1024;
const algorithm = 'SHA256WITHECDSA';
const key = testKeyOf(generateKeyPairSync('ec', { namedCurve: 'P-256' }));
const identifier = keyIdentifierOf(key.publicKey);
const issuer = encodeCommonNameOnly('CRL CA');
const validity = { notBefore: testTime - dayMs, notAfter: testTime + 30 * dayMs };

const signed = (tbs: Uint8Array) => assembleCertificate(tbs, algorithm, sign('sha256', tbs, key.privateKey));
const serialOf = () => {
  const serial = randomBytes(16);
  serial[0] = (serial[0]! & 0x7f) | 0x40;
  return serial;
};

const authority = signed(
  buildTbsCertificate({
    ...validity,
    serialNumber: serialOf(),
    signingAlgorithm: algorithm,
    issuer,
    subject: issuer,
    publicKey: key.publicKey.der,
    extensions: [
      basicConstraintsExtension({ ca: true }),
      keyUsageExtension(['keyCertSign', 'cRLSign']),
      subjectKeyIdentifierExtension(identifier),
    ],
  }),
);

function leaf(serialNumber: Uint8Array, url: string): Uint8Array {
  return signed(
    buildTbsCertificate({
      ...validity,
      serialNumber,
      signingAlgorithm: algorithm,
      issuer,
      subject: encodeCommonNameOnly('a device'),
      publicKey: key.publicKey.der,
      extensions: [
        basicConstraintsExtension({ ca: false }),
        authorityKeyIdentifierExtension(identifier),
        crlDistributionPointExtension(url),
      ],
    }),
  );
}

describe('CRLs of a million revoked certificates', () => {
  it('stay within 128 KiB a shard, and openssl judges by them in ten shards (crl-million)', {
    timeout: 300_000,
  }, () => {
    const shards = revokedCount / crlShardCapacity;
    let largest = 0;
    for (let shard = 0; shard < shards; shard += 1) {
      const url = crlUrlOf('http://crl.fleet.example', 'workloads', 1, shard);
      const entries = Array.from({ length: crlShardCapacity }, (): CrlEntry => {
        return { serial: serialOf().toString('hex'), revokedAt: testTime - dayMs, reason: 'keyCompromise' };
      });
      const crl = signed(
        buildTbsCertList({
          signingAlgorithm: algorithm,
          issuer,
          thisUpdate: testTime - 60_000,
          nextUpdate: testTime + dayMs,
          entries,
          authorityKeyIdentifier: identifier,
          number: 2 ** 40 + shard,
          distributionPoint: url,
        }),
      );
      largest = Math.max(largest, crl.length);
      if (shard % (shards / 10) !== 0) continue;
      expect(parseCertificateList(crl)).toMatchObject({ entries, distributionPoint: url });
      const revoked = leaf(Buffer.from(entries[entries.length >> 1]!.serial, 'hex'), url);
      const refused = opensslCrlCheck(revoked, [authority], crl, testTime);
      expect([refused.ok, refused.output]).toEqual([false, expect.stringContaining('certificate revoked')]);
      const good = opensslCrlCheck(leaf(serialOf(), url), [authority], crl, testTime);
      expect([good.ok, good.output]).toEqual([true, expect.stringContaining('OK')]);
      // A CRL of another shard answers for nothing here.
      const other = leaf(serialOf(), crlUrlOf('http://crl.fleet.example', 'workloads', 1, shard + 1));
      expect(opensslCrlCheck(other, [authority], crl, testTime).output).toContain('different CRL scope');
    }
    console.log(`${shards} shards of ${crlShardCapacity}, the largest ${largest} bytes`);
    expect(largest).toBeLessThanOrEqual(shardBytesMax);
  });
});
