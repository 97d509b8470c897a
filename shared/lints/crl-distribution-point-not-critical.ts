/**
 * RFC 5280 §4.2.1.13: the extension SHOULD be non-critical.
 *
 * Many TLS stacks do not fetch CRLs and would refuse the certificate.
 */
import { oids } from '../pki/oids.ts';
import { hasCriticality } from './decoded.ts';
import { always, type Lint } from './lint.ts';

export const crlDistributionPointNotCritical: Lint = {
  name: 'crl-distribution-point-not-critical',
  citation: 'RFC 5280 §4.2.1.13',
  applies: always,
  check: ({ certificate }) =>
    hasCriticality(certificate, oids.crlDistributionPoints, true) ? 'CRL distribution points are critical' : undefined,
};
