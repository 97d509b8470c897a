/**
 * RFC 5280 §4.2.1.12: purposes lie inside those of every CA of the path that names any.
 *
 * The RFC does not intersect them, but OpenSSL, browsers and Windows do: a purpose that a CA above lacks is refused there.
 */
import { oids } from '../pki/oids.ts';
import { decoded } from './decoded.ts';
import type { Lint } from './lint.ts';

export const extendedKeyUsageWithinIssuers: Lint = {
  name: 'extended-key-usage-within-issuers',
  citation: 'RFC 5280 §4.2.1.12',
  applies: ({ issuer, issuerChain }) =>
    [issuer, ...(issuerChain ?? [])].some((authority) => decoded(authority).extendedKeyUsage !== undefined),
  check: ({ certificate, issuer, issuerChain }) => {
    const purposes = decoded(certificate).extendedKeyUsage ?? [];
    const narrower = [issuer, ...(issuerChain ?? [])].some((authority) => {
      const certified = decoded(authority).extendedKeyUsage;
      if (certified === undefined || certified.includes(oids.anyExtendedKeyUsage)) return false;
      return purposes.some((purpose) => !certified.includes(purpose));
    });
    return narrower ? 'an extended key usage is not among those of a CA' : undefined;
  },
};
