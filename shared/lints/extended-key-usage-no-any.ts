/**
 * RFC 5280 §4.2.1.12: anyExtendedKeyUsage makes the extension say nothing.
 *
 * Holds whatever the profile says.
 */
import { oids } from '../pki/oids.ts';
import { decoded } from './decoded.ts';
import { always, type Lint } from './lint.ts';

export const extendedKeyUsageNoAny: Lint = {
  name: 'extended-key-usage-no-any',
  citation: 'RFC 5280 §4.2.1.12',
  applies: always,
  check: ({ certificate }) =>
    decoded(certificate).extendedKeyUsage?.includes(oids.anyExtendedKeyUsage)
      ? 'anyExtendedKeyUsage is among the purposes'
      : undefined,
};
