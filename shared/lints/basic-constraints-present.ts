/**
 * RFC 5280 §4.2.1.9: without basic constraints a certificate is no CA's, but only to verifiers that look.
 *
 * Old and embedded verifiers take an absent extension for permission, so a leaf says it is none.
 */
import { oids } from '../pki/oids.ts';
import { hasExtension } from './decoded.ts';
import { always, type Lint } from './lint.ts';

export const basicConstraintsPresent: Lint = {
  name: 'basic-constraints-present',
  citation: 'RFC 5280 §4.2.1.9',
  applies: always,
  check: ({ certificate }) =>
    hasExtension(certificate, oids.basicConstraints) ? undefined : 'basic constraints are absent',
};
