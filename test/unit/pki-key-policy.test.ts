import { checkPrimeSync, generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { bitString, integer, nullValue, oid, sequence } from '../../shared/pki/der/writer.ts';
import { evaluateKey } from '../../shared/pki/key-policy.ts';
import { oids } from '../../shared/pki/oids.ts';
import { parseSubjectPublicKey, type SubjectPublicKey } from '../../shared/pki/public-key.ts';
import { hasRocaFingerprint } from '../../shared/pki/roca.ts';
import { parseSignatureAlgorithm, type SignatureAlgorithm } from '../../shared/pki/signature-algorithm.ts';
import { spkiOf } from '../support/certification-requests.ts';

const sha256WithRsa: SignatureAlgorithm = { kind: 'rsa-pkcs1', hash: 'sha256' };
const ecdsaWithSha256: SignatureAlgorithm = { kind: 'ecdsa', hash: 'sha256' };

function rsaKey(modulus: bigint, exponent: bigint): SubjectPublicKey {
  const bits = bitString(sequence(integer(modulus), integer(exponent)));
  return parseSubjectPublicKey(sequence(sequence(oid(oids.rsaEncryption), nullValue()), bits));
}

function octetsOf(value: bigint): Uint8Array {
  const hex = value.toString(16);
  return new Uint8Array(Buffer.from(hex.padStart(hex.length + (hex.length % 2), '0'), 'hex'));
}

// An odd modulus of the given size without the fingerprint: 2^(bits−1) + 1 is 0 modulo 3 or no power of 65537 modulo 11.
function modulusOf(bits: number): bigint {
  let modulus = 2n ** BigInt(bits - 1) + 1n;
  while (hasRocaFingerprint(octetsOf(modulus))) modulus += 2n;
  return modulus;
}

function codesOf(key: SubjectPublicKey, signature: SignatureAlgorithm): string[] {
  return evaluateKey(key, signature).map((fault) => fault.code);
}

describe('the absolute rules for an RSA key', () => {
  it.each([
    [2_047, ['key-too-small']],
    [2_048, []],
    [3_072, []],
    [4_096, []],
    [4_097, ['key-too-large']],
    [65_536, ['key-too-large']],
  ])('judge a modulus of %i bits', (bits, codes) => {
    expect(codesOf(rsaKey(modulusOf(bits), 65_537n), sha256WithRsa)).toEqual(codes);
  });

  it.each([
    [3n, ['rsa-exponent-too-small']],
    [65_535n, ['rsa-exponent-too-small']],
    [65_537n, []],
    [2n ** 64n - 1n, []],
    [2n ** 64n + 1n, ['key-too-large']],
  ])('judge the exponent %s', (exponent, codes) => {
    expect(codesOf(rsaKey(modulusOf(2_048), exponent), sha256WithRsa)).toEqual(codes);
  });

  it('name every fault', () => {
    const faults = evaluateKey(rsaKey(modulusOf(1_024), 3n), { kind: 'rsa-pkcs1', hash: 'md5' });
    expect(faults.map(({ code }) => code)).toEqual([
      'key-too-small',
      'rsa-exponent-too-small',
      'signature-algorithm-not-allowed',
    ]);
    expect(faults.map(({ field }) => field)).toEqual([
      'subjectPublicKeyInfo.subjectPublicKey.modulus',
      'subjectPublicKeyInfo.subjectPublicKey.publicExponent',
      'signatureAlgorithm',
    ]);
    for (const fault of faults) expect(fault.reference).not.toBe('');
  });
});

// Primes as the Infineon library makes them: k·M + (65537^a mod M), M the product of the first 126 primes for 2048-bit
// moduli (Nemec et al. 2017, table 1).
function infineonPrime(seed: bigint): bigint {
  let product = 1n;
  for (let candidate = 2n, count = 0; count < 126; candidate++) {
    if (!checkPrimeSync(candidate)) continue;
    product *= candidate;
    count++;
  }
  let power = 1n;
  for (let exponent = 0n; exponent < 1_000n + seed; exponent++) power = (power * 65_537n) % product;
  for (let k = 2n ** 1_024n / product - seed * 1_000n; ; k--) {
    const prime = k * product + power;
    if (checkPrimeSync(prime)) return prime;
  }
}

describe('the fingerprint of CVE-2017-15361', () => {
  it('is on a modulus of two primes made as the Infineon library makes them (rsa-roca)', () => {
    const modulus = infineonPrime(1n) * infineonPrime(2n);
    const key = rsaKey(modulus, 65_537n);
    expect(key.keyType).toBe('RSA-2048');
    expect(codesOf(key, sha256WithRsa)).toEqual(['rsa-roca']);
    expect(hasRocaFingerprint(octetsOf(modulus + 2n))).toBe(false);
  });

  it('is on powers of 65537 themselves', () => {
    expect(hasRocaFingerprint(octetsOf(65_537n ** 100n))).toBe(true);
  });

  it('is not on a modulus that a prime of the list divides', () => {
    expect(hasRocaFingerprint(octetsOf(3n * 65_537n ** 100n))).toBe(false);
  });

  it('is not on keys of another library', () => {
    for (let count = 0; count < 8; count++) {
      const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 1024 });
      const { info } = parseSubjectPublicKey(spkiOf(publicKey));
      expect(info.kind === 'rsa' && hasRocaFingerprint(info.modulus)).toBe(false);
    }
  });
});

