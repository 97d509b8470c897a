/**
 * Profile: a leaf carries basic constraints, key usage, extended key usage, subject alternative name, the two key identifiers
 * and CRL distribution points, and nothing besides.
 *
 * What else a request asked for, or a CA's template adds, was judged by nobody. Critical ones are
 * `critical-extensions-known`'s.
 */
import { isLeafExtension } from './leaf-extensions.ts';
import { always, type Lint } from './lint.ts';

export const extensionsExpected: Lint = {
  name: 'extensions-expected',
  citation: 'docs/certificate-profiles.md, extensions',
  applies: always,
  check: ({ certificate }) =>
    certificate.tbs.extensions.some(({ oid, critical }) => !critical && !isLeafExtension(oid))
      ? 'an extension is none of the profile'
      : undefined,
};
