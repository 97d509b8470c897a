/**
 * RFC 5280 §4.2.1.3, X509-SVID §4.3: a leaf says what its key is for.
 *
 * An absent key usage allows every usage.
 */
import { oids } from '../pki/oids.ts';
import { hasExtension } from './decoded.ts';
import { always, type Lint } from './lint.ts';

export const keyUsagePresent: Lint = {
  name: 'key-usage-present',
  citation: 'RFC 5280 §4.2.1.3',
  applies: always,
  check: ({ certificate }) => (hasExtension(certificate, oids.keyUsage) ? undefined : 'key usage is absent'),
};
