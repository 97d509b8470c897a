import { createPublicKey, type KeyObject } from 'node:crypto';
import { curveName, type PointForm, pointForm } from './curve.ts';
import {
  type DerCursor,
  expectEnd,
  isAtEnd,
  openDer,
  peekTag,
  readBitStringOctets,
  readIntegerBytes,
  readNull,
  readOid,
  readSequence,
  skipElement,
  tags,
  unsignedInteger,
} from './der/reader.ts';
import { isEd25519PublicKey } from './ed25519.ts';
import { sha256Hex } from './hash.ts';
import { MalformedError } from './malformed.ts';
import { oids } from './oids.ts';
import { encodePem } from './pem.ts';
import { readPssParameters } from './signature-algorithm.ts';

/** What kind of key a SubjectPublicKeyInfo holds, as far as policy asks. `curve` is the usual name, else the OID. */
export type PublicKeyInfo =
  | { readonly kind: 'ec'; readonly curve: string; readonly point: PointForm }
  | { readonly kind: 'ec-explicit' }
  | { readonly kind: 'rsa'; readonly modulusBits: number; readonly modulus: Uint8Array; readonly exponent: bigint }
  | { readonly kind: 'rsa-pss'; readonly modulusBits: number }
  | { readonly kind: 'ed25519' }
  | { readonly kind: 'ed448' }
  | { readonly kind: 'unknown'; readonly oid: string };

/**
 * A SubjectPublicKeyInfo (RFC 5280 §4.1.2.7): its DER, the content of its BIT STRING, and the SHA-256 of the DER in
 * hex. `keyType` is the name profiles use: `P-256`, `RSA-2048` (exact modulus size), `Ed25519`, `EC-explicit`, …
 */
export interface SubjectPublicKey {
  readonly der: Uint8Array;
  readonly bits: Uint8Array;
  readonly info: PublicKeyInfo;
  readonly keyType: string;
  readonly sha256: string;
}

/**
 * Parses a SubjectPublicKeyInfo that stands alone. Throws MalformedError: `public-key-invalid` for a key that cannot
 * be one (point off its curve or at infinity, even or negative modulus, wrong sizes, an Ed25519 point of small order),
 * `der-…` for bytes that are no SubjectPublicKeyInfo. A sound key of a kind nobody allows parses.
 */
export function parseSubjectPublicKey(der: Uint8Array): SubjectPublicKey {
  return readSubjectPublicKey(openDer(der));
}

/** Reads a SubjectPublicKeyInfo; as `parseSubjectPublicKey`. */
export function readSubjectPublicKey(cursor: DerCursor): SubjectPublicKey {
  const start = cursor.at;
  const fields = readSequence(cursor);
  const der = cursor.bytes.subarray(start, cursor.at);
  if (der.length > rememberedBytesMax) return readKey(der, fields, start);
  const text = Buffer.from(der.buffer, der.byteOffset, der.length).toString('latin1');
  const known = remembered.get(text);
  if (known !== undefined) return known;
  const key = readKey(der, fields, start);
  if (remembered.size >= rememberedMax) remembered.delete(remembered.keys().next().value!);
  remembered.set(text, key);
  return key;
}

/** Keys of elliptic curves that were read lately: one is read in its request, and again in the certificate on its way. */
const remembered = new Map<string, SubjectPublicKey>();
const rememberedMax = 256;
const rememberedBytesMax = 160;

function readKey(der: Uint8Array, fields: DerCursor, start: number): SubjectPublicKey {
  const algorithm = readSequence(fields);
  const oid = readOid(algorithm);
  const bits = readBitStringOctets(fields);
  expectEnd(fields);
  const info = readInfo(oid, algorithm, bits, start);
  return { der, bits, info, keyType: keyTypeOf(info), sha256: sha256Hex(der) };
}

