/**
 * RFC 5280 §4.1.2.4 and §6.1.3: the issuer name is the subject of the issuing CA's certificate.
 *
 * Byte for byte, since many verifiers compare bytes and none is obliged to normalise strings as RFC 4518 describes.
 */
import { equalBytes } from './decoded.ts';
import { always, type Lint } from './lint.ts';

export const issuerNameEqualsIssuerSubject: Lint = {
  name: 'issuer-name-equals-issuer-subject',
  citation: 'RFC 5280 §4.1.2.4',
  applies: always,
  check: ({ certificate, issuer }) =>
    equalBytes(certificate.tbs.issuer.der, issuer.tbs.subject.der)
      ? undefined
      : "the issuer name is not the issuing CA's subject, byte for byte",
};
