import { describe, expect, it } from 'vitest';
import { hexOf } from '../../shared/pki/der/reader.ts';
import { explicit, integer, nullValue, oid, sequence } from '../../shared/pki/der/writer.ts';
import { oids } from '../../shared/pki/oids.ts';
import {
  caSigningAlgorithmHash,
  ecdsaRawToDer,
  encodeCaSigningAlgorithm,
  isEcdsaSignature,
  parseSignatureAlgorithm,
  signatureAlgorithmName,
} from '../../shared/pki/signature-algorithm.ts';
import { malformedBy } from '../support/certification-requests.ts';

function hashAlgorithm(hash: string, parameters: readonly Uint8Array[] = [nullValue()]): Uint8Array {
  return sequence(oid(hash), ...parameters);
}

function pss(...fields: readonly Uint8Array[]): Uint8Array {
  return sequence(oid(oids.rsassaPss), sequence(...fields));
}

function mgf1(hash: string): Uint8Array {
  return explicit(1, sequence(oid(oids.mgf1), hashAlgorithm(hash)));
}

const sha256Fields = [explicit(0, hashAlgorithm(oids.sha256)), mgf1(oids.sha256)] as const;

describe('the algorithm of a signature', () => {
  it.each([
    [sequence(oid(oids.ecdsaWithSha1)), 'ecdsa-with-SHA1'],
    [sequence(oid(oids.ecdsaWithSha224)), 'ecdsa-with-SHA224'],
    [sequence(oid(oids.ecdsaWithSha384)), 'ecdsa-with-SHA384'],
    [sequence(oid(oids.md5WithRsaEncryption), nullValue()), 'md5WithRSAEncryption'],
    [sequence(oid(oids.sha512WithRsaEncryption), nullValue()), 'sha512WithRSAEncryption'],
    [sequence(oid(oids.sha256WithRsaEncryption)), 'sha256WithRSAEncryption'],
    [sequence(oid(oids.ed25519)), 'Ed25519'],
    [sequence(oid(oids.ed448)), 'Ed448'],
    [sequence(oid('1.2.3'), integer(1)), '1.2.3'],
    [pss(...sha256Fields, explicit(2, integer(32))), 'rsassaPss-with-SHA256'],
  ])('is recognised', (der, name) => {
    expect(signatureAlgorithmName(parseSignatureAlgorithm(der))).toBe(name);
  });

  it.each([
    ['ECDSA with parameters (RFC 5758 3.2)', sequence(oid(oids.ecdsaWithSha256), nullValue())],
    ['Ed25519 with parameters (RFC 8410 3)', sequence(oid(oids.ed25519), nullValue())],
    ['RSA with parameters that are not NULL (RFC 4055 5)', sequence(oid(oids.sha256WithRsaEncryption), integer(1))],
    ['RSASSA-PSS without parameters', sequence(oid(oids.rsassaPss))],
    ['RSASSA-PSS with a field it has not', pss(explicit(4, integer(1)))],
    ['RSASSA-PSS with fields out of order', pss(explicit(2, integer(32)), explicit(0, hashAlgorithm(oids.sha256)))],
    ['RSASSA-PSS with a negative salt length', pss(...sha256Fields, explicit(2, integer(-1)))],
    ['two parameters', sequence(oid('1.2.3'), nullValue(), nullValue())],
  ])('is malformed as %s', (_what, der) => {
    expect(malformedBy(() => parseSignatureAlgorithm(der))?.code).toBe('der-malformed');
  });
});

