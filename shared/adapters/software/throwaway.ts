import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { promisify } from 'node:util';
import type { ThrowawaySigner } from '../../lints/prepared-issuance.ts';
import { parseSubjectPublicKey } from '../../pki/public-key.ts';
import { type CaSigningAlgorithm, caSigningAlgorithmHash } from '../../pki/signature-algorithm.ts';

function makeKeyPair(algorithm: CaSigningAlgorithm): { readonly publicKey: KeyObject; readonly privateKey: KeyObject } {
  return algorithm.endsWith('ECDSA')
    ? generateKeyPairSync('ec', { namedCurve: 'P-256' })
    : generateKeyPairSync('rsa', { modulusLength: 2048 });
}

type Sign = (tbs: Uint8Array) => Promise<Uint8Array>;
/** Makes a signer's work known to whoever waits for it. */
export type OnPool = (sign: Sign) => Sign;

const signLater = promisify(
  (hash: string, tbs: Uint8Array, key: KeyObject, done: (error: Error | null, signature: Buffer) => void) =>
    sign(hash, tbs, key, done),
);

/**
 * Signers for certificates that are linted and thrown away: a key a family, made at its first use, never written anywhere,
 * certified by nobody. With `onPool`, on the thread pool too.
 */
export function createThrowawaySigners(onPool?: OnPool): (algorithm: CaSigningAlgorithm) => ThrowawaySigner {
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
        ...(onPool === undefined ? {} : { signOnPool: onPool((tbs) => signLater(hash, tbs, privateKey)) }),
      };
      signers.set(algorithm, signer);
    }
    return signer;
  };
}
