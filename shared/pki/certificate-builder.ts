/**
 * Builds what is to be signed, and puts the signature on: X.509 v3 certificates (RFC 5280) and certification requests
 * (RFC 2986). Nothing here decides anything; the profile, the lints and the signer do.
 */
import type { Extension } from './certificate.ts';
import type { KeyUsageName } from './certification-request.ts';
import * as der from './der/writer.ts';
import type { EpochMs } from './epoch.ts';
import { sha256 } from './hash.ts';
import { encodeSubtrees, type NameConstraints } from './name-constraints.ts';
import { encodeGeneralNames, type GeneralName } from './names.ts';
import { oids } from './oids.ts';
import { oldestOut } from './oldest-first.ts';
import type { SubjectPublicKey } from './public-key.ts';
import { type CaSigningAlgorithm, encodeCaSigningAlgorithm } from './signature-algorithm.ts';

/**
 * Fields of a TBSCertificate. `serialNumber` is unsigned big-endian; `issuer`, `subject` are Name DER, `publicKey` is
 * SubjectPublicKeyInfo DER; the validity is in whole seconds.
 */
export interface TbsCertificateFields {
  readonly serialNumber: Uint8Array;
  readonly signingAlgorithm: CaSigningAlgorithm;
  readonly issuer: Uint8Array;
  readonly notBefore: EpochMs;
  readonly notAfter: EpochMs;
  readonly subject: Uint8Array;
  readonly publicKey: Uint8Array;
  readonly extensions: readonly Extension[];
}

/** Bit numbers of RFC 5280 §4.2.1.3. */
const keyUsageBits: Readonly<Record<KeyUsageName, number>> = {
  digitalSignature: 0,
  nonRepudiation: 1,
  keyEncipherment: 2,
  dataEncipherment: 3,
  keyAgreement: 4,
  keyCertSign: 5,
  cRLSign: 6,
  encipherOnly: 7,
  decipherOnly: 8,
};

// TLVs that never change are encoded once: object identifiers cost more than all the rest of a TBSCertificate.
const version3 = der.explicit(0, der.integer(2));
const critical = der.booleanTrue();
const encodedOids = new Map<string, Uint8Array>();
const encodedOidsMax = 256;

function encodedOid(dotted: string): Uint8Array {
  const known = encodedOids.get(dotted);
  if (known !== undefined) return known;
  const encoded = der.oid(dotted);
  if (encodedOids.size < encodedOidsMax) encodedOids.set(dotted, encoded);
  return encoded;
}

/** Of extensions that stand in many certificates, as `shared` has them. */
const encodedExtensions = new WeakMap<Extension, Uint8Array>();

/** The extension made for `of` the first time: the encoding of what a profile or an issuer has is made once. */
function shared<T extends object>(made: WeakMap<T, Extension>, of: T, make: () => Extension): Extension {
  let extension = made.get(of);
  if (extension === undefined) {
    extension = make();
    made.set(of, extension);
    encodedExtensions.set(extension, encodeAnew(extension));
  }
  return extension;
}

function encodeExtension(extension: Extension): Uint8Array {
  return encodedExtensions.get(extension) ?? encodeAnew(extension);
}

function encodeAnew(extension: Extension): Uint8Array {
  const id = encodedOid(extension.oid);
  const value = der.octetString(extension.value);
  return extension.critical ? der.sequence(id, critical, value) : der.sequence(id, value);
}

/**
 * TBSCertificate DER (RFC 5280 §4.1), version 3, extensions in the order given. RangeError when a field cannot be encoded:
 * a validity with fractions of a second, no extension at all.
 */
export function buildTbsCertificate(fields: TbsCertificateFields): Uint8Array {
  if (fields.extensions.length === 0) throw new RangeError('a version 3 certificate needs an extension');
  const extensions = fields.extensions.map(encodeExtension);
  return der.sequence(
    version3,
    der.integerBytes(fields.serialNumber),
    encodeCaSigningAlgorithm(fields.signingAlgorithm),
    fields.issuer,
    der.sequence(encodeValidityTimes(fields.notBefore, fields.notAfter)),
    fields.subject,
    fields.publicKey,
    der.explicitSequenceHeaders(3, extensions),
    ...extensions,
  );
}

