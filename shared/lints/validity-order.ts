/**
 * RFC 5280 §4.1.2.5: the validity period runs from notBefore through notAfter.
 *
 * A period that is empty or runs backwards is a mistake of arithmetic, never a wish.
 */
import { always, type Lint } from './lint.ts';

export const validityOrder: Lint = {
  name: 'validity-order',
  citation: 'RFC 5280 §4.1.2.5',
  applies: always,
  check: ({ certificate }) =>
    certificate.tbs.notBefore < certificate.tbs.notAfter ? undefined : 'notBefore is not before notAfter',
};
