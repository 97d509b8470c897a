/**
 * FIPS 186-5 appendix A.1.1: the public exponent is odd and larger than 2^16.
 *
 * Small exponents turn padding mistakes of others into forgeries.
 */
import { rsaExponentMin } from '../pki/key-policy.ts';
import { always, type Lint } from './lint.ts';

export const rsaPublicExponent: Lint = {
  name: 'rsa-public-exponent',
  citation: 'FIPS 186-5 appendix A.1.1',
  applies: always,
  check: ({ certificate }) => {
    const { info } = certificate.tbs.publicKey;
    if (info.kind !== 'rsa') return undefined;
    return info.exponent >= rsaExponentMin && info.exponent % 2n === 1n
      ? undefined
      : 'the RSA exponent is even or too small';
  },
};
