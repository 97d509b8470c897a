import {
  type DerCursor,
  expectEnd,
  isAtEnd,
  openDer,
  peekTag,
  readConstructed,
  readIntegerBytes,
  readNull,
  readOid,
  readSequence,
  readSmallInteger,
  skipElement,
} from './der/reader.ts';
import { integerBytes, nullValue, oid, sequence } from './der/writer.ts';
import { MalformedError } from './malformed.ts';
import { oids } from './oids.ts';

/** Hash functions that occur in signature algorithms, by their node:crypto names. */
export type HashName = 'md5' | 'sha1' | 'sha224' | 'sha256' | 'sha384' | 'sha512';

/** The algorithm of a signature. `unknown` is one we cannot name, or RSASSA-PSS with parameters nobody should use. */
export type SignatureAlgorithm =
  | { readonly kind: 'ecdsa' | 'rsa-pkcs1'; readonly hash: HashName }
  | { readonly kind: 'rsa-pss'; readonly hash: HashName; readonly saltBytes: number }
  | { readonly kind: 'ed25519' }
  | { readonly kind: 'ed448' }
  | { readonly kind: 'unknown'; readonly oid: string };

const ecdsaHashes: ReadonlyMap<string, HashName> = new Map([
  [oids.ecdsaWithSha1, 'sha1'],
  [oids.ecdsaWithSha224, 'sha224'],
  [oids.ecdsaWithSha256, 'sha256'],
  [oids.ecdsaWithSha384, 'sha384'],
  [oids.ecdsaWithSha512, 'sha512'],
]);

const rsaPkcs1Hashes: ReadonlyMap<string, HashName> = new Map([
  [oids.md5WithRsaEncryption, 'md5'],
  [oids.sha1WithRsaEncryption, 'sha1'],
  [oids.sha224WithRsaEncryption, 'sha224'],
  [oids.sha256WithRsaEncryption, 'sha256'],
  [oids.sha384WithRsaEncryption, 'sha384'],
  [oids.sha512WithRsaEncryption, 'sha512'],
]);

const hashes: ReadonlyMap<string, HashName> = new Map([
  [oids.md5, 'md5'],
  [oids.sha1, 'sha1'],
  [oids.sha224, 'sha224'],
  [oids.sha256, 'sha256'],
  [oids.sha384, 'sha384'],
  [oids.sha512, 'sha512'],
]);

const hashBytes: Readonly<Record<HashName, number>> = {
  md5: 16,
  sha1: 20,
  sha224: 28,
  sha256: 32,
  sha384: 48,
  sha512: 64,
};

/** Parses an AlgorithmIdentifier that stands alone. Throws MalformedError. */
export function parseSignatureAlgorithm(der: Uint8Array): SignatureAlgorithm {
  return readSignatureAlgorithm(openDer(der));
}

/**
 * Reads the AlgorithmIdentifier of a signature. Parameters: absent for ECDSA (RFC 5758 §3.2) and EdDSA (RFC 8410 §3);
 * NULL for RSA PKCS #1 v1.5, where RFC 4055 §5 has readers accept their absence too; for RSASSA-PSS see
 * `readPssParameters`. Throws MalformedError for other parameters of an algorithm we know.
 */
export function readSignatureAlgorithm(cursor: DerCursor): SignatureAlgorithm {
  const fields = readSequence(cursor);
  const algorithm = readOid(fields);
  const ecdsaHash = ecdsaHashes.get(algorithm);
  if (ecdsaHash !== undefined) {
    expectEnd(fields);
    return { kind: 'ecdsa', hash: ecdsaHash };
  }
  const rsaHash = rsaPkcs1Hashes.get(algorithm);
  if (rsaHash !== undefined) {
    if (!isAtEnd(fields)) readNull(fields);
    expectEnd(fields);
    return { kind: 'rsa-pkcs1', hash: rsaHash };
  }
  if (algorithm === oids.rsassaPss) {
    const parameters = readPssParameters(fields);
    expectEnd(fields);
    return parameters ?? { kind: 'unknown', oid: algorithm };
  }
  if (algorithm === oids.ed25519 || algorithm === oids.ed448) {
    expectEnd(fields);
    return { kind: algorithm === oids.ed25519 ? 'ed25519' : 'ed448' };
  }
  if (!isAtEnd(fields)) skipElement(fields);
  expectEnd(fields);
  return { kind: 'unknown', oid: algorithm };
}

/**
 * Reads RSASSA-PSS-params (RFC 4055 §3.1): SHA-1, MGF1 with SHA-1, 20 octets of salt and trailer 1 unless said
 * otherwise. A default spelt out is accepted, as RFC 4055 asks of readers. Undefined for what is well-formed but of no
 * use: another hash or mask function, a mask hash that is not the message hash, a salt that fits no modulus of 4096
 * bits (RFC 8017 §9.1.1: emLen ≥ hLen + sLen + 2), another trailer.
 */
export function readPssParameters(
  cursor: DerCursor,
): { readonly kind: 'rsa-pss'; readonly hash: HashName; readonly saltBytes: number } | undefined {
  const fields = readSequence(cursor);
  const hash = peekTag(fields) === 0xa0 ? readOnly(fields, 0xa0, readHashAlgorithm) : 'sha1';
  const maskHash = peekTag(fields) === 0xa1 ? readOnly(fields, 0xa1, readMaskAlgorithm) : 'sha1';
  const readLength = (inner: DerCursor) => readSmallInteger(inner, 65_535);
  const saltBytes = peekTag(fields) === 0xa2 ? readOnly(fields, 0xa2, readLength) : 20;
  const trailer = peekTag(fields) === 0xa3 ? readOnly(fields, 0xa3, readLength) : 1;
  expectEnd(fields);
  if (hash === undefined || maskHash !== hash || trailer !== 1) return undefined;
  return saltBytes > 512 - hashBytes[hash] - 2 ? undefined : { kind: 'rsa-pss', hash, saltBytes };
}