describe('RSASSA-PSS parameters (RFC 4055 3.1)', () => {
  it.each([
    ['all defaults', pss(), 'sha1', 20],
    [
      'defaults written out',
      pss(explicit(0, hashAlgorithm(oids.sha1)), mgf1(oids.sha1), explicit(2, integer(20)), explicit(3, integer(1))),
      'sha1',
      20,
    ],
    ['the default salt length', pss(...sha256Fields), 'sha256', 20],
    [
      'hash parameters left out',
      pss(explicit(0, hashAlgorithm(oids.sha256, [])), mgf1(oids.sha256), explicit(2, integer(32))),
      'sha256',
      32,
    ],
    ['the longest salt of a 4096-bit modulus', pss(...sha256Fields, explicit(2, integer(478))), 'sha256', 478],
    ['no salt', pss(...sha256Fields, explicit(2, integer(0))), 'sha256', 0],
  ])('are read with %s', (_what, der, hash, saltBytes) => {
    expect(parseSignatureAlgorithm(der)).toEqual({ kind: 'rsa-pss', hash, saltBytes });
  });

  it.each([
    ['a mask hash that is not the message hash', pss(explicit(0, hashAlgorithm(oids.sha256)), mgf1(oids.sha512))],
    ['another mask function', pss(explicit(0, hashAlgorithm(oids.sha256)), explicit(1, sequence(oid('1.2.3'))))],
    ['another hash', pss(explicit(0, hashAlgorithm('2.16.840.1.101.3.4.2.8')))],
    ['a salt no modulus of 4096 bits holds', pss(...sha256Fields, explicit(2, integer(479)))],
    ['another trailer', pss(...sha256Fields, explicit(3, integer(2)))],
  ])('are of no use with %s', (_what, der) => {
    expect(parseSignatureAlgorithm(der)).toEqual({ kind: 'unknown', oid: oids.rsassaPss });
  });
});

describe('the algorithm of a CA', () => {
  it.each([
    ['SHA256WITHECDSA', 'sha256', 'ecdsa-with-SHA256', '300a06082a8648ce3d040302'],
    ['SHA384WITHECDSA', 'sha384', 'ecdsa-with-SHA384', '300a06082a8648ce3d040303'],
    ['SHA512WITHECDSA', 'sha512', 'ecdsa-with-SHA512', '300a06082a8648ce3d040304'],
    ['SHA256WITHRSA', 'sha256', 'sha256WithRSAEncryption', '300d06092a864886f70d01010b0500'],
    ['SHA384WITHRSA', 'sha384', 'sha384WithRSAEncryption', '300d06092a864886f70d01010c0500'],
    ['SHA512WITHRSA', 'sha512', 'sha512WithRSAEncryption', '300d06092a864886f70d01010d0500'],
  ] as const)('%s is written as RFC 5758 and RFC 4055 say', (algorithm, hash, name, hex) => {
    expect(hexOf(encodeCaSigningAlgorithm(algorithm))).toBe(hex);
    expect(caSigningAlgorithmHash(algorithm)).toBe(hash);
    expect(signatureAlgorithmName(parseSignatureAlgorithm(encodeCaSigningAlgorithm(algorithm)))).toBe(name);
  });
});

describe('an ECDSA signature (RFC 3279 2.2.3)', () => {
  it('is made of r and s with minimal integers', () => {
    expect(hexOf(ecdsaRawToDer(Uint8Array.of(0, 0, 0x80, 0, 1, 2)))).toBe('3008020200800202 0102'.replace(' ', ''));
    expect(() => ecdsaRawToDer(new Uint8Array(3))).toThrow(RangeError);
  });

  it.each<[string, Uint8Array, boolean]>([
    ['two positive integers', sequence(integer(1), integer(2n ** 256n - 1n)), true],
    ['an r of zero', sequence(integer(0), integer(1)), false],
    ['a negative s', sequence(integer(1), integer(-1)), false],
    ['an r longer than the field', sequence(integer(2n ** 256n), integer(1)), false],
    ['one integer', sequence(integer(1)), false],
    ['three integers', sequence(integer(1), integer(1), integer(1)), false],
    ['a byte after it', Uint8Array.of(...sequence(integer(1), integer(1)), 0), false],
    ['a superfluous octet', Uint8Array.of(0x30, 7, 2, 2, 0, 1, 2, 1, 1), false],
    ['raw r and s', new Uint8Array(64).fill(1), false],
    ['nothing', new Uint8Array(), false],
    ['100 KiB', new Uint8Array(102_400), false],
  ])('of %s: %#', (_what, signature, isStrict) => {
    expect(isEcdsaSignature(signature, 32)).toBe(isStrict);
  });
});
