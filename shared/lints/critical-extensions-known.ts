/**
 * RFC 5280 §4.2: a verifier rejects a certificate with a critical extension it does not know.
 *
 * So a leaf has none beyond the profile's own.
 */
import { isLeafExtension } from './leaf-extensions.ts';
import { always, type Lint } from './lint.ts';

export const criticalExtensionsKnown: Lint = {
  name: 'critical-extensions-known',
  citation: 'RFC 5280 §4.2',
  applies: always,
  check: ({ certificate }) =>
    certificate.tbs.extensions.some(({ oid, critical }) => critical && !isLeafExtension(oid))
      ? 'a critical extension is none of the profile'
      : undefined,
};
