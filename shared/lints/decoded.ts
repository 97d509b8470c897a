/**
 * What the lints look at, decoded once a certificate. An extension that is present and does not decode is undefined here and
 * named in `faults`: only `certificate-well-formed` speaks of it.
 */
import type { CandidateCertificate, Extension, TbsCertificate } from '../pki/certificate.ts';
import {
  decodeAuthorityKeyIdentifier,
  decodeBasicConstraints,
  decodeCrlDistributionPoints,
  decodeExtendedKeyUsage,
  decodeKeyUsage,
  decodeNameConstraints,
  decodeSubjectKeyIdentifier,
} from '../pki/certificate-extensions.ts';
import type { KeyUsageName } from '../pki/certification-request.ts';
import { MalformedError } from '../pki/malformed.ts';
import type { NameConstraints } from '../pki/name-constraints.ts';
import { type GeneralName, parseGeneralNames } from '../pki/names.ts';
import { oids } from '../pki/oids.ts';
import { type CaSigningAlgorithm, encodeCaSigningAlgorithm } from '../pki/signature-algorithm.ts';

export interface DecodedCertificate {
  readonly extensions: ReadonlyMap<string, Extension>;
  /** What is wrong with an extension, by its object identifier. */
  readonly faults: ReadonlyMap<string, string>;
  readonly commonNames: readonly string[];
  /** The algorithm by the CA's name for it; undefined for one no CA may use here. */
  readonly signingAlgorithm: CaSigningAlgorithm | undefined;
  /** Of the subject alternative name; undefined when it is absent or does not decode. */
  readonly names: readonly GeneralName[] | undefined;
  readonly dnsNames: readonly string[];
  readonly uris: readonly string[];
  readonly basicConstraints: { readonly ca: boolean; readonly pathLen?: number } | undefined;
  readonly keyUsage: readonly KeyUsageName[] | undefined;
  readonly extendedKeyUsage: readonly string[] | undefined;
  readonly subjectKeyIdentifier: Uint8Array | undefined;
  readonly authorityKeyIdentifier: Uint8Array | undefined;
  readonly crlDistributionPoints: readonly string[] | undefined;
  readonly nameConstraints: NameConstraints | undefined;
}

/** Certificates are immutable values. Those of CAs are looked at with every leaf, for as long as they live. */
const decodedCas = new WeakMap<CandidateCertificate, DecodedCertificate>();
/** Of leaves the latest only: every lint looks at one before any looks at the next. */
let latest: { readonly certificate: CandidateCertificate; readonly decoded: DecodedCertificate } | undefined;

export function decoded(certificate: CandidateCertificate): DecodedCertificate {
  if (latest?.certificate === certificate) return latest.decoded;
  const known = decodedCas.get(certificate);
  if (known !== undefined) return known;
  const fresh = decode(certificate.tbs);
  if (fresh.basicConstraints?.ca === true) decodedCas.set(certificate, fresh);
  else latest = { certificate, decoded: fresh };
  return fresh;
}

function decode(tbs: TbsCertificate): DecodedCertificate {
  const extensions = new Map<string, Extension>();
  for (const extension of tbs.extensions) extensions.set(extension.oid, extension);
  const faults = new Map<string, string>();
  const attempt = <T>(oid: string, decodeValue: (value: Uint8Array) => T): T | undefined => {
    const extension = extensions.get(oid);
    if (extension === undefined) return undefined;
    try {
      return decodeOnce(decodeValue, extension.value);
    } catch (error) {
      if (!(error instanceof MalformedError)) throw error;
      faults.set(oid, `extension ${oid}: ${error.message}`);
      return undefined;
    }
  };
  const names = attempt(oids.subjectAltName, parseGeneralNames);
  return {
    extensions,
    faults,
    commonNames: tbs.subject.attributes.filter(({ type }) => type === oids.commonName).map(({ value }) => value),
    signingAlgorithm: signingAlgorithmOf(tbs.signatureAlgorithmDer),
    names,
    dnsNames: valuesOf(names, 'dns'),
    uris: valuesOf(names, 'uri'),
    basicConstraints: attempt(oids.basicConstraints, decodeBasicConstraints),
    keyUsage: attempt(oids.keyUsage, decodeKeyUsage),
    extendedKeyUsage: attempt(oids.extendedKeyUsage, decodeExtendedKeyUsage),
    subjectKeyIdentifier: attempt(oids.subjectKeyIdentifier, decodeSubjectKeyIdentifier),
    authorityKeyIdentifier: attempt(oids.authorityKeyIdentifier, decodeAuthorityKeyIdentifier),
    crlDistributionPoints: attempt(oids.crlDistributionPoints, decodeCrlDistributionPoints),
    nameConstraints: attempt(oids.nameConstraints, decodeNameConstraints),
  };
}

/** By decoder, what it made of which bytes last: most extensions of a profile's certificates are the same octet for octet. */
const latestValues = new Map<
  (value: Uint8Array) => unknown,
  { readonly value: Uint8Array; readonly decoded: unknown }
>();

function decodeOnce<T>(decodeValue: (value: Uint8Array) => T, value: Uint8Array): T {
  const known = latestValues.get(decodeValue);
  if (known !== undefined && equalBytes(known.value, value)) return known.decoded as T;
  const fresh = decodeValue(value);
  latestValues.set(decodeValue, { value, decoded: fresh });
  return fresh;
}

const caSigningAlgorithms: readonly CaSigningAlgorithm[] = [
  'SHA256WITHECDSA',
  'SHA384WITHECDSA',
  'SHA512WITHECDSA',
  'SHA256WITHRSA',
  'SHA384WITHRSA',
  'SHA512WITHRSA',
];

function signingAlgorithmOf(der: Uint8Array): CaSigningAlgorithm | undefined {
  return caSigningAlgorithms.find((algorithm) => equalBytes(der, encodeCaSigningAlgorithm(algorithm)));
}

function valuesOf(names: readonly GeneralName[] | undefined, kind: 'dns' | 'uri'): readonly string[] {
  const values: string[] = [];
  for (const name of names ?? []) if (name.kind === kind) values.push(name.value);
  return values;
}

export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && Buffer.compare(a, b) === 0;
}

/** Whether two lists hold the same members, whatever the order, none of them twice in `found`. */
export function sameMembers<T>(found: readonly T[], wanted: readonly T[]): boolean {
  // Lists of a handful: looking through one costs less than a set of it.
  const areWanted = found.every((member, at) => wanted.includes(member) && found.indexOf(member) === at);
  return areWanted && wanted.every((member) => found.includes(member));
}

/** Whether the extension is present and its critical flag is `critical`. */
export function hasCriticality(certificate: CandidateCertificate, oid: string, critical: boolean): boolean {
  return decoded(certificate).extensions.get(oid)?.critical === critical;
}

export function hasExtension(certificate: CandidateCertificate, oid: string): boolean {
  return decoded(certificate).extensions.has(oid);
}
