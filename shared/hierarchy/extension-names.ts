/** Names of extensions and key purposes, for messages and for the `drop` lists of profiles. */
import { oidName, oids } from '../pki/oids.ts';
import type { ExtendedKeyUsageName } from './model.ts';

/** Extensions a `drop` list may name; others go by their OID. */
const extensionsByName = {
  subjectDirectoryAttributes: oids.subjectDirectoryAttributes,
  subjectKeyIdentifier: oids.subjectKeyIdentifier,
  keyUsage: oids.keyUsage,
  privateKeyUsagePeriod: oids.privateKeyUsagePeriod,
  subjectAltName: oids.subjectAltName,
  issuerAltName: oids.issuerAltName,
  basicConstraints: oids.basicConstraints,
  nameConstraints: oids.nameConstraints,
  crlDistributionPoints: oids.crlDistributionPoints,
  certificatePolicies: oids.certificatePolicies,
  policyMappings: oids.policyMappings,
  authorityKeyIdentifier: oids.authorityKeyIdentifier,
  policyConstraints: oids.policyConstraints,
  extendedKeyUsage: oids.extendedKeyUsage,
  freshestCrl: oids.freshestCrl,
  inhibitAnyPolicy: oids.inhibitAnyPolicy,
  authorityInfoAccess: oids.authorityInfoAccess,
  subjectInfoAccess: oids.subjectInfoAccess,
  tlsFeature: oids.tlsFeature,
  ocspNoCheck: oids.ocspNoCheck,
  signedCertificateTimestamps: oids.signedCertificateTimestamps,
  netscapeCertType: oids.netscapeCertType,
  netscapeComment: oids.netscapeComment,
  microsoftCertificateTemplateName: oids.microsoftCertificateTemplateName,
  microsoftCertificateTemplate: oids.microsoftCertificateTemplate,
  microsoftApplicationPolicies: oids.microsoftApplicationPolicies,
  smimeCapabilities: oids.smimeCapabilities,
} as const;

/** Extensions that policy itself evaluates: dropping one would hide what a request asks for. */
export const evaluatedExtensionOids: readonly string[] = [
  oids.basicConstraints,
  oids.extendedKeyUsage,
  oids.keyUsage,
  oids.subjectAltName,
  oids.subjectKeyIdentifier,
];

/** A `drop` entry, name or dotted OID, → OID; undefined when it is neither. */
export function extensionOid(nameOrOid: string): string | undefined {
  if (Object.hasOwn(extensionsByName, nameOrOid)) return extensionsByName[nameOrOid as keyof typeof extensionsByName];
  return /^[0-2](?:\.(?:0|[1-9][0-9]{0,38})){1,23}$/.test(nameOrOid) ? nameOrOid : undefined;
}

/** OID → its name, or the OID itself. */
export function extensionName(oid: string): string {
  return oidName(oid) ?? oid;
}

/** 'codeSigning (1.3.6.1.5.5.7.3.3)', or the bare OID where it has no known name. OIDs are digits and dots, so safe to show. */
export function describeOid(oid: string): string {
  const name = oidName(oid);
  return name === undefined ? oid.slice(0, 120) : `${name} (${oid})`;
}

export function extendedKeyUsageOid(name: ExtendedKeyUsageName): string {
  return oids[name];
}
