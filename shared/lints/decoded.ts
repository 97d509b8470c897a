/**
 * What the lints look at, decoded once a certificate. An extension that is present and does not decode is undefined here and
 * named in `faults`: only `certificate-well-formed` speaks of it.
 */
import {
  authorityKeyIdentifierOf,
  basicConstraintsOf,
  type Certificate,
  crlDistributionPointsOf,
  type Extension,
  extendedKeyUsageOf,
  keyUsageOf,
  nameConstraintsOf,
  subjectAltNames,
  subjectKeyIdentifierOf,
  type TbsCertificate,
} from '../pki/certificate.ts';
import type { KeyUsageName } from '../pki/certification-request.ts';
import { MalformedError } from '../pki/malformed.ts';
import type { NameConstraints } from '../pki/name-constraints.ts';
import type { GeneralName } from '../pki/names.ts';
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

/** Certificates are immutable values, so what was decoded holds for as long as the certificate lives. */
const decodedByCertificate = new WeakMap<Certificate, DecodedCertificate>();

export function decoded(certificate: Certificate): DecodedCertificate {
  const known = decodedByCertificate.get(certificate);
  if (known !== undefined) return known;
  const fresh = decode(certificate.tbs);
  decodedByCertificate.set(certificate, fresh);
  return fresh;
}

function decode(tbs: TbsCertificate): DecodedCertificate {
  const extensions = new Map<string, Extension>();
  for (const extension of tbs.extensions) extensions.set(extension.oid, extension);
  const faults = new Map<string, string>();
  const attempt = <T>(oid: string, accessor: (tbs: TbsCertificate) => T): T | undefined => {
    if (!extensions.has(oid)) return undefined;
    try {
      return accessor(tbs);
    } catch (error) {
      if (!(error instanceof MalformedError)) throw error;
      faults.set(oid, `extension ${oid}: ${error.message}`);
      return undefined;
    }
  };
  const names = attempt(oids.subjectAltName, subjectAltNames)?.names;
  return {
    extensions,
    faults,
    commonNames: tbs.subject.attributes.filter(({ type }) => type === oids.commonName).map(({ value }) => value),
    signingAlgorithm: signingAlgorithmOf(tbs.signatureAlgorithmDer),
    names,
    dnsNames: valuesOf(names, 'dns'),
    uris: valuesOf(names, 'uri'),
    basicConstraints: attempt(oids.basicConstraints, basicConstraintsOf),
    keyUsage: attempt(oids.keyUsage, keyUsageOf),
    extendedKeyUsage: attempt(oids.extendedKeyUsage, extendedKeyUsageOf),
    subjectKeyIdentifier: attempt(oids.subjectKeyIdentifier, subjectKeyIdentifierOf),
    authorityKeyIdentifier: attempt(oids.authorityKeyIdentifier, authorityKeyIdentifierOf),
    crlDistributionPoints: attempt(oids.crlDistributionPoints, crlDistributionPointsOf),
    nameConstraints: attempt(oids.nameConstraints, nameConstraintsOf),
  };
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
  if (a.length !== b.length) return false;
  for (let at = 0; at < a.length; at += 1) if (a[at] !== b[at]) return false;
  return true;
}

/** Whether two lists hold the same members, whatever the order, none of them twice in `found`. */
export function sameMembers<T>(found: readonly T[], wanted: readonly T[]): boolean {
  const members = new Set(wanted);
  return found.length === members.size && found.every((member) => members.delete(member));
}

/** Whether the extension is present and its critical flag is `critical`. */
export function hasCriticality(certificate: Certificate, oid: string, critical: boolean): boolean {
  return decoded(certificate).extensions.get(oid)?.critical === critical;
}

export function hasExtension(certificate: Certificate, oid: string): boolean {
  return decoded(certificate).extensions.has(oid);
}
