import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import type { ThrowawaySignature } from '../../lints/prepared-issuance.ts';
import { parseSubjectPublicKey } from '../../pki/public-key.ts';
import { type CaSigningAlgorithm, caSigningAlgorithmHash } from '../../pki/signature-algorithm.ts';

function makeKeyPair(algorithm: CaSigningAlgorithm): { readonly publicKey: KeyObject; readonly privateKey: KeyObject } {
  return algorithm.endsWith('ECDSA')
    ? generateKeyPairSync('ec', { namedCurve: 'P-256' })
    : generateKeyPairSync('rsa', { modulusLength: 2048 });
}

/**
 * Signatures for certificates that are linted and thrown away. Each algorithm has a key of its own: made at the first use, certified
 * by nobody, forgotten as soon as it has signed.
 */
export function createThrowawaySignatures(): (algorithm: CaSigningAlgorithm) => ThrowawaySignature {
  const signatures = new Map<CaSigningAlgorithm, ThrowawaySignature>();
  return (algorithm) => {
    let made = signatures.get(algorithm);
    if (made === undefined) {
      const { publicKey, privateKey } = makeKeyPair(algorithm);
      const spki = publicKey.export({ format: 'der', type: 'spki' });
      made = {
        publicKey: parseSubjectPublicKey(spki),
        signature: sign(caSigningAlgorithmHash(algorithm), spki, privateKey),
      };
      signatures.set(algorithm, made);
    }
    return made;
  };
}