function readInfo(oid: string, parameters: DerCursor, bits: Uint8Array, offset: number): PublicKeyInfo {
  switch (oid) {
    case oids.ecPublicKey:
      return readEcInfo(parameters, bits, offset);
    case oids.rsaEncryption:
      // RFC 3279 §2.3.1: the parameters are NULL, and present.
      readNull(parameters);
      expectEnd(parameters);
      return { kind: 'rsa', ...parseRsaPublicKey(bits, offset) };
    case oids.rsassaPss:
      if (!isAtEnd(parameters)) readPssParameters(parameters);
      expectEnd(parameters);
      return { kind: 'rsa-pss', modulusBits: parseRsaPublicKey(bits, offset).modulusBits };
    case oids.ed25519:
      expectEnd(parameters); // RFC 8410 §3: absent
      if (!isEd25519PublicKey(bits)) throw invalid('an Ed25519 key is a point of large order in 32 octets', offset);
      return { kind: 'ed25519' };
    case oids.ed448:
      expectEnd(parameters);
      if (bits.length !== 57) throw invalid('an Ed448 key has 57 octets', offset);
      return { kind: 'ed448' };
    default:
      if (!isAtEnd(parameters)) skipElement(parameters);
      expectEnd(parameters);
      return { kind: 'unknown', oid };
  }
}

// RFC 5480 §2.1.1: ECParameters is a CHOICE of which only namedCurve may be used. Explicit parameters are told apart,
// since tools do write them; implicitCurve says nothing about the key at all.
function readEcInfo(parameters: DerCursor, bits: Uint8Array, offset: number): PublicKeyInfo {
  if (peekTag(parameters) === tags.sequence) {
    readSequence(parameters);
    expectEnd(parameters);
    return { kind: 'ec-explicit' };
  }
  const curve = readOid(parameters);
  expectEnd(parameters);
  const point = pointForm(curve, bits);
  if (point === undefined) throw invalid('the public key is not a point of its curve', offset);
  return { kind: 'ec', curve: curveName(curve), point };
}

interface RsaPublicKey {
  readonly modulusBits: number;
  readonly modulus: Uint8Array;
  readonly exponent: bigint;
}

// RFC 8017 appendix A.1.1. No arithmetic happens here beyond comparing sizes, however long the numbers are.
function parseRsaPublicKey(bits: Uint8Array, offset: number): RsaPublicKey {
  const fields = readSequence(openDer(bits));
  const modulus = readOddPositive(fields, offset);
  const exponent = readOddPositive(fields, offset);
  expectEnd(fields);
  const modulusBits = bitLength(modulus);
  if (exponent.length === 1 && exponent[0] === 1) throw invalid('an RSA exponent is above 1', offset);
  if (bitLength(exponent) > modulusBits) throw invalid('an RSA exponent is below the modulus', offset);
  return { modulusBits, modulus, exponent: unsignedInteger(exponent) };
}

// The unsigned octets of an INTEGER, without the sign octet.
function readOddPositive(cursor: DerCursor, offset: number): Uint8Array {
  const content = readIntegerBytes(cursor);
  if (content[0]! >= 0x80 || (content[content.length - 1]! & 1) === 0) {
    throw invalid('an RSA modulus and exponent are positive and odd', offset);
  }
  return content[0] === 0 ? content.subarray(1) : content;
}

function bitLength(unsigned: Uint8Array): number {
  return unsigned.length * 8 - (Math.clz32(unsigned[0]!) - 24);
}

function invalid(detail: string, offset: number): MalformedError {
  return new MalformedError('public-key-invalid', detail, offset);
}

function keyTypeOf(info: PublicKeyInfo): string {
  switch (info.kind) {
    case 'ec':
      return info.curve;
    case 'ec-explicit':
      return 'EC-explicit';
    case 'rsa':
      return `RSA-${info.modulusBits}`;
    case 'rsa-pss':
      return `RSA-PSS-${info.modulusBits}`;
    case 'ed25519':
      return 'Ed25519';
    case 'ed448':
      return 'Ed448';
    case 'unknown':
      return info.oid;
    default:
      return assertNever(info);
  }
}

function assertNever(value: never): never {
  throw new TypeError(`unexpected kind of key: ${String(value)}`);
}

/**
 * The key as node:crypto takes it. Imported as PEM, which costs OpenSSL half of what DER costs it, and as a text by itself: for
 * an object Node first finds out by catching exceptions what it is not, at five times the cost. Throws what OpenSSL
 * throws for a kind of key it does not have.
 */
export function toKeyObject(key: SubjectPublicKey): KeyObject {
  return createPublicKey(toPem(key));
}

/** SubjectPublicKeyInfo as PEM (RFC 7468 §13). */
export function toPem(key: SubjectPublicKey): string {
  return encodePem('PUBLIC KEY', key.der);
}
