import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import type { ThrowawaySigner } from '../../lints/prepared-issuance.ts';
import { parseSubjectPublicKey } from '../../pki/public-key.ts';
import { type CaSigningAlgorithm, caSigningAlgorithmHash } from '../../pki/signature-algorithm.ts';
import type { Sign } from './sign.ts';

function makeKeyPair(algorithm: CaSigningAlgorithm): { readonly publicKey: KeyObject; readonly privateKey: KeyObject } {
  return algorithm.endsWith('ECDSA')
    ? generateKeyPairSync('ec', { namedCurve: 'P-256' })
    : generateKeyPairSync('rsa', { modulusLength: 2048 });
}

/**
 * Signers for certificates that are linted and thrown away: a key a family, made at its first use, never written anywhere,
 * certified by nobody. With `signLater`, off the calling thread too.
 */
export function createThrowawaySigners(signLater?: Sign): (algorithm: CaSigningAlgorithm) => ThrowawaySigner {
  const signers = new Map<CaSigningAlgorithm, ThrowawaySigner>();
  return (algorithm) => {
    let signer = signers.get(algorithm);
    if (signer === undefined) {
      const { publicKey, privateKey } = makeKeyPair(algorithm);
      const hash = caSigningAlgorithmHash(algorithm);
      const spki = publicKey.export({ format: 'der', type: 'spki' });
      signer = {
        publicKey: parseSubjectPublicKey(spki),
        sign: (tbs) => sign(hash, tbs, privateKey),
        ...(signLater === undefined ? {} : { signLater: (tbs: Uint8Array) => signLater(hash, tbs, privateKey) }),
      };
      signers.set(algorithm, signer);
    }
    return signer;
  };
}