/** The two times of a Validity (RFC 5280 §4.1.2.5), one after the other; shared, not to be written to. RangeError as `time`. */
export function encodeValidityTimes(notBefore: EpochMs, notAfter: EpochMs): Uint8Array {
  if (latestValidity?.notBefore !== notBefore || latestValidity.notAfter !== notAfter) {
    latestValidity = { notBefore, notAfter, times: der.concat(der.time(notBefore), der.time(notAfter)) };
  }
  return latestValidity.times;
}

/** Certificates of one second and one profile have the same. */
let latestValidity: { readonly notBefore: EpochMs; readonly notAfter: EpochMs; readonly times: Uint8Array } | undefined;

/** Certificate DER. `signature` is the BIT STRING's content: ECDSA-Sig-Value DER, or the RSA signature. */
export function assembleCertificate(tbs: Uint8Array, algorithm: CaSigningAlgorithm, signature: Uint8Array): Uint8Array {
  const octets = signature.length;
  return der.sequence(tbs, encodeCaSigningAlgorithm(algorithm), der.bitStringHeader(octets), signature);
}

/**
 * CertificationRequestInfo DER (RFC 2986 §4.1): the bytes to be signed. Extensions go into one extensionRequest attribute
 * (RFC 2985 §5.4.2); none leaves the attributes empty.
 */
export function buildCertificationRequestInfo(
  subject: Uint8Array,
  publicKey: Uint8Array,
  extensions: readonly Extension[],
): Uint8Array {
  const attributes =
    extensions.length === 0
      ? []
      : [der.sequence(encodedOid(oids.extensionRequest), der.set(der.sequence(...extensions.map(encodeExtension))))];
  return der.sequence(der.integer(0), subject, publicKey, der.implicitConstructed(0, ...attributes));
}

/** CertificationRequest DER from its info, an AlgorithmIdentifier DER and the BIT STRING's content. */
export function assembleCertificationRequest(
  info: Uint8Array,
  signatureAlgorithmDer: Uint8Array,
  signature: Uint8Array,
): Uint8Array {
  return der.sequence(info, signatureAlgorithmDer, der.bitString(signature));
}

/**
 * Subject key identifier: leftmost 160 bits of SHA-256 over the BIT STRING's content (RFC 7093 §2 method 1). Not
 * the SHA-1 of RFC 5280 §4.2.1.2, so that no SHA-1 is left in the pipeline; the length stays 20 octets.
 */
export function keyIdentifierOf(publicKey: SubjectPublicKey): Uint8Array {
  let known = keyIdentifiers.get(publicKey);
  if (known === undefined) {
    known = sha256(publicKey.bits).slice(0, 20);
    keyIdentifiers.set(publicKey, known);
    if (keyIdentifiers.size > keyIdentifiersMax) oldestIdentifierOut();
  }
  return known;
}

/** Of keys that were looked at lately: what a draft has written, its lint derives again. */
const keyIdentifiers = new Map<SubjectPublicKey, Uint8Array>();
const keyIdentifiersMax = 256;
const oldestIdentifierOut = oldestOut(keyIdentifiers);

/** BasicConstraints (RFC 5280 §4.2.1.9), critical. CA FALSE is DEFAULT and therefore an empty SEQUENCE. */
export function basicConstraintsExtension(constraints: {
  readonly ca: boolean;
  readonly pathLen?: number | undefined;
}): Extension {
  const parts: Uint8Array[] = [];
  if (constraints.ca) parts.push(der.booleanTrue());
  if (constraints.pathLen !== undefined) {
    if (!constraints.ca) throw new RangeError('only a CA certificate has a path length');
    parts.push(der.integer(constraints.pathLen));
  }
  return { oid: oids.basicConstraints, critical: true, value: der.sequence(...parts) };
}

const leafConstraints = new WeakMap<object, Extension>();

/** BasicConstraints of a leaf: CA FALSE, critical. */
export function leafBasicConstraintsExtension(): Extension {
  return shared(leafConstraints, leafConstraints, () => basicConstraintsExtension({ ca: false }));
}

/**
 * KeyUsage (RFC 5280 §4.2.1.3), critical. A named bit list ends with its last set bit (X.690 11.2.2). At least one usage,
 * since the clause asks for one bit set.
 */
