/**
 * X509-SVID §2: exactly one URI in the subject alternative name.
 *
 * Validators MUST reject an SVID with more.
 */
import { decoded } from './decoded.ts';
import { type Lint, svidOnly } from './lint.ts';

export const svidUriCount: Lint = {
  name: 'svid-uri-count',
  citation: 'X509-SVID §2',
  applies: (subject) => svidOnly(subject) && decoded(subject.certificate).names !== undefined,
  check: ({ certificate }) =>
    decoded(certificate).uris.length === 1 ? undefined : 'an SVID does not have exactly one URI',
};
