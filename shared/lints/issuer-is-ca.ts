/**
 * RFC 5280 §4.2.1.9 and §4.2.1.3: the issuer's certificate is a CA's, and its key may sign certificates.
 *
 * Wiring that hands over the wrong certificate would else be found by the devices.
 */
import { decoded } from './decoded.ts';
import { always, type Lint } from './lint.ts';

export const issuerIsCa: Lint = {
  name: 'issuer-is-ca',
  citation: 'RFC 5280 §4.2.1.9',
  applies: always,
  check: ({ issuer }) => {
    const { basicConstraints, keyUsage } = decoded(issuer);
    if (basicConstraints?.ca !== true) return "the issuer's certificate is not a CA certificate";
    return keyUsage?.includes('keyCertSign') ? undefined : "the issuer's key may not sign certificates";
  },
};
