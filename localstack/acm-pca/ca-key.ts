/** Keys of the CAs: in software, whatever KeyStorageSecurityStandard says. */
import { createPrivateKey, generateKeyPair, type KeyObject, sign } from 'node:crypto';
import { promisify } from 'node:util';
import { type CaSigningAlgorithm, caSigningAlgorithmHash } from '../../shared/pki/signature-algorithm.ts';
import { refuse } from './errors.ts';

const generate = promisify(generateKeyPair);

const curves: Readonly<Record<string, string>> = {
  EC_prime256v1: 'P-256',
  EC_secp384r1: 'P-384',
  EC_secp521r1: 'P-521',
};
const moduli: Readonly<Record<string, number>> = { RSA_2048: 2048, RSA_3072: 3072, RSA_4096: 4096 };

type KeyFamily = 'RSA' | 'ECDSA';

/** InvalidArgsException for a key algorithm of the model that this endpoint does not make (ML-DSA, SM2). */
export function keyFamily(keyAlgorithm: string): KeyFamily {
  if (keyAlgorithm in curves) return 'ECDSA';
  if (keyAlgorithm in moduli) return 'RSA';
  refuse('InvalidArgsException', `The key algorithm ${keyAlgorithm} is not supported.`);
}

/** The signing algorithm, when its family is the key's; InvalidArgsException otherwise. */
export function fittingSigningAlgorithm(keyAlgorithm: string, signingAlgorithm: string): CaSigningAlgorithm {
  const family = keyFamily(keyAlgorithm);
  if (!/^SHA(256|384|512)WITH(RSA|ECDSA)$/.test(signingAlgorithm) || !signingAlgorithm.endsWith(`WITH${family}`)) {
    const message = `The signing algorithm ${signingAlgorithm} does not match the key algorithm ${keyAlgorithm}.`;
    refuse('InvalidArgsException', message);
  }
  return signingAlgorithm as CaSigningAlgorithm;
}

/** A new key pair: PKCS#8 PEM and SubjectPublicKeyInfo DER. Made by OpenSSL's own generator, not from injected randomness. */
export async function generateCaKey(
  keyAlgorithm: string,
): Promise<{ privateKeyPem: string; publicKeyDer: Uint8Array }> {
  const namedCurve = curves[keyAlgorithm];
  const pair =
    namedCurve === undefined
      ? await generate('rsa', { modulusLength: moduli[keyAlgorithm] ?? 0 })
      : await generate('ec', { namedCurve });
  return {
    privateKeyPem: pair.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    publicKeyDer: pair.publicKey.export({ type: 'spki', format: 'der' }),
  };
}

/** A private key from its PEM. */
export function loadCaKey(pem: string): KeyObject {
  return createPrivateKey(pem);
}

/** Signature over `message`: ECDSA-Sig-Value DER, or RSASSA-PKCS1-v1_5. */
export function signWithCaKey(key: KeyObject, algorithm: CaSigningAlgorithm, message: Uint8Array): Uint8Array {
  return sign(caSigningAlgorithmHash(algorithm), message, key);
}
