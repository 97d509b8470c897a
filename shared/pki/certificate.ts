/**
 * X.509 version 3 certificates (RFC 5280 §4.1), parsed strictly. What a certificate should say is for the lints; here is
 * what makes it one reading and no other.
 */
import {
  decodeAuthorityKeyIdentifier,
  decodeBasicConstraints,
  decodeCrlDistributionPoints,
  decodeExtendedKeyUsage,
  decodeKeyUsage,
  decodeNameConstraints,
  decodeSubjectKeyIdentifier,
} from './certificate-extensions.ts';
import type { KeyUsageName } from './certification-request.ts';
import {
  type DerCursor,
  expectEnd,
  hexOf,
  openDer,
  peekTag,
  readBitStringOctets,
  readConstructed,
  readElementOf,
  readIntegerBytes,
  readSequence,
  readSmallInteger,
  readTime,
  tags,
  unsignedInteger,
} from './der/reader.ts';
import type { EpochMs } from './epoch.ts';
import { readExtensionList } from './extension-list.ts';
import { sha256Hex } from './hash.ts';
import { MalformedError } from './malformed.ts';
import type { NameConstraints } from './name-constraints.ts';
import { type DistinguishedName, type GeneralName, parseGeneralNames, readName } from './names.ts';
import { oids } from './oids.ts';
import { readSubjectPublicKey, type SubjectPublicKey } from './public-key.ts';

export { verifyCertificateSignature } from './certificate-signature.ts';
export type { GeneralSubtree, NameConstraints } from './name-constraints.ts';

/** `value` is the content of the OCTET STRING: the DER of the extension's own type. */
export interface Extension {
  readonly oid: string;
  readonly critical: boolean;
  readonly value: Uint8Array;
}

/**
 * A TBSCertificate. `serialHex` is lower-case hex of the positive serial in whole octets, with a '-' before that of a
 * negative one. `validityContent` is the two encoded times. Every Uint8Array is a view of the parsed bytes, which nobody may
 * write to any more.
 */
export interface TbsCertificate {
  readonly der: Uint8Array;
  readonly serialNumber: bigint;
  readonly serialHex: string;
  readonly signatureAlgorithmDer: Uint8Array;
  readonly issuer: DistinguishedName;
  readonly notBefore: EpochMs;
  readonly notAfter: EpochMs;
  readonly validityContent: Uint8Array;
  readonly subject: DistinguishedName;
  readonly publicKey: SubjectPublicKey;
  readonly extensions: readonly Extension[];
}

/** A certificate to be linted, which is handed to nobody and known by no fingerprint. `signature` is the BIT STRING's content. */
export interface CandidateCertificate {
  readonly der: Uint8Array;
  readonly tbs: TbsCertificate;
  readonly signatureAlgorithmDer: Uint8Array;
  readonly signature: Uint8Array;
}

/** `fingerprint` is the SHA-256 of `der` in lower-case hex. */
export interface Certificate extends CandidateCertificate {
  readonly fingerprint: string;
}

/** 20 octets is what RFC 5280 allows, which a lint says; old private CAs have up to 32. */
const serialBytesMax = 64;
const version3 = 2;

/**
 * Parses a TBSCertificate that stands alone. Version 3 only; no extension twice; no unique identifiers, which RFC 5280
 * §4.1.2.8 forbids CAs to write. Throws MalformedError and nothing else.
 */
export function parseTbsCertificate(der: Uint8Array): TbsCertificate {
  return readTbsCertificate(openDer(der));
}

/**
 * Parses a certificate: as `parseTbsCertificate`, and the signature algorithm outside is byte-equal to the one inside
 * (RFC 5280 §4.1.1.2), since only the one inside is signed. Throws MalformedError and nothing else.
 */
export function parseCertificate(der: Uint8Array): Certificate {
  const { der: bytes, signature, signatureAlgorithmDer, tbs } = parseCandidate(der);
  return { der: bytes, tbs, signatureAlgorithmDer, signature, fingerprint: sha256Hex(bytes) };
}

/** As `parseCertificate`, without the fingerprint. */
export function parseCandidate(der: Uint8Array): CandidateCertificate {
  const cursor = openDer(der);
  const bytes = cursor.bytes;
  const fields = readSequence(cursor);
  const tbs = readTbsCertificate(fields);
  const start = fields.at;
  const signatureAlgorithmDer = readElementOf(fields, tags.sequence);
  const signature = readBitStringOctets(fields);
  expectEnd(fields);
  if (Buffer.compare(signatureAlgorithmDer, tbs.signatureAlgorithmDer) !== 0) {
    throw new MalformedError('der-malformed', 'the signature algorithm outside is not the one inside', start);
  }
  return { der: bytes, tbs, signatureAlgorithmDer, signature };
}

/** A certificate whose TBSCertificate is not looked into. */
export interface SignedBytes {
  readonly tbsDer: Uint8Array;
  readonly signatureAlgorithmDer: Uint8Array;
  readonly signature: Uint8Array;
  readonly fingerprint: string;
}

/** The parts of a certificate (RFC 5280 §4.1) around a TBSCertificate that is known by its bytes. Throws MalformedError and nothing else. */
export function openCertificate(der: Uint8Array): SignedBytes {
  const cursor = openDer(der);
  const fields = readSequence(cursor);
  const tbsDer = readElementOf(fields, tags.sequence);
  const signatureAlgorithmDer = readElementOf(fields, tags.sequence);
  const signature = readBitStringOctets(fields);
  expectEnd(fields);
  return { tbsDer, signatureAlgorithmDer, signature, fingerprint: sha256Hex(cursor.bytes) };
}

