import { constants, type KeyObject, type VerifyKeyObjectInput, type VerifyPublicKeyInput, verify } from 'node:crypto';
import { fieldBytesOf } from './curve.ts';
import { evaluateKey } from './key-policy.ts';
import { type PublicKeyInfo, type SubjectPublicKey, toKeyObject, toPem } from './public-key.ts';
import { isEcdsaSignature, type SignatureAlgorithm } from './signature-algorithm.ts';

/**
 * What node:crypto is given of a key: as PEM the first time, which is read where it is used and costs half of what an import
 * does; from the second time on imported, for as long as its parsed form lives: a CA's verifies many leaves.
 */
const keyObjects = new WeakMap<SubjectPublicKey, KeyObject | 'used-once'>();

/** As `verifySignature` is, or does what it does and something beside. */
export type VerifySignature = typeof verifySignature;

/**
 * Whether a signature over `message` verifies under `publicKey`: ECDSA (strict DER), RSA PKCS #1 v1.5, RSASSA-PSS or
 * Ed25519. False also when the algorithm does not fit the key, and for a key or algorithm that `evaluateKey` refuses:
 * those prove nothing, and a huge key is not worked with. Runs on the thread pool. Rejects only when the runtime's
 * cryptography fails as such.
 */
export async function verifySignature(
  algorithm: SignatureAlgorithm,
  publicKey: SubjectPublicKey,
  message: Uint8Array,
  signature: Uint8Array,
): Promise<boolean> {
  if (!fits(algorithm, publicKey.info) || evaluateKey(publicKey, algorithm).length > 0) return false;
  if (publicKey.info.kind === 'ec') {
    const scalarBytes = fieldBytesOf(publicKey.info.curve);
    if (scalarBytes === undefined || !isEcdsaSignature(signature, scalarBytes)) return false;
  }
  const key = keyFor(publicKey);
  return key !== undefined && verifyOnPool(algorithm, key, message, signature);
}

function fits(algorithm: SignatureAlgorithm, key: PublicKeyInfo): boolean {
  switch (algorithm.kind) {
    case 'ecdsa':
      return key.kind === 'ec';
    case 'rsa-pkcs1':
    case 'rsa-pss':
      return key.kind === 'rsa';
    case 'ed25519':
      return key.kind === 'ed25519';
    default:
      return false;
  }
}

function keyFor(publicKey: SubjectPublicKey): KeyObject | string | undefined {
  const known = keyObjects.get(publicKey);
  if (known === undefined) {
    keyObjects.set(publicKey, 'used-once');
    return toPem(publicKey);
  }
  if (known !== 'used-once') return known;
  try {
    const key = toKeyObject(publicKey);
    keyObjects.set(publicKey, key);
    return key;
  } catch (error) {
    if (isOpenSslError(error)) return undefined;
    throw error;
  }
}

// OpenSSL refuses some keys and signatures by throwing: nothing can have been signed with those.
function isOpenSslError(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'string' && code.startsWith('ERR_OSSL');
}

function verifyOnPool(
  algorithm: SignatureAlgorithm,
  key: KeyObject | string,
  message: Uint8Array,
  signature: Uint8Array,
): Promise<boolean> {
  const hash = 'hash' in algorithm ? algorithm.hash : null;
  const input =
    algorithm.kind === 'rsa-pss'
      ? ({ key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: algorithm.saltBytes } as
          | VerifyKeyObjectInput
          | VerifyPublicKeyInput)
      : key;
  return new Promise((resolve, reject) => {
    const fail = (error: unknown) => (isOpenSslError(error) ? resolve(false) : reject(error));
    try {
      verify(hash, message, input, signature, (error, verified) => (error === null ? resolve(verified) : fail(error)));
    } catch (error) {
      // A key as PEM is read before the work goes to the pool.
      fail(error);
    }
  });
}
