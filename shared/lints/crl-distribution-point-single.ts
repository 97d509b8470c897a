/**
 * Profile: one URI. A certificate is listed in one shard of its CA's CRL.
 *
 * RFC 5280 §4.2.1.13 reads several URIs as several places of the same CRL, which ours are not.
 */
import { decoded } from './decoded.ts';
import { always, type Lint } from './lint.ts';

export const crlDistributionPointSingle: Lint = {
  name: 'crl-distribution-point-single',
  citation: 'docs/certificate-profiles.md, CRL distribution point',
  applies: always,
  check: ({ certificate }) =>
    (decoded(certificate).crlDistributionPoints?.length ?? 0) > 1
      ? 'CRL distribution points hold more than one URI'
      : undefined,
};
