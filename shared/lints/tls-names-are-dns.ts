/**
 * Profile (device, service): names are DNS names only.
 *
 * Another kind of name would be an identity for another protocol, which this profile's policy has not judged.
 */
import { decoded } from './decoded.ts';
import { type Lint, tlsOnly } from './lint.ts';

export const tlsNamesAreDns: Lint = {
  name: 'tls-names-are-dns',
  citation: 'docs/certificate-profiles.md, names',
  applies: tlsOnly,
  check: ({ certificate }) =>
    decoded(certificate).names?.some(({ kind }) => kind !== 'dns') ? 'a name is not a DNS name' : undefined,
};