function readTbsCertificate(cursor: DerCursor): TbsCertificate {
  const start = cursor.at;
  const fields = readSequence(cursor);
  readVersion(fields);
  const { serialNumber, serialHex } = readSerialNumber(fields);
  const signatureAlgorithmDer = readElementOf(fields, tags.sequence);
  const issuer = readName(fields);
  const validity = readSequence(fields);
  const validityContent = validity.bytes.subarray(validity.at, validity.end);
  const notBefore = readTime(validity);
  const notAfter = readTime(validity);
  expectEnd(validity);
  const subject = readName(fields);
  const publicKey = readSubjectPublicKey(fields);
  const explicitExtensions = readConstructed(fields, 0xa3);
  const extensions: Extension[] = [];
  readExtensionList(explicitExtensions, extensions);
  expectEnd(explicitExtensions);
  expectEnd(fields);
  return {
    der: cursor.bytes.subarray(start, cursor.at),
    serialNumber,
    serialHex,
    signatureAlgorithmDer,
    issuer,
    notBefore,
    notAfter,
    validityContent,
    subject,
    publicKey,
    extensions,
  };
}

function readVersion(fields: DerCursor): void {
  const start = fields.at;
  if (peekTag(fields) !== 0xa0) throw new MalformedError('der-malformed', 'a certificate says version 3', start);
  const inner = readConstructed(fields, 0xa0);
  if (readSmallInteger(inner, 255) !== version3) {
    throw new MalformedError('der-malformed', 'a certificate is of version 3', start);
  }
  expectEnd(inner);
}

function readSerialNumber(fields: DerCursor): { readonly serialNumber: bigint; readonly serialHex: string } {
  const start = fields.at;
  const content = readIntegerBytes(fields);
  if (content.length > serialBytesMax) throw new MalformedError('der-malformed', 'a serial number is too long', start);
  if (content[0]! < 0x80) {
    const unsigned = content[0] === 0 && content.length > 1 ? content.subarray(1) : content;
    return { serialNumber: unsignedInteger(unsigned), serialHex: hexOf(unsigned) };
  }
  const magnitude = (1n << BigInt(content.length * 8)) - unsignedInteger(content);
  const hex = magnitude.toString(16);
  return { serialNumber: -magnitude, serialHex: `-${hex.padStart(hex.length + (hex.length % 2), '0')}` };
}

/** The extension with this object identifier. */
export function findExtension(tbs: TbsCertificate, oid: string): Extension | undefined {
  return tbs.extensions.find((extension) => extension.oid === oid);
}

function decodeExtension<T>(tbs: TbsCertificate, oid: string, decode: (value: Uint8Array) => T): T | undefined {
  const extension = findExtension(tbs, oid);
  return extension === undefined ? undefined : decode(extension.value);
}

// The accessors answer undefined for an absent extension and throw MalformedError for one that is not DER of its type.

/** Names of the subjectAltName, in order (RFC 5280 §4.2.1.6). */
export function subjectAltNames(
  tbs: TbsCertificate,
): { readonly critical: boolean; readonly names: readonly GeneralName[] } | undefined {
  const extension = findExtension(tbs, oids.subjectAltName);
  return extension && { critical: extension.critical, names: parseGeneralNames(extension.value) };
}

/** RFC 5280 §4.2.1.9. */
export function basicConstraintsOf(
  tbs: TbsCertificate,
): { readonly ca: boolean; readonly pathLen?: number } | undefined {
  return decodeExtension(tbs, oids.basicConstraints, decodeBasicConstraints);
}

/** Usages in the order of their bits (RFC 5280 §4.2.1.3). */
export function keyUsageOf(tbs: TbsCertificate): readonly KeyUsageName[] | undefined {
  return decodeExtension(tbs, oids.keyUsage, decodeKeyUsage);
}

/** Purposes as object identifiers (RFC 5280 §4.2.1.12). */
export function extendedKeyUsageOf(tbs: TbsCertificate): readonly string[] | undefined {
  return decodeExtension(tbs, oids.extendedKeyUsage, decodeExtendedKeyUsage);
}

/** RFC 5280 §4.2.1.2. */
export function subjectKeyIdentifierOf(tbs: TbsCertificate): Uint8Array | undefined {
  return decodeExtension(tbs, oids.subjectKeyIdentifier, decodeSubjectKeyIdentifier);
}

/** The key identifier (RFC 5280 §4.2.1.1); undefined also when the extension names the issuer in another way only. */
export function authorityKeyIdentifierOf(tbs: TbsCertificate): Uint8Array | undefined {
  return decodeExtension(tbs, oids.authorityKeyIdentifier, decodeAuthorityKeyIdentifier);
}

/** URIs of the full names of all distribution points, in order (RFC 5280 §4.2.1.13). */
export function crlDistributionPointsOf(tbs: TbsCertificate): readonly string[] | undefined {
  return decodeExtension(tbs, oids.crlDistributionPoints, decodeCrlDistributionPoints);
}

/** RFC 5280 §4.2.1.10. */
export function nameConstraintsOf(tbs: TbsCertificate): NameConstraints | undefined {
  return decodeExtension(tbs, oids.nameConstraints, decodeNameConstraints);
}