function readOnly<T>(cursor: DerCursor, tag: number, read: (inner: DerCursor) => T): T {
  const inner = readConstructed(cursor, tag);
  const value = read(inner);
  expectEnd(inner);
  return value;
}

// RFC 4055 §2.1: parameters NULL or absent, both of which readers accept.
function readHashAlgorithm(cursor: DerCursor): HashName | undefined {
  const fields = readSequence(cursor);
  const algorithm = readOid(fields);
  const hash = hashes.get(algorithm);
  if (hash === undefined) {
    if (!isAtEnd(fields)) skipElement(fields);
  } else if (!isAtEnd(fields)) {
    readNull(fields);
  }
  expectEnd(fields);
  return hash;
}

function readMaskAlgorithm(cursor: DerCursor): HashName | undefined {
  const fields = readSequence(cursor);
  const isMgf1 = readOid(fields) === oids.mgf1;
  const hash = isMgf1 ? readHashAlgorithm(fields) : undefined;
  if (!isMgf1 && !isAtEnd(fields)) skipElement(fields);
  expectEnd(fields);
  return hash;
}

/** The name of a signature algorithm as OpenSSL and the RFCs write it: `ecdsa-with-SHA256`, `sha256WithRSAEncryption`. */
export function signatureAlgorithmName(algorithm: SignatureAlgorithm): string {
  switch (algorithm.kind) {
    case 'ecdsa':
      return `ecdsa-with-${algorithm.hash.toUpperCase()}`;
    case 'rsa-pkcs1':
      return `${algorithm.hash}WithRSAEncryption`;
    case 'rsa-pss':
      return `rsassaPss-with-${algorithm.hash.toUpperCase()}`;
    case 'ed25519':
      return 'Ed25519';
    case 'ed448':
      return 'Ed448';
    case 'unknown':
      return algorithm.oid;
    default:
      return assertNever(algorithm);
  }
}

function assertNever(value: never): never {
  throw new TypeError(`unexpected signature algorithm: ${String(value)}`);
}

/** What a CA may sign with, by the names of the ACM PCA API (`SigningAlgorithm`). */
export type CaSigningAlgorithm =
  | 'SHA256WITHECDSA'
  | 'SHA384WITHECDSA'
  | 'SHA512WITHECDSA'
  | 'SHA256WITHRSA'
  | 'SHA384WITHRSA'
  | 'SHA512WITHRSA';

const caSigningAlgorithms: Readonly<
  Record<CaSigningAlgorithm, { readonly hash: 'sha256' | 'sha384' | 'sha512'; readonly der: Uint8Array }>
> = {
  SHA256WITHECDSA: { hash: 'sha256', der: sequence(oid(oids.ecdsaWithSha256)) },
  SHA384WITHECDSA: { hash: 'sha384', der: sequence(oid(oids.ecdsaWithSha384)) },
  SHA512WITHECDSA: { hash: 'sha512', der: sequence(oid(oids.ecdsaWithSha512)) },
  SHA256WITHRSA: { hash: 'sha256', der: sequence(oid(oids.sha256WithRsaEncryption), nullValue()) },
  SHA384WITHRSA: { hash: 'sha384', der: sequence(oid(oids.sha384WithRsaEncryption), nullValue()) },
  SHA512WITHRSA: { hash: 'sha512', der: sequence(oid(oids.sha512WithRsaEncryption), nullValue()) },
};

/** AlgorithmIdentifier DER of a CA's algorithm (RFC 5758 §3.2, RFC 4055 §5); shared, not to be written to. */
export function encodeCaSigningAlgorithm(algorithm: CaSigningAlgorithm): Uint8Array {
  return caSigningAlgorithms[algorithm].der;
}

/** The hash a CA's algorithm signs. */
export function caSigningAlgorithmHash(algorithm: CaSigningAlgorithm): 'sha256' | 'sha384' | 'sha512' {
  return caSigningAlgorithms[algorithm].hash;
}

/** ECDSA-Sig-Value (RFC 3279 §2.2.3) of r‖s, each half of `raw` unsigned big-endian, as PKCS #11 returns them. */
export function ecdsaRawToDer(raw: Uint8Array): Uint8Array {
  if (raw.length === 0 || raw.length % 2 !== 0) throw new RangeError('r and s have the same length');
  return sequence(integerBytes(raw.subarray(0, raw.length / 2)), integerBytes(raw.subarray(raw.length / 2)));
}

/**
 * Whether a signature is a strict ECDSA-Sig-Value: DER, r and s positive and of at most `scalarBytes` octets. A looser
 * reading would give one signature several encodings.
 */
export function isEcdsaSignature(signature: Uint8Array, scalarBytes: number): boolean {
  // SEQUENCE and INTEGER headers, and two sign octets.
  if (signature.length > 2 * scalarBytes + 9) return false;
  try {
    const fields = readSequence(openDer(signature));
    for (let count = 0; count < 2; count++) {
      const scalar = readIntegerBytes(fields);
      if (scalar[0]! >= 0x80 || (scalar.length === 1 && scalar[0] === 0)) return false;
      if (scalar.length - (scalar[0] === 0 ? 1 : 0) > scalarBytes) return false;
    }
    return isAtEnd(fields);
  } catch (error) {
    if (error instanceof MalformedError) return false;
    throw error;
  }
}
