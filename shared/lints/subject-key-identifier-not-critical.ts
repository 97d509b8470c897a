/**
 * RFC 5280 §4.2.1.2: the extension is marked non-critical.
 *
 * A verifier would have to refuse what it need not know, for a hint to whoever builds a path.
 */
import { oids } from '../pki/oids.ts';
import { hasCriticality } from './decoded.ts';
import { always, type Lint } from './lint.ts';

export const subjectKeyIdentifierNotCritical: Lint = {
  name: 'subject-key-identifier-not-critical',
  citation: 'RFC 5280 §4.2.1.2',
  applies: always,
  check: ({ certificate }) =>
    hasCriticality(certificate, oids.subjectKeyIdentifier, true) ? 'the subject key identifier is critical' : undefined,
};
