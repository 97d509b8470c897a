import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { bitString, integer, nullValue, octetString, oid, sequence, set } from '../../shared/pki/der/writer.ts';
import { oids } from '../../shared/pki/oids.ts';
import { parseSubjectPublicKey, toKeyObject } from '../../shared/pki/public-key.ts';
import { malformedBy, spkiOf } from '../support/certification-requests.ts';

function ecSpki(curve: string, point: Uint8Array): Uint8Array {
  return sequence(sequence(oid(oids.ecPublicKey), oid(curve)), bitString(point));
}

function rsaSpki(modulus: bigint, exponent: bigint, parameters: readonly Uint8Array[] = [nullValue()]): Uint8Array {
  return sequence(
    sequence(oid(oids.rsaEncryption), ...parameters),
    bitString(sequence(integer(modulus), integer(exponent))),
  );
}

function ed25519Spki(octets: Uint8Array): Uint8Array {
  return sequence(sequence(oid(oids.ed25519)), bitString(octets));
}

function codeOf(der: Uint8Array): string | undefined {
  return malformedBy(() => parseSubjectPublicKey(der))?.code;
}

const curves = [
  {
    name: 'P-256',
    curve: oids.secp256r1,
    fieldBytes: 32,
    prime: 2n ** 256n - 2n ** 224n + 2n ** 192n + 2n ** 96n - 1n,
  },
  { name: 'P-384', curve: oids.secp384r1, fieldBytes: 48, prime: 2n ** 384n - 2n ** 128n - 2n ** 96n + 2n ** 32n - 1n },
  { name: 'P-521', curve: oids.secp521r1, fieldBytes: 66, prime: 2n ** 521n - 1n },
] as const;

function pointOf(name: string): Uint8Array {
  return parseSubjectPublicKey(spkiOf(generateKeyPairSync('ec', { namedCurve: name }).publicKey)).bits;
}

function fieldElement(value: bigint, fieldBytes: number): Uint8Array {
  return new Uint8Array(Buffer.from(value.toString(16).padStart(fieldBytes * 2, '0'), 'hex'));
}

describe.each(curves)('a key on $name', ({ name, curve, fieldBytes, prime }) => {
  const point = pointOf(name);

  it('is taken with a point of the curve', () => {
    const key = parseSubjectPublicKey(ecSpki(curve, point));
    expect(key.info).toEqual({ kind: 'ec', curve: name, point: 'uncompressed' });
    expect(key.keyType).toBe(name);
  });

  it('is recognised when its point is compressed (RFC 5480 2.2)', () => {
    const compressed = Uint8Array.of(2 + (point.at(-1)! & 1), ...point.subarray(1, 1 + fieldBytes));
    expect(parseSubjectPublicKey(ecSpki(curve, compressed)).info).toMatchObject({ point: 'compressed' });
  });

  it.each([
    ['the point at infinity', Uint8Array.of(0)],
    ['an empty point', new Uint8Array()],
    ['the hybrid form (X9.62)', Uint8Array.of(6 + (point.at(-1)! & 1), ...point.subarray(1))],
    ['a point cut short', point.subarray(0, -1)],
    ['a point with an octet more', Uint8Array.of(...point, 0)],
    ['a point off the curve', Uint8Array.of(...point.subarray(0, -1), point.at(-1)! ^ 1)],
    ['an x off the curve', Uint8Array.of(4, point[1]! ^ 1, ...point.subarray(2))],
    ['the point (0, 0)', Uint8Array.of(4, ...new Uint8Array(2 * fieldBytes))],
    ['an x that is the prime', Uint8Array.of(4, ...fieldElement(prime, fieldBytes), ...point.subarray(1 + fieldBytes))],
    ['a compressed x that is the prime', Uint8Array.of(2, ...fieldElement(prime, fieldBytes))],
  ])('is refused with %s (public-key-invalid)', (_what, bad) => {
    expect(codeOf(ecSpki(curve, bad))).toBe('public-key-invalid');
  });

  it('is refused when a coordinate is written with the prime added, though equal modulo the prime', () => {
    const y = BigInt(`0x${Buffer.from(point.subarray(1 + fieldBytes)).toString('hex')}`) + prime;
    // Only for a y small enough to leave room for it in as many octets; elsewhere the largest value stands in.
    const written = y < 256n ** BigInt(fieldBytes) ? y : 256n ** BigInt(fieldBytes) - 1n;
    const bad = Uint8Array.of(...point.subarray(0, 1 + fieldBytes), ...fieldElement(written, fieldBytes));
    expect(codeOf(ecSpki(curve, bad))).toBe('public-key-invalid');
  });

  it('imports into the runtime as the same key', () => {
    const spki = ecSpki(curve, point);
    expect(spkiOf(toKeyObject(parseSubjectPublicKey(spki)))).toEqual(spki);
  });
});

