import { constants, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { type CertificationRequest, parseCertificationRequest } from '../../shared/pki/certification-request.ts';
import { explicit, integer, nullValue, oid, sequence } from '../../shared/pki/der/writer.ts';
import { oids } from '../../shared/pki/oids.ts';
import { verifyPossession } from '../../shared/pki/possession.ts';
import {
  anyKeyPair,
  makeRequest,
  type RequestParts,
  sampleDer,
  sampleManifest,
  spkiOf,
} from '../support/certification-requests.ts';

function provesPossession(parts: RequestParts): Promise<boolean> {
  return verifyPossession(parseCertificationRequest(makeRequest(parts)));
}

function ecdsa(hash: string, key: KeyObject): NonNullable<RequestParts['signature']> {
  return (info) => new Uint8Array(sign(hash, info, key));
}

const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const ed25519 = generateKeyPairSync('ed25519');

function pssAlgorithm(saltBytes: number): Uint8Array {
  const sha256 = sequence(oid(oids.sha256), nullValue());
  const mask = sequence(oid(oids.mgf1), sha256);
  return sequence(
    oid(oids.rsassaPss),
    sequence(explicit(0, sha256), explicit(1, mask), explicit(2, integer(saltBytes))),
  );
}

function signPss(info: Uint8Array, saltLength: number): Uint8Array {
  return new Uint8Array(
    sign('sha256', info, { key: rsa.privateKey, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength }),
  );
}

describe('proof of possession (RFC 2986 3)', () => {
  it.each(sampleManifest.filter((sample) => sample.expect === 'issued'))('holds for $file', async ({ file }) => {
    expect(await verifyPossession(parseCertificationRequest(sampleDer(file)))).toBe(true);
  });

  it.each(['broken-signature.csr', 'broken-subject-changed.csr'])('does not hold for %s', async (file) => {
    expect(await verifyPossession(parseCertificationRequest(sampleDer(file)))).toBe(false);
  });

  it('holds for every algorithm that is allowed', async () => {
    const cases: readonly RequestParts[] = [
      {},
      { signatureAlgorithm: sequence(oid(oids.ecdsaWithSha512)), signature: ecdsa('sha512', anyKeyPair.privateKey) },
      {
        spki: spkiOf(rsa.publicKey),
        privateKey: rsa.privateKey,
        signatureAlgorithm: sequence(oid(oids.sha256WithRsaEncryption), nullValue()),
      },
      { spki: spkiOf(rsa.publicKey), signatureAlgorithm: pssAlgorithm(32), signature: (info) => signPss(info, 32) },
      {
        spki: spkiOf(ed25519.publicKey),
        signatureAlgorithm: sequence(oid(oids.ed25519)),
        signature: (info) => new Uint8Array(sign(null, info, ed25519.privateKey)),
      },
    ];
    for (const parts of cases) expect(await provesPossession(parts)).toBe(true);
  });

  it('does not hold when any bit of what is signed is another', async () => {
    const request = parseCertificationRequest(makeRequest());
    for (const at of [0, 10, request.info.length - 1]) {
      const info = Uint8Array.from(request.info);
      info[at] = info[at]! ^ 1;
      expect(await verifyPossession({ ...request, info })).toBe(false);
    }
  });

  it('does not hold under another key', async () => {
    const other = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    expect(await provesPossession({ privateKey: other.privateKey })).toBe(false);
  });

  it('does not hold with a salt of another length than declared', async () => {
    const spki = spkiOf(rsa.publicKey);
    expect(
      await provesPossession({ spki, signatureAlgorithm: pssAlgorithm(20), signature: (info) => signPss(info, 32) }),
    ).toBe(false);
  });

  it.each<[string, Uint8Array, Uint8Array]>([
    [
      'RSA over an elliptic-curve key',
      spkiOf(anyKeyPair.publicKey),
      sequence(oid(oids.sha256WithRsaEncryption), nullValue()),
    ],
    ['ECDSA over an RSA key', spkiOf(rsa.publicKey), sequence(oid(oids.ecdsaWithSha256))],
    ['ECDSA over an Ed25519 key', spkiOf(ed25519.publicKey), sequence(oid(oids.ecdsaWithSha256))],
    ['Ed25519 over an elliptic-curve key', spkiOf(anyKeyPair.publicKey), sequence(oid(oids.ed25519))],
    ['Ed448 over an Ed25519 key', spkiOf(ed25519.publicKey), sequence(oid(oids.ed448))],
    ['an unknown algorithm', spkiOf(anyKeyPair.publicKey), sequence(oid('1.2.3'))],
  ])('does not hold by %s', async (_what, spki, signatureAlgorithm) => {
    expect(await provesPossession({ spki, signatureAlgorithm })).toBe(false);
  });

  it('does not hold by a signature that verifies but is of a refused algorithm or key', async () => {
    const weak = generateKeyPairSync('rsa', { modulusLength: 1024 });
    const withSha1 = sequence(oid(oids.ecdsaWithSha1));
    expect(
      await provesPossession({ signatureAlgorithm: withSha1, signature: ecdsa('sha1', anyKeyPair.privateKey) }),
    ).toBe(false);
    const algorithm = sequence(oid(oids.sha256WithRsaEncryption), nullValue());
    expect(
      await provesPossession({
        spki: spkiOf(weak.publicKey),
        privateKey: weak.privateKey,
        signatureAlgorithm: algorithm,
      }),
    ).toBe(false);
  });

  it('does not hold by a signature in another encoding (RFC 3279 2.2.3)', async () => {
    const raw = (info: Uint8Array) =>
      new Uint8Array(sign('sha256', info, { key: anyKeyPair.privateKey, dsaEncoding: 'ieee-p1363' }));
    expect(await provesPossession({ signature: raw })).toBe(false);
    const followed = (info: Uint8Array) => Uint8Array.of(...sign('sha256', info, anyKeyPair.privateKey), 0);
    expect(await provesPossession({ signature: followed })).toBe(false);
    expect(await provesPossession({ signature: () => new Uint8Array() })).toBe(false);
  });

  it('is judged for many requests at a time without one disturbing another', async () => {
    const good = parseCertificationRequest(makeRequest());
    const bad: CertificationRequest = {
      ...good,
      signature: good.signature.map((octet, index) => (index === 20 ? octet ^ 1 : octet)),
    };
    const outcomes = await Promise.all(
      Array.from({ length: 24 }, (_, index) => verifyPossession(index % 3 === 0 ? bad : good)),
    );
    expect(outcomes).toEqual(Array.from({ length: 24 }, (_, index) => index % 3 !== 0));
  });

  it('does not hold for a key the runtime does not take', async () => {
    // An Ed25519 key whose y has no x: well-formed, and no point.
    const octets = new Uint8Array(32);
    octets[0] = 2;
    const spki = sequence(sequence(oid(oids.ed25519)), Uint8Array.of(3, 33, 0, ...octets));
    const signature = () => new Uint8Array(64);
    expect(await provesPossession({ spki, signatureAlgorithm: sequence(oid(oids.ed25519)), signature })).toBe(false);
  });
});
