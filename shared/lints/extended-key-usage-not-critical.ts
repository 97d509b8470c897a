/**
 * RFC 5280 §4.2.1.12: the extension may be critical or not; ours is not, since some TLS stacks refuse it when it is.
 */
import { oids } from '../pki/oids.ts';
import { hasCriticality } from './decoded.ts';
import { always, type Lint } from './lint.ts';

export const extendedKeyUsageNotCritical: Lint = {
  name: 'extended-key-usage-not-critical',
  citation: 'RFC 5280 §4.2.1.12',
  applies: always,
  check: ({ certificate }) =>
    hasCriticality(certificate, oids.extendedKeyUsage, true) ? 'extended key usage is critical' : undefined,
};
