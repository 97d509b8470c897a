/**
 * RFC 5280 §6.1.3: every certificate of a path is valid at the time of use; a leaf older than its issuer has a time at which
 * its path is not.
 *
 * It happens when the back-date reaches behind the birth of a young CA.
 */
import { always, type Lint } from './lint.ts';

export const validityNotBeforeWithinIssuer: Lint = {
  name: 'validity-not-before-within-issuer',
  citation: 'RFC 5280 §6.1.3',
  applies: always,
  check: ({ certificate, issuer }) =>
    certificate.tbs.notBefore >= issuer.tbs.notBefore ? undefined : "notBefore lies before the issuer's notBefore",
};