describe('the parameters of an elliptic-curve key (RFC 5480 2.1.1)', () => {
  const point = pointOf('P-256');
  it.each([
    ['explicit parameters', [sequence(integer(1))], 'EC-explicit'],
    ['a curve nobody knows', [oid('1.3.6.1.4.1.99999.1')], '1.3.6.1.4.1.99999.1'],
  ])('are told apart: %s', (_what, parameters, keyType) => {
    const der = sequence(sequence(oid(oids.ecPublicKey), ...parameters), bitString(point));
    expect(parseSubjectPublicKey(der).keyType).toBe(keyType);
  });

  it.each([
    ['implicitCurve', [nullValue()]],
    ['none', []],
    ['two', [oid(oids.secp256r1), nullValue()]],
  ])('are malformed: %s', (_what, parameters) => {
    const der = sequence(sequence(oid(oids.ecPublicKey), ...parameters), bitString(point));
    expect(codeOf(der)).toBe('der-malformed');
  });

  it.each([
    ['P-192', oids.secp192r1, 24],
    ['P-224', oids.secp224r1, 28],
    ['secp256k1', oids.secp256k1, 32],
  ])('of %s, which we refuse, come with a point of the right length', (name, curve, fieldBytes) => {
    const sound = Uint8Array.of(4, ...new Uint8Array(2 * fieldBytes));
    expect(parseSubjectPublicKey(ecSpki(curve, sound)).keyType).toBe(name);
    expect(codeOf(ecSpki(curve, sound.subarray(0, -2)))).toBe('public-key-invalid');
  });
});

describe('an RSA key (RFC 8017 A.1.1)', () => {
  const modulus = 2n ** 2047n + 1n;

  it('has its exact size in its type', () => {
    expect(parseSubjectPublicKey(rsaSpki(modulus, 65_537n)).info).toMatchObject({
      kind: 'rsa',
      modulusBits: 2048,
      exponent: 65_537n,
    });
    expect(parseSubjectPublicKey(rsaSpki(2n ** 2046n + 1n, 3n)).keyType).toBe('RSA-2047');
    expect(parseSubjectPublicKey(rsaSpki(2n ** 2048n + 1n, 3n)).keyType).toBe('RSA-2049');
  });

  it.each([
    ['an even modulus', modulus + 1n, 65_537n],
    ['a negative modulus', -modulus, 65_537n],
    ['a modulus of zero', 0n, 65_537n],
    ['an even exponent', modulus, 65_536n],
    ['an exponent of one', modulus, 1n],
    ['an exponent of zero', modulus, 0n],
    ['a negative exponent', modulus, -3n],
    ['an exponent longer than the modulus', modulus, 2n ** 2049n + 1n],
    ['a modulus of one', 1n, 3n],
  ])('is refused with %s (public-key-invalid)', (_what, n, e) => {
    expect(codeOf(rsaSpki(n, e))).toBe('public-key-invalid');
  });

  it.each([
    ['no parameters (RFC 3279 2.3.1)', rsaSpki(modulus, 3n, [])],
    ['other parameters', rsaSpki(modulus, 3n, [integer(1)])],
    [
      'a third number',
      sequence(
        sequence(oid(oids.rsaEncryption), nullValue()),
        bitString(sequence(integer(modulus), integer(3), integer(3))),
      ),
    ],
    [
      'a SET instead of a SEQUENCE',
      sequence(sequence(oid(oids.rsaEncryption), nullValue()), bitString(set(integer(3), integer(modulus)))),
    ],
    ['unused bits', sequence(sequence(oid(oids.rsaEncryption), nullValue()), bitString(Uint8Array.of(0x30, 0), 4))],
  ])('is malformed with %s', (_what, der) => {
    expect(codeOf(der)).toBe('der-malformed');
  });

  it('is malformed with something after its numbers', () => {
    const bits = Uint8Array.of(...sequence(integer(modulus), integer(3)), 0);
    expect(codeOf(sequence(sequence(oid(oids.rsaEncryption), nullValue()), bitString(bits)))).toBe(
      'der-trailing-bytes',
    );
  });

  it('of 64 Kbit is read without arithmetic on it', () => {
    expect(parseSubjectPublicKey(rsaSpki(2n ** 65_535n + 1n, 2n ** 65_000n + 1n)).keyType).toBe('RSA-65536');
  });
});

