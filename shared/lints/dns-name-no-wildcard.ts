/**
 * RFC 9525 §6.3, profile: no name has a wildcard.
 *
 * A device with `*.fleet.example` is every device of the fleet.
 */
import { decoded } from './decoded.ts';
import { always, type Lint } from './lint.ts';

export const dnsNameNoWildcard: Lint = {
  name: 'dns-name-no-wildcard',
  citation: 'docs/certificate-profiles.md, names',
  applies: always,
  check: ({ certificate }) =>
    decoded(certificate).dnsNames.some((name) => name.startsWith('*.')) ? 'a DNS name is a wildcard' : undefined,
};