describe('the absolute rules for keys of other kinds', () => {
  it.each(['P-256', 'P-384', 'P-521'])('take a key on %s', (namedCurve) => {
    const { publicKey } = generateKeyPairSync('ec', { namedCurve });
    expect(codesOf(parseSubjectPublicKey(spkiOf(publicKey)), ecdsaWithSha256)).toEqual([]);
  });

  it('take an Ed25519 key', () => {
    const { publicKey } = generateKeyPairSync('ed25519');
    expect(codesOf(parseSubjectPublicKey(spkiOf(publicKey)), { kind: 'ed25519' })).toEqual([]);
  });

  it.each(['secp256k1', 'secp224r1', 'prime192v1', 'brainpoolP256r1'])(
    'refuse a key on %s (key-type-not-allowed)',
    (namedCurve) => {
      const { publicKey } = generateKeyPairSync('ec', { namedCurve });
      expect(codesOf(parseSubjectPublicKey(spkiOf(publicKey)), ecdsaWithSha256)).toEqual(['key-type-not-allowed']);
    },
  );

  it('refuse Ed448, RSASSA-PSS and unknown keys (key-type-not-allowed)', () => {
    const keys = [
      generateKeyPairSync('ed448').publicKey,
      generateKeyPairSync('rsa-pss', { modulusLength: 2048 }).publicKey,
      generateKeyPairSync('x25519').publicKey,
    ];
    for (const key of keys) {
      expect(codesOf(parseSubjectPublicKey(spkiOf(key)), ecdsaWithSha256)).toEqual(['key-type-not-allowed']);
    }
  });

  it('refuse explicit parameters (ec-explicit-parameters)', () => {
    const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256', paramEncoding: 'explicit' });
    expect(codesOf(parseSubjectPublicKey(spkiOf(publicKey)), ecdsaWithSha256)).toEqual(['ec-explicit-parameters']);
  });

  it('refuse a compressed point (ec-point-compressed)', () => {
    const { bits } = parseSubjectPublicKey(spkiOf(generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey));
    const point = Uint8Array.of(2 + (bits[64]! & 1), ...bits.subarray(1, 33));
    const der = sequence(sequence(oid(oids.ecPublicKey), oid(oids.secp256r1)), bitString(point));
    expect(codesOf(parseSubjectPublicKey(der), ecdsaWithSha256)).toEqual(['ec-point-compressed']);
  });
});

describe('the absolute rules for the self-signature', () => {
  const key = parseSubjectPublicKey(spkiOf(generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey));

  it.each<[SignatureAlgorithm, boolean]>([
    [{ kind: 'ecdsa', hash: 'sha1' }, false],
    [{ kind: 'ecdsa', hash: 'sha224' }, false],
    [{ kind: 'ecdsa', hash: 'sha256' }, true],
    [{ kind: 'ecdsa', hash: 'sha384' }, true],
    [{ kind: 'ecdsa', hash: 'sha512' }, true],
    [{ kind: 'rsa-pkcs1', hash: 'md5' }, false],
    [{ kind: 'rsa-pss', hash: 'sha1', saltBytes: 20 }, false],
    [{ kind: 'rsa-pss', hash: 'sha256', saltBytes: 32 }, true],
    [{ kind: 'ed25519' }, true],
    [parseSignatureAlgorithm(sequence(oid('1.2.3'))), false],
  ])('judge %j', (algorithm, isAllowed) => {
    expect(codesOf(key, algorithm)).toEqual(isAllowed ? [] : ['signature-algorithm-not-allowed']);
  });
});
