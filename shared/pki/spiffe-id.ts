/** A SPIFFE ID in its two parts; `path` begins with `/`. */
export interface SpiffeId {
  readonly trustDomain: string;
  readonly path: string;
}

// SPIFFE-ID §2.3: an id has at most 2,048 octets, a trust domain 255.
const idBytesMax = 2_048;
const trustDomainBytesMax = 255;

/**
 * The parts of a workload's SPIFFE ID (SPIFFE-ID §2), or undefined for anything else: `spiffe://`, a trust domain of
 * lower-case letters, digits, `.`, `-`, `_` (so no port, user info or percent-encoding), then segments of letters,
 * digits, `.`, `-`, `_`, none empty, `.` or `..`; no query, no fragment, no final slash. An id without a path names a
 * trust domain and no workload: it is not one an X509-SVID leaf may carry (X509-SVID §5.2), hence undefined too.
 */
export function parseSpiffeId(uri: string): SpiffeId | undefined {
  if (uri.length > idBytesMax) return undefined;
  const match = /^spiffe:\/\/([a-z0-9._-]+)((?:\/[A-Za-z0-9._-]+)+)$/.exec(uri);
  if (match === null) return undefined;
  const trustDomain = match[1]!;
  const path = match[2]!;
  if (trustDomain.length > trustDomainBytesMax) return undefined;
  return path.split('/').some((segment) => segment === '.' || segment === '..') ? undefined : { trustDomain, path };
}
