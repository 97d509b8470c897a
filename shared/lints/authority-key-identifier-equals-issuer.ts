/**
 * RFC 5280 §4.2.1.1: the key identifier is the subject key identifier of the issuer's certificate.
 *
 * As that certificate has it, not as we would derive it: ACM PCA and we derive differently.
 */
import { oids } from '../pki/oids.ts';
import { decoded, equalBytes } from './decoded.ts';
import type { Lint } from './lint.ts';

export const authorityKeyIdentifierEqualsIssuer: Lint = {
  name: 'authority-key-identifier-equals-issuer',
  citation: 'RFC 5280 §4.2.1.1',
  applies: ({ certificate }) => {
    const { extensions, faults } = decoded(certificate);
    return extensions.has(oids.authorityKeyIdentifier) && !faults.has(oids.authorityKeyIdentifier);
  },
  check: ({ certificate, issuer }) => {
    const id = decoded(certificate).authorityKeyIdentifier;
    const issuerId = decoded(issuer).subjectKeyIdentifier;
    return id !== undefined && issuerId !== undefined && equalBytes(id, issuerId)
      ? undefined
      : "the authority key identifier is not the issuer's subject key identifier";
  },
};
