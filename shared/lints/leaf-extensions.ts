import { oids } from '../pki/oids.ts';

/** The extensions a leaf of any profile has; docs/certificate-profiles.md says which of them and how. */
const leafExtensions: ReadonlySet<string> = new Set([
  oids.basicConstraints,
  oids.keyUsage,
  oids.extendedKeyUsage,
  oids.subjectAltName,
  oids.subjectKeyIdentifier,
  oids.authorityKeyIdentifier,
  oids.crlDistributionPoints,
]);

export function isLeafExtension(oid: string): boolean {
  return leafExtensions.has(oid);
}
