/**
 * RFC 5280 §4.2.1.9: critical is a MUST in CA certificates and a MAY in leaves; our leaves take it, so that a verifier which
 * does not know the extension stops instead of guessing.
 */
import { oids } from '../pki/oids.ts';
import { hasCriticality } from './decoded.ts';
import { always, type Lint } from './lint.ts';

export const basicConstraintsCritical: Lint = {
  name: 'basic-constraints-critical',
  citation: 'RFC 5280 §4.2.1.9',
  applies: always,
  check: ({ certificate }) =>
    hasCriticality(certificate, oids.basicConstraints, false) ? 'basic constraints are not critical' : undefined,
};
