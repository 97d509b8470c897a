/**
 * RFC 5280 §6.1.3: every certificate of a path is valid at the time of use; a leaf that outlives its issuer breaks on the
 * issuer's last day, not on its own.
 *
 * ACM PCA refuses such a request after submit; renewal is planned by the leaf's own notAfter.
 */
import { always, type Lint } from './lint.ts';

export const validityNotAfterWithinIssuer: Lint = {
  name: 'validity-not-after-within-issuer',
  citation: 'RFC 5280 §6.1.3',
  applies: always,
  check: ({ certificate, issuer }) =>
    certificate.tbs.notAfter <= issuer.tbs.notAfter ? undefined : "notAfter lies after the issuer's notAfter",
};
