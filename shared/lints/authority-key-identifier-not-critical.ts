/**
 * RFC 5280 §4.2.1.1: the extension is marked non-critical.
 *
 * It is a hint for path building; the signature decides.
 */
import { oids } from '../pki/oids.ts';
import { hasCriticality } from './decoded.ts';
import { always, type Lint } from './lint.ts';

export const authorityKeyIdentifierNotCritical: Lint = {
  name: 'authority-key-identifier-not-critical',
  citation: 'RFC 5280 §4.2.1.1',
  applies: always,
  check: ({ certificate }) =>
    hasCriticality(certificate, oids.authorityKeyIdentifier, true)
      ? 'the authority key identifier is critical'
      : undefined,
};
