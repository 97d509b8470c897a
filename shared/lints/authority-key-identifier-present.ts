/**
 * RFC 5280 §4.2.1.1: every certificate but a root carries the key identifier of its issuer.
 *
 * Path building between two generations of a CA with one name depends on it.
 */
import { oids } from '../pki/oids.ts';
import { hasExtension } from './decoded.ts';
import { always, type Lint } from './lint.ts';

export const authorityKeyIdentifierPresent: Lint = {
  name: 'authority-key-identifier-present',
  citation: 'RFC 5280 §4.2.1.1',
  applies: always,
  check: ({ certificate }) =>
    hasExtension(certificate, oids.authorityKeyIdentifier) ? undefined : 'the authority key identifier is absent',
};
