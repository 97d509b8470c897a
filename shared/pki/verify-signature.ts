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
export type VerifySignature = (
  algorithm: SignatureAlgorithm,
  publicKey: SubjectPublicKey,
  message: Uint8Array,
  signature: Uint8Array,
) => Promise<boolean>;

/**
 * Whether a signature over `message` verifies under `publicKey`: ECDSA (strict DER), RSA PKCS #1 v1.5, RSASSA-PSS or
 * Ed25519. False also when the algorithm does not fit the key, and for a key or algorithm that `evaluateKey` refuses:
 * those prove nothing, and a huge key is not worked with. Runs on the thread pool. Rejects only when the runtime's
 * cryptography fails as such.
 */
export const verifySignature: VerifySignature = createVerifySignature(verifyOnPool);

/** The same, with the arithmetic done by `compute`, which is asked only about what passed every other judgement. */
export function createVerifySignature(compute: VerifySignature): VerifySignature {
  return async (algorithm, publicKey, message, signature) =>
    isVerifiable(algorithm, publicKey, signature) && compute(algorithm, publicKey, message, signature);
}

function isVerifiable(algorithm: SignatureAlgorithm, publicKey: SubjectPublicKey, signature: Uint8Array): boolean {
  if (!fits(algorithm, publicKey.info) || evaluateKey(publicKey, algorithm).length > 0) return false;
  if (publicKey.info.kind !== 'ec') return true;
  const scalarBytes = fieldBytesOf(publicKey.info.curve);
  return scalarBytes !== undefined && isEcdsaSignature(signature, scalarBytes);
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

/** OpenSSL refuses some keys and signatures by throwing: nothing can have been signed with those. */
export function isOpenSslError(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'string' && code.startsWith('ERR_OSSL');
}

/** The arithmetic alone, on the thread pool: for what was judged already. */
export async function verifyOnPool(
  algorithm: SignatureAlgorithm,
  publicKey: SubjectPublicKey,
  message: Uint8Array,
  signature: Uint8Array,
): Promise<boolean> {
  const key = keyFor(publicKey);
  if (key === undefined) return false;
  const input = verifyInput(key, algorithm.kind === 'rsa-pss' ? algorithm.saltBytes : undefined);
  return new Promise((resolve, reject) => {
    const fail = (error: unknown) => (isOpenSslError(error) ? resolve(false) : reject(error));
    try {
      verify('hash' in algorithm ? algorithm.hash : null, message, input, signature, (error, verified) =>
        error === null ? resolve(verified) : fail(error),
      );
    } catch (error) {
      // A key as PEM is read before the work goes to the pool.
      fail(error);
    }
  });
}

/** What `crypto.verify` takes for a key; with the length of its salt where the signature is RSASSA-PSS. */
export function verifyInput(
  key: KeyObject | string,
  pssSaltBytes: number | undefined,
): KeyObject | string | VerifyKeyObjectInput | VerifyPublicKeyInput {
  if (pssSaltBytes === undefined) return key;
  return { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: pssSaltBytes } as
    | VerifyKeyObjectInput
    | VerifyPublicKeyInput;
}
