import {
  decodeBasicConstraints,
  decodeExtendedKeyUsage,
  decodeSubjectKeyIdentifier,
  keyUsageNames,
} from './certificate-extensions.ts';
import {
  type DerCursor,
  expectEnd,
  isAtEnd,
  openDer,
  peekTag,
  readBitString,
  readBitStringOctets,
  readConstructed,
  readIntegerBytes,
  readOid,
  readSequence,
  readSet,
  skipElement,
  tags,
} from './der/reader.ts';
import { readExtensionList } from './extension-list.ts';
import { MalformedError } from './malformed.ts';
import { type DistinguishedName, type GeneralName, parseGeneralNames, readName } from './names.ts';
import { oids } from './oids.ts';
import { readSubjectPublicKey, type SubjectPublicKey } from './public-key.ts';
import { readSignatureAlgorithm, type SignatureAlgorithm } from './signature-algorithm.ts';

/** An extension a request asks for: `value` is the content of its OCTET STRING. */
export interface RequestedExtension {
  readonly oid: string;
  readonly critical: boolean;
  readonly value: Uint8Array;
}

/** Bits of KeyUsage (RFC 5280 §4.2.1.3), in the order of the bits. */
export type KeyUsageName =
  | 'digitalSignature'
  | 'nonRepudiation'
  | 'keyEncipherment'
  | 'dataEncipherment'
  | 'keyAgreement'
  | 'keyCertSign'
  | 'cRLSign'
  | 'encipherOnly'
  | 'decipherOnly';

/**
 * A certification request (RFC 2986). `info` is the CertificationRequestInfo DER, what is signed. `attributeOids` are
 * the attributes beside the request for extensions, `extensions` all that were asked for, raw and in order. `names` are
 * those of the subjectAltName. Every Uint8Array is a view of `der`, which nobody may write to any more.
 */
export interface CertificationRequest {
  readonly der: Uint8Array;
  readonly info: Uint8Array;
  readonly subject: DistinguishedName;
  readonly publicKey: SubjectPublicKey;
  readonly signatureAlgorithm: SignatureAlgorithm;
  readonly signature: Uint8Array;
  readonly challengePassword: boolean;
  readonly attributeOids: readonly string[];
  readonly extensions: readonly RequestedExtension[];
  readonly names: readonly GeneralName[];
  readonly basicConstraints?: { readonly ca: boolean; readonly pathLen?: number };
  readonly keyUsage?: readonly KeyUsageName[];
  readonly extendedKeyUsage?: readonly string[];
}

// The tools of our samples send up to three attributes and three extensions, Microsoft's a few more.
const attributesMax = 32;

/**
 * Parses a certification request strictly: DER throughout, version 0, one value in each request for extensions, no
 * attribute and no extension twice, the values of known extensions (subjectAltName, basicConstraints, keyUsage,
 * extendedKeyUsage, subjectKeyIdentifier) sound. Throws MalformedError and nothing else.
 *
 * - `attributes [0]` must be there, if empty: RFC 2986 §4.1 does not make it optional, and a request without it names
 *   nobody anyway.
 * - The attributes may be in any order although they are a SET OF: Go's x509 package writes them unsorted.
 * - Microsoft's 1.3.6.1.4.1.311.2.1.14 has the meaning and syntax of extensionRequest, and certreq sends it.
 * - A KeyUsage may have trailing zero bits, which X.690 §11.2.2 forbids: older Mbed TLS releases write them.
 */
export function parseCertificationRequest(der: Uint8Array): CertificationRequest {
  const outer = openDer(der);
  const bytes = outer.bytes;
  const request = readOuterSequence(outer);
  const infoStart = request.at;
  const fields = readInfoSequence(request);
  const info = bytes.subarray(infoStart, request.at);
  readVersion(fields);
  const subject = readName(fields);
  const publicKey = readSubjectPublicKey(fields);
  const requested = readAttributes(fields);
  expectEnd(fields);
  const signatureAlgorithm = readSignatureAlgorithm(request);
  const signature = readBitStringOctets(request);
  expectEnd(request);
  return {
    der: bytes,
    info,
    subject,
    publicKey,
    signatureAlgorithm,
    signature,
    challengePassword: requested.attributeOids.includes(oids.challengePassword),
    attributeOids: requested.attributeOids,
    extensions: requested.extensions,
    ...decodeKnownExtensions(requested.extensions),
  };
}

