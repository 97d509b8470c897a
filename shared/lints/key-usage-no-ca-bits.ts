/**
 * RFC 5280 §4.2.1.3, X509-SVID §4.3: keyCertSign and cRLSign belong to CAs.
 *
 * Holds whatever the profile says: an edited profile is the way such a bit would come in.
 */
import { decoded } from './decoded.ts';
import { always, type Lint } from './lint.ts';

export const keyUsageNoCaBits: Lint = {
  name: 'key-usage-no-ca-bits',
  citation: 'RFC 5280 §4.2.1.3',
  applies: always,
  check: ({ certificate }) =>
    decoded(certificate).keyUsage?.some((usage) => usage === 'keyCertSign' || usage === 'cRLSign')
      ? 'a leaf may sign certificates or CRLs'
      : undefined,
};
