/**
 * SPIFFE-ID §2: the scheme, a trust domain and path segments of the allowed characters; no query, fragment, port, user info
 * or percent-encoding; at most 2048 bytes.
 *
 * Every consumer parses it anew, so there must be nothing to disagree about. An ID without a path is `svid-spiffe-id-path`'s.
 */
import { parseSpiffeId } from '../pki/spiffe-id.ts';
import { decoded } from './decoded.ts';
import { type Lint, svidOnly } from './lint.ts';

export const svidSpiffeIdSyntax: Lint = {
  name: 'svid-spiffe-id-syntax',
  citation: 'SPIFFE-ID §2',
  applies: svidOnly,
  check: ({ certificate }) =>
    decoded(certificate).uris.every((uri) => /^spiffe:\/\/[^/]*\/?$/.test(uri) || parseSpiffeId(uri) !== undefined)
      ? undefined
      : 'a URI is not a SPIFFE ID',
};
