import { type KeyObject, sign as signNow } from 'node:crypto';
import { promisify } from 'node:util';

/** Signs with a key of this process. Answers a BIT STRING's content: ECDSA-Sig-Value DER, or RSA PKCS #1 v1.5. */
export type Sign = (hash: SignHash, message: Uint8Array, key: KeyObject) => Promise<Uint8Array>;

export type SignHash = 'sha256' | 'sha384' | 'sha512';

/** EC as a token does it, synchronously; RSA on the thread pool. */
export const signHere: Sign = async (hash, message, key) =>
  key.asymmetricKeyType === 'ec' ? signNow(hash, message, key) : signOnPool(hash, message, key);

/** On the thread pool. */
export const signOnPool: Sign = promisify(
  (hash: SignHash, message: Uint8Array, key: KeyObject, done: (error: Error | null, signature: Buffer) => void) =>
    signNow(hash, message, key, done),
);
