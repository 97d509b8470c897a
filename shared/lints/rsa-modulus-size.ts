/**
 * NIST SP 800-57 part 1 table 2, SP 800-131A §3: an RSA modulus has at least 2048 bits; ours at most 4096.
 *
 * Below 2048 bits is under 112 bits of security. Above 4096 a verifier pays more than it gains, and ACM PCA refuses.
 */
import { rsaModulusBitsMax, rsaModulusBitsMin } from '../pki/key-policy.ts';
import { always, type Lint } from './lint.ts';

export const rsaModulusSize: Lint = {
  name: 'rsa-modulus-size',
  citation: 'NIST SP 800-131A §3',
  applies: always,
  check: ({ certificate }) => {
    const { info } = certificate.tbs.publicKey;
    if (info.kind !== 'rsa') return undefined;
    return info.modulusBits >= rsaModulusBitsMin && info.modulusBits <= rsaModulusBitsMax
      ? undefined
      : 'the RSA modulus does not have 2048 to 4096 bits';
  },
};
