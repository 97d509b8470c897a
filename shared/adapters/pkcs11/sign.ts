import { hash } from 'node:crypto';
import type { Handle } from 'pkcs11js';
import * as der from '../../pki/der/writer.ts';
import { oids } from '../../pki/oids.ts';
import type { SubjectPublicKey } from '../../pki/public-key.ts';
import { type CaSigningAlgorithm, caSigningAlgorithmHash, ecdsaRawToDer } from '../../pki/signature-algorithm.ts';
import { ckm } from './constants.ts';
import { Pkcs11Failure } from './return-values.ts';
import type { Session } from './token.ts';

const coordinateBytes: Readonly<Record<string, number>> = { 'P-256': 32, 'P-384': 48, 'P-521': 66 };

/** Room for the signature of an RSA key of 4096 bits. */
const rsaSignatureBytesMax = 512;

type CaHash = ReturnType<typeof caSigningAlgorithmHash>;

/** AlgorithmIdentifiers in a DigestInfo: parameters are NULL (RFC 8017 §9.2, note 1). */
const digestAlgorithm: Readonly<Record<CaHash, Uint8Array>> = {
  sha256: der.sequence(der.oid(oids.sha256), der.nullValue()),
  sha384: der.sequence(der.oid(oids.sha384), der.nullValue()),
  sha512: der.sequence(der.oid(oids.sha512), der.nullValue()),
};

/** The content of a signature BIT STRING. Throws what pkcs11js throws, or Pkcs11Failure. */
export type SignWithKey = (
  session: Session,
  privateKey: Handle,
  message: Uint8Array,
) => Promise<Uint8Array> | Uint8Array;

export interface KeySigner {
  readonly sign: SignWithKey;
  /** Signatures worth having under way at once, each on a session of its own. */
  readonly concurrency: number;
}

/**
 * How a key signs. Messages are hashed here (as CloudHSM's library does itself) and the token gets the digest.
 * ECDSA is synchronous: a signature takes less time than handing it to another thread. RSA takes longer than that, and
 * four sessions on the thread pool double its rate.
 * Throws Pkcs11Failure when key and algorithm are not of one family.
 */
export function keySigner(publicKey: SubjectPublicKey, algorithm: CaSigningAlgorithm): KeySigner {
  const { info } = publicKey;
  const hashName = caSigningAlgorithmHash(algorithm);
  if (info.kind === 'ec' && algorithm.endsWith('ECDSA')) return { sign: ecdsa(info.curve, hashName), concurrency: 1 };
  if (info.kind === 'rsa' && algorithm.endsWith('RSA')) {
    return { sign: rsa(Math.ceil(info.modulusBits / 8), hashName), concurrency: 4 };
  }
  throw new Pkcs11Failure(
    'absent',
    'key-type-unsuitable',
    `a ${publicKey.keyType} key does not sign with ${algorithm}`,
  );
}

function expectLength(signature: Uint8Array, expected: number): Uint8Array {
  if (signature.length === expected) return signature;
  throw new Pkcs11Failure('device', 'signature-length', `a signature has ${signature.length} bytes, not ${expected}`);
}

function ecdsa(curve: string, hashName: CaHash): SignWithKey {
  const bytes = coordinateBytes[curve];
  if (bytes === undefined) throw new Pkcs11Failure('absent', 'key-type-unsuitable', `no CA key is on ${curve}`);
  return ({ api, handle }, privateKey, message) => {
    // Leftmost bits of the digest, as many as the order has (FIPS 186-5 §6.4.1): not every module cuts it itself.
    const digest = hash(hashName, message, 'buffer').subarray(0, bytes);
    api.C_SignInit(handle, { mechanism: ckm.ecdsa }, privateKey);
    return ecdsaRawToDer(expectLength(api.C_Sign(handle, digest, Buffer.allocUnsafe(2 * bytes)), 2 * bytes));
  };
}

function rsa(modulusBytes: number, hashName: CaHash): SignWithKey {
  return async ({ api, handle }, privateKey, message) => {
    const digest = hash(hashName, message, 'buffer');
    const digestInfo = Buffer.from(der.sequence(digestAlgorithm[hashName], der.octetString(digest)));
    api.C_SignInit(handle, { mechanism: ckm.rsaPkcs }, privateKey);
    return expectLength(
      await api.C_SignAsync(handle, digestInfo, Buffer.allocUnsafe(rsaSignatureBytesMax)),
      modulusBytes,
    );
  };
}