export function keyUsageExtension(usages: readonly KeyUsageName[]): Extension {
  return shared(keyUsages, usages, () => makeKeyUsage(usages));
}

const keyUsages = new WeakMap<readonly KeyUsageName[], Extension>();

function makeKeyUsage(usages: readonly KeyUsageName[]): Extension {
  if (usages.length === 0) throw new RangeError('key usage needs a bit');
  const octets = [0, 0];
  let last = 0;
  for (const usage of usages) {
    const bit = keyUsageBits[usage];
    const octet = bit >> 3;
    octets[octet] = (octets[octet] ?? 0) | (0x80 >> (bit & 7));
    last = Math.max(last, bit);
  }
  const content = Uint8Array.from(octets.slice(0, (last >> 3) + 1));
  return { oid: oids.keyUsage, critical: true, value: der.bitString(content, 7 - (last & 7)) };
}

/** ExtKeyUsageSyntax (RFC 5280 §4.2.1.12) of purpose OIDs, in the order given; at least one. Not critical. */
export function extendedKeyUsageExtension(purposes: readonly string[]): Extension {
  if (purposes.length === 0) throw new RangeError('extended key usage needs a purpose');
  return shared(extendedKeyUsages, purposes, () => {
    return { oid: oids.extendedKeyUsage, critical: false, value: der.sequence(...purposes.map(encodedOid)) };
  });
}

const extendedKeyUsages = new WeakMap<readonly string[], Extension>();

/** SubjectAltName (RFC 5280 §4.2.1.6), names in the order given. Critical is for an empty subject. */
export function subjectAltNameExtension(names: readonly GeneralName[], isCritical: boolean): Extension {
  return { oid: oids.subjectAltName, critical: isCritical, value: encodeGeneralNames(names) };
}

/** SubjectKeyIdentifier (RFC 5280 §4.2.1.2), not critical. */
export function subjectKeyIdentifierExtension(id: Uint8Array): Extension {
  return { oid: oids.subjectKeyIdentifier, critical: false, value: der.octetString(id) };
}

/** AuthorityKeyIdentifier (RFC 5280 §4.2.1.1) with a key identifier only, not critical. */
export function authorityKeyIdentifierExtension(id: Uint8Array): Extension {
  return shared(authorityKeyIdentifiers, id, () => {
    return { oid: oids.authorityKeyIdentifier, critical: false, value: encodeAuthorityKeyIdentifier(id) };
  });
}

/** The value of `authorityKeyIdentifierExtension`. */
export function encodeAuthorityKeyIdentifier(id: Uint8Array): Uint8Array {
  return der.sequence(der.implicit(0, id));
}

const authorityKeyIdentifiers = new WeakMap<Uint8Array, Extension>();

/** CRLDistributionPoints (RFC 5280 §4.2.1.13): one point with one fullName URI, not critical. */
export function crlDistributionPointExtension(url: string): Extension {
  let extension = distributionPoints.get(url);
  if (extension === undefined) {
    const fullName = der.implicitConstructed(0, der.implicit(6, der.ia5Content(url)));
    const point = der.sequence(der.explicit(0, fullName));
    extension = { oid: oids.crlDistributionPoints, critical: false, value: der.sequence(point) };
    encodedExtensions.set(extension, encodeAnew(extension));
    distributionPoints.set(url, extension);
    if (distributionPoints.size > distributionPointsMax) oldestPointOut();
  }
  return extension;
}

/** Thousands of certificates name the same CRL. */
const distributionPoints = new Map<string, Extension>();
const distributionPointsMax = 64;
const oldestPointOut = oldestOut(distributionPoints);

/** NameConstraints (RFC 5280 §4.2.1.10), critical; `minimum` is 0 and `maximum` absent. At least one subtree. */
export function nameConstraintsExtension(constraints: NameConstraints): Extension {
  const { permitted, excluded } = constraints;
  if (permitted.length + excluded.length === 0) throw new RangeError('name constraints need a subtree');
  const parts: Uint8Array[] = [];
  if (permitted.length > 0) parts.push(der.implicitConstructed(0, ...encodeSubtrees(permitted)));
  if (excluded.length > 0) parts.push(der.implicitConstructed(1, ...encodeSubtrees(excluded)));
  return { oid: oids.nameConstraints, critical: true, value: der.sequence(...parts) };
}