// All encodings of the points whose order divides 8, the two with y above the prime included; the sign bit is free.
const smallOrder = [
  '0000000000000000000000000000000000000000000000000000000000000000',
  '0100000000000000000000000000000000000000000000000000000000000000',
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
];

describe('an Ed25519 key (RFC 8410)', () => {
  it('has 32 octets and no parameters', () => {
    const spki = spkiOf(generateKeyPairSync('ed25519').publicKey);
    expect(parseSubjectPublicKey(spki).keyType).toBe('Ed25519');
    const octets = parseSubjectPublicKey(spki).bits;
    expect(codeOf(ed25519Spki(octets.subarray(1)))).toBe('public-key-invalid');
    expect(codeOf(ed25519Spki(Uint8Array.of(...octets, 0)))).toBe('public-key-invalid');
    expect(codeOf(sequence(sequence(oid(oids.ed25519), nullValue()), bitString(octets)))).toBe('der-malformed');
  });

  it.each(smallOrder)('is refused with the point of small order %s, with either sign (public-key-invalid)', (hex) => {
    const octets = new Uint8Array(Buffer.from(hex, 'hex'));
    expect(codeOf(ed25519Spki(octets))).toBe('public-key-invalid');
    octets[31] = octets[31]! | 0x80;
    expect(codeOf(ed25519Spki(octets))).toBe('public-key-invalid');
  });

  it('is refused with a y that is not below the prime (RFC 8032 5.1.3)', () => {
    expect(codeOf(ed25519Spki(Uint8Array.of(0xf0, ...new Uint8Array(30).fill(0xff), 0x7f)))).toBe('public-key-invalid');
  });
});

describe('keys of other kinds', () => {
  it('are recognised', () => {
    expect(parseSubjectPublicKey(spkiOf(generateKeyPairSync('ed448').publicKey)).keyType).toBe('Ed448');
    expect(parseSubjectPublicKey(spkiOf(generateKeyPairSync('x25519').publicKey)).keyType).toBe(oids.x25519);
    const pss = generateKeyPairSync('rsa-pss', {
      modulusLength: 1024,
      hashAlgorithm: 'sha256',
      mgf1HashAlgorithm: 'sha256',
    });
    expect(parseSubjectPublicKey(spkiOf(pss.publicKey)).info).toEqual({ kind: 'rsa-pss', modulusBits: 1024 });
  });

  it('are refused in the wrong size (public-key-invalid)', () => {
    expect(codeOf(sequence(sequence(oid(oids.ed448)), bitString(new Uint8Array(56))))).toBe('public-key-invalid');
  });

  it('are malformed with two parameters (RFC 5280 4.1.1.2)', () => {
    const twice = sequence(oid('1.2.3'), nullValue(), nullValue());
    expect(codeOf(sequence(twice, bitString(new Uint8Array(32))))).toBe('der-malformed');
  });

  it('are malformed when they are no SubjectPublicKeyInfo', () => {
    expect(codeOf(sequence(sequence(oid(oids.ed25519))))).toBe('der-malformed');
    expect(codeOf(sequence(sequence(oid(oids.ed25519)), octetString(new Uint8Array(32))))).toBe('der-malformed');
    expect(codeOf(new Uint8Array())).toBe('der-truncated');
  });

  it('have the digest of their whole DER', () => {
    const key = parseSubjectPublicKey(spkiOf(generateKeyPairSync('ed25519').publicKey));
    expect(key.sha256).toMatch(/^[0-9a-f]{64}$/);
    expect(key.der.length).toBe(44);
  });
});
