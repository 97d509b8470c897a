/**
 * RFC 5280 §4.2.1.6, RFC 1123 §2.1, RFC 5890 §2.3.2.1: labels of letters, digits and hyphens, 63 characters each, 253 in all,
 * no trailing dot, A-labels that decode.
 *
 * What one verifier trims or folds another compares as it stands. The underscore is not a host name's character.
 */
import { dnsNameFault } from '../pki/names.ts';
import { decoded } from './decoded.ts';
import { always, type Lint } from './lint.ts';

export const dnsNameSyntax: Lint = {
  name: 'dns-name-syntax',
  citation: 'RFC 5280 §4.2.1.6, RFC 1123 §2.1',
  applies: always,
  check: ({ certificate }) => {
    for (const name of decoded(certificate).dnsNames) {
      const fault = dnsNameFault(name);
      if (fault !== undefined) return fault;
    }
    return undefined;
  },
};
