/**
 * RFC 7093 §2 method 1, RFC 5280 §4.2.1.2 method 1: the identifier is derived from the certificate's own key.
 *
 * We write the leftmost 160 bits of SHA-256; ACM PCA writes the SHA-1. An identifier from anything else is most likely that of
 * another key.
 */
import { createHash } from 'node:crypto';
import { keyIdentifierOf } from '../pki/certificate-builder.ts';
import { decoded, equalBytes } from './decoded.ts';
import { always, type Lint } from './lint.ts';

export const subjectKeyIdentifierDerivation: Lint = {
  name: 'subject-key-identifier-derivation',
  citation: 'RFC 7093 §2, RFC 5280 §4.2.1.2',
  applies: always,
  check: ({ certificate }) => {
    const id = decoded(certificate).subjectKeyIdentifier;
    const key = certificate.tbs.publicKey;
    if (id === undefined || equalBytes(id, keyIdentifierOf(key))) return undefined;
    return equalBytes(id, createHash('sha1').update(key.bits).digest())
      ? undefined
      : "the subject key identifier is not derived from the certificate's key";
  },
};
