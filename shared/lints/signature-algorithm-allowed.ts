/**
 * RFC 5280 §4.1.1.2, RFC 5758 §3.2, RFC 4055 §5: the signature algorithm is ECDSA or RSA PKCS#1 v1.5 with SHA-256, SHA-384 or
 * SHA-512, its parameters absent or NULL as that algorithm has it.
 *
 * Compared as bytes: an AlgorithmIdentifier with other parameters is another algorithm to some verifiers.
 */
import { decoded } from './decoded.ts';
import { always, type Lint } from './lint.ts';

export const signatureAlgorithmAllowed: Lint = {
  name: 'signature-algorithm-allowed',
  citation: 'RFC 5280 §4.1.1.2',
  applies: always,
  check: ({ certificate }) =>
    decoded(certificate).signingAlgorithm === undefined
      ? 'the signature algorithm is none a CA may use here'
      : undefined,
};
