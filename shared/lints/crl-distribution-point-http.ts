/**
 * RFC 5280 §4.2.1.13 and §8: the URI is http. CRLs are signed, and https to fetch one needs a certificate to be checked first.
 */
import { decoded } from './decoded.ts';
import { always, type Lint } from './lint.ts';

export const crlDistributionPointHttp: Lint = {
  name: 'crl-distribution-point-http',
  citation: 'RFC 5280 §4.2.1.13',
  applies: always,
  check: ({ certificate }) =>
    decoded(certificate).crlDistributionPoints?.every((uri) => /^http:\/\/[a-z0-9.-]+(?::[0-9]+)?\/\S+$/.test(uri)) ===
    false
      ? 'a CRL distribution point is not an http URI of a host and a path'
      : undefined,
};
