/**
 * RFC 5280 §4.1.1.3: the signature is made with the issuer's key, so its algorithm is of that key's family.
 *
 * A certificate that says otherwise verifies nowhere, and a CA that builds its own certificate refuses it only after submit.
 */
import { decoded } from './decoded.ts';
import type { Lint } from './lint.ts';

export const signatureAlgorithmFitsIssuerKey: Lint = {
  name: 'signature-algorithm-fits-issuer-key',
  citation: 'RFC 5280 §4.1.1.3',
  applies: ({ certificate }) => decoded(certificate).signingAlgorithm !== undefined,
  check: ({ certificate, issuer }) => {
    const family = decoded(certificate).signingAlgorithm?.endsWith('ECDSA') ? 'ec' : 'rsa';
    return issuer.tbs.publicKey.info.kind === family
      ? undefined
      : "the signature algorithm does not fit the issuer's key";
  },
};
