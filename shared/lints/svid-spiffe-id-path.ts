/**
 * X509-SVID §3.1: the SPIFFE ID of a leaf has a path that is not the root.
 *
 * Without one it names the trust domain itself, which is a signing certificate's to do.
 */
import { decoded } from './decoded.ts';
import { type Lint, svidOnly } from './lint.ts';

export const svidSpiffeIdPath: Lint = {
  name: 'svid-spiffe-id-path',
  citation: 'X509-SVID §3.1',
  applies: svidOnly,
  check: ({ certificate }) =>
    decoded(certificate).uris.some((uri) => /^spiffe:\/\/[^/]*\/?$/.test(uri)) ? 'a SPIFFE ID has no path' : undefined,
};
