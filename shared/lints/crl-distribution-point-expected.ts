/**
 * RFC 5280 §4.2.1.13, profile: the extension is there when this CA publishes CRLs by it, and not when it does not.
 *
 * Without it a revocation reaches nobody; with one that nobody serves, strict verifiers refuse the certificate.
 */
import { oids } from '../pki/oids.ts';
import { hasExtension } from './decoded.ts';
import { always, type Lint } from './lint.ts';

export const crlDistributionPointExpected: Lint = {
  name: 'crl-distribution-point-expected',
  citation: 'RFC 5280 §4.2.1.13',
  applies: always,
  check: ({ certificate, crlExpected }) => {
    if (crlExpected === undefined || hasExtension(certificate, oids.crlDistributionPoints) === crlExpected)
      return undefined;
    return crlExpected ? 'CRL distribution points are absent' : 'CRL distribution points are not expected of this CA';
  },
};
