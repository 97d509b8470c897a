/**
 * Profile: a distribution point is a full name of URIs, without reasons or a CRL issuer of its own.
 *
 * RFC 5280 §4.2.1.13 allows both; few verifiers process partitioned reasons or indirect CRLs, and those that do not take the
 * certificate for one that is never revoked.
 */
import { crlDistributionPointExtension } from '../pki/certificate-builder.ts';
import { oids } from '../pki/oids.ts';
import { decoded, equalBytes } from './decoded.ts';
import { always, type Lint } from './lint.ts';

export const crlDistributionPointFullNameOnly: Lint = {
  name: 'crl-distribution-point-full-name-only',
  citation: 'RFC 5280 §4.2.1.13',
  applies: always,
  check: ({ certificate }) => {
    const { extensions, crlDistributionPoints: uris } = decoded(certificate);
    const value = extensions.get(oids.crlDistributionPoints)?.value;
    if (uris === undefined || value === undefined || uris.length > 1) return undefined;
    return uris[0] !== undefined && equalBytes(value, crlDistributionPointExtension(uris[0]).value)
      ? undefined
      : 'a CRL distribution point is not just a full name with a URI';
  },
};
