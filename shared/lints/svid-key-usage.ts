/**
 * X509-SVID §4.3: a leaf SVID has digitalSignature set.
 *
 * Holds whatever the profile says.
 */
import { decoded } from './decoded.ts';
import { type Lint, svidOnly } from './lint.ts';

export const svidKeyUsage: Lint = {
  name: 'svid-key-usage',
  citation: 'X509-SVID §4.3',
  applies: svidOnly,
  check: ({ certificate }) =>
    decoded(certificate).keyUsage?.includes('digitalSignature') === false
      ? 'the key usage of an SVID lacks digitalSignature'
      : undefined,
};
