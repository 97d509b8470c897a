/**
 * CA/Browser Forum Baseline Requirements §7.1.4.2: at most one common name.
 *
 * With two of them one verifier takes the first and another the last.
 */
import { decoded } from './decoded.ts';
import { type Lint, tlsOnly } from './lint.ts';

export const commonNameSingle: Lint = {
  name: 'common-name-single',
  citation: 'CA/Browser Forum BR §7.1.4.2',
  applies: tlsOnly,
  check: ({ certificate }) =>
    decoded(certificate).commonNames.length > 1 ? 'the subject holds more than one common name' : undefined,
};
