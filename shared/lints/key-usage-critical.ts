/**
 * RFC 5280 §4.2.1.3: critical is a SHOULD; X509-SVID §4.3: a MUST. One rule for every profile.
 */
import { oids } from '../pki/oids.ts';
import { hasCriticality } from './decoded.ts';
import { always, type Lint } from './lint.ts';

export const keyUsageCritical: Lint = {
  name: 'key-usage-critical',
  citation: 'RFC 5280 §4.2.1.3',
  applies: always,
  check: ({ certificate }) =>
    hasCriticality(certificate, oids.keyUsage, false) ? 'key usage is not critical' : undefined,
};