function readOuterSequence(outer: DerCursor): DerCursor {
  if (peekTag(outer) !== tags.sequence) throw notARequest(outer.at);
  const request = readSequence(outer);
  const shape = { ...request };
  if (peekTag(shape) !== tags.sequence) throw notARequest(shape.at);
  skipElement(shape);
  if (peekTag(shape) !== tags.sequence) throw notARequest(shape.at);
  skipElement(shape);
  if (peekTag(shape) !== tags.bitString) throw notARequest(shape.at);
  return request;
}

// A certificate has the same outer shape. Its TBSCertificate starts with [0], or, in version 1, has the issuer and the
// validity where a request has its key: INTEGER, SEQUENCE, SEQUENCE, SEQUENCE.
function readInfoSequence(request: DerCursor): DerCursor {
  const fields = readSequence(request);
  const shape = { ...fields };
  if (peekTag(shape) !== tags.integer) throw notARequest(shape.at);
  skipElement(shape);
  for (let count = 0; count < 2; count++) {
    if (peekTag(shape) !== tags.sequence) throw notARequest(shape.at);
    skipElement(shape);
  }
  if (peekTag(shape) === tags.sequence) throw notARequest(shape.at);
  return fields;
}

function notARequest(offset: number): MalformedError {
  return new MalformedError('not-a-certification-request', 'the DER is not a certification request', offset);
}

function readVersion(fields: DerCursor): void {
  const start = fields.at;
  const version = readIntegerBytes(fields);
  if (version.length !== 1 || version[0] !== 0) {
    throw new MalformedError('der-malformed', 'the version of a certification request is 0', start);
  }
}

interface RequestedAttributes {
  readonly attributeOids: readonly string[];
  readonly extensions: readonly RequestedExtension[];
}

function readAttributes(fields: DerCursor): RequestedAttributes {
  const attributes = readConstructed(fields, 0xa0);
  const seen: string[] = [];
  const attributeOids: string[] = [];
  const extensions: RequestedExtension[] = [];
  while (!isAtEnd(attributes)) {
    const start = attributes.at;
    const attribute = readSequence(attributes);
    const oid = readOid(attribute);
    const values = readSet(attribute);
    expectEnd(attribute);
    if (seen.includes(oid)) throw new MalformedError('der-malformed', 'an attribute stands twice', start);
    if (seen.length >= attributesMax) throw new MalformedError('der-too-many-elements', 'too many attributes', start);
    seen.push(oid);
    if (isAtEnd(values)) throw new MalformedError('der-malformed', 'an attribute has a value', start);
    if (oid === oids.extensionRequest || oid === oids.microsoftExtensionRequest) {
      readExtensionList(values, extensions);
      expectEnd(values);
    } else {
      attributeOids.push(oid);
    }
  }
  return { attributeOids, extensions };
}

type KnownExtensions = Pick<CertificationRequest, 'names' | 'basicConstraints' | 'keyUsage' | 'extendedKeyUsage'>;

function decodeKnownExtensions(extensions: readonly RequestedExtension[]): KnownExtensions {
  const known: { -readonly [Key in keyof KnownExtensions]: KnownExtensions[Key] } = { names: [] };
  for (const { oid, value } of extensions) {
    if (oid === oids.subjectAltName) known.names = parseGeneralNames(value);
    else if (oid === oids.basicConstraints) known.basicConstraints = decodeBasicConstraints(value);
    else if (oid === oids.keyUsage) known.keyUsage = decodeRequestedKeyUsage(value);
    else if (oid === oids.extendedKeyUsage) known.extendedKeyUsage = decodeExtendedKeyUsage(value);
    else if (oid === oids.subjectKeyIdentifier) decodeSubjectKeyIdentifier(value);
  }
  return known;
}

function decodeRequestedKeyUsage(value: Uint8Array): readonly KeyUsageName[] {
  const { octets } = readBitString(openDer(value));
  const names: KeyUsageName[] = [];
  for (let bit = 0; bit < octets.length * 8; bit++) {
    if ((octets[bit >> 3]! & (0x80 >> (bit & 7))) === 0) continue;
    const name = keyUsageNames[bit];
    if (name === undefined) throw new MalformedError('der-malformed', 'a key usage has a bit without a meaning');
    names.push(name);
  }
  if (names.length === 0) throw new MalformedError('der-malformed', 'a key usage has a bit that is set');
  return names;
}
