/**
 * RFC 4343 §3: DNS names compare without case; ours are written in lower case.
 *
 * Inventories, holds and careless verifiers compare bytes.
 */
import { decoded } from './decoded.ts';
import { always, type Lint } from './lint.ts';

export const dnsNameLowerCase: Lint = {
  name: 'dns-name-lower-case',
  citation: 'RFC 4343 §3',
  applies: always,
  check: ({ certificate }) =>
    decoded(certificate).dnsNames.some((name) => /[A-Z]/.test(name)) ? 'a DNS name is not lower-case' : undefined,
};
