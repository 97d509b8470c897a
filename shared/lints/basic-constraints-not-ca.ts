/**
 * RFC 5280 §4.2.1.9, X509-SVID §4.1: the cA flag of a leaf is false.
 *
 * A device with a CA certificate is another CA under our root.
 */
import { decoded } from './decoded.ts';
import { always, type Lint } from './lint.ts';

export const basicConstraintsNotCa: Lint = {
  name: 'basic-constraints-not-ca',
  citation: 'RFC 5280 §4.2.1.9',
  applies: always,
  check: ({ certificate }) =>
    decoded(certificate).basicConstraints?.ca === true ? 'a leaf is marked as a CA' : undefined,
};
