/**
 * RFC 5280 §4.1 and §4.2, X.690: the certificate and each extension we know is the DER of its type.
 *
 * Verifiers disagree on bytes outside the grammar, so what one of them reads may not be what we linted. The certificate as a
 * whole is refused by its parser (version 3, no repeated extension, one signature algorithm inside and outside); this rule
 * covers what the parser leaves opaque.
 */
import { decoded } from './decoded.ts';
import { always, type Lint } from './lint.ts';

export const certificateWellFormed: Lint = {
  name: 'certificate-well-formed',
  citation: 'RFC 5280 §4.1',
  applies: always,
  check: ({ certificate }) => {
    const { faults } = decoded(certificate);
    return faults.size === 0 ? undefined : [...faults.values()].join('; ');
  },
};
