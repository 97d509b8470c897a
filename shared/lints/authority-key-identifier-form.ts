/**
 * Profile: the authority key identifier holds the key identifier and nothing else.
 *
 * RFC 5280 §4.2.1.1 also allows the issuer's own issuer and serial, which tie a leaf to one certificate of its CA: after a
 * cross-signature or a renewal of the CA's certificate the leaf would be orphaned.
 */
import { encodeAuthorityKeyIdentifier } from '../pki/certificate-builder.ts';
import { oids } from '../pki/oids.ts';
import { decoded, equalBytes } from './decoded.ts';
import { always, type Lint } from './lint.ts';

export const authorityKeyIdentifierForm: Lint = {
  name: 'authority-key-identifier-form',
  citation: 'RFC 5280 §4.2.1.1',
  applies: always,
  check: ({ certificate }) => {
    const { extensions, authorityKeyIdentifier: id } = decoded(certificate);
    const value = extensions.get(oids.authorityKeyIdentifier)?.value;
    return id === undefined || value === undefined || equalBytes(value, encodeAuthorityKeyIdentifier(id))
      ? undefined
      : 'the authority key identifier holds more than a key identifier';
  },
};
