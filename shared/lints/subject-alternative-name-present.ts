/**
 * RFC 5280 §4.1.2.6, RFC 9525 §2, X509-SVID §2: the identity is in the subject alternative name.
 *
 * Verifiers no longer look for host names anywhere else. An extension without a name in it is not well-formed.
 */
import { oids } from '../pki/oids.ts';
import { hasExtension } from './decoded.ts';
import { always, type Lint } from './lint.ts';

export const subjectAlternativeNamePresent: Lint = {
  name: 'subject-alternative-name-present',
  citation: 'RFC 5280 §4.2.1.6',
  applies: always,
  check: ({ certificate }) =>
    hasExtension(certificate, oids.subjectAltName) ? undefined : 'the subject alternative name is absent',
};
