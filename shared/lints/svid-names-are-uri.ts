/**
 * Profile (svid): the SPIFFE ID is the only name. X509-SVID §2 would allow others beside it.
 *
 * A DNS name in an SVID makes a workload a web server too, which this profile's policy has not judged.
 */
import { decoded } from './decoded.ts';
import { type Lint, svidOnly } from './lint.ts';

export const svidNamesAreUri: Lint = {
  name: 'svid-names-are-uri',
  citation: 'docs/certificate-profiles.md, names',
  applies: svidOnly,
  check: ({ certificate }) =>
    decoded(certificate).names?.some(({ kind }) => kind !== 'uri') ? 'a name of an SVID is not a URI' : undefined,
};
