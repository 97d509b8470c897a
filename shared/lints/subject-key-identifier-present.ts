/**
 * RFC 5280 §4.2.1.2: leaves SHOULD carry a subject key identifier; ours do.
 *
 * It lets an inventory group the certificates of one key without parsing keys.
 */
import { oids } from '../pki/oids.ts';
import { hasExtension } from './decoded.ts';
import { always, type Lint } from './lint.ts';

export const subjectKeyIdentifierPresent: Lint = {
  name: 'subject-key-identifier-present',
  citation: 'RFC 5280 §4.2.1.2',
  applies: always,
  check: ({ certificate }) =>
    hasExtension(certificate, oids.subjectKeyIdentifier) ? undefined : 'the subject key identifier is absent',
};
