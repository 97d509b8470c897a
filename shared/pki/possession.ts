import { constants, type KeyObject, verify } from 'node:crypto';
import type { CertificationRequest } from './certification-request.ts';
import { fieldBytesOf } from './curve.ts';
import { evaluateKey } from './key-policy.ts';
import { type PublicKeyInfo, toKeyObject } from './public-key.ts';
import { isEcdsaSignature, type SignatureAlgorithm } from './signature-algorithm.ts';

/**
 * Whether the request's signature over its CertificationRequestInfo verifies under the key it holds (RFC 2986 §3,
 * ProofOfPossession). False also when the algorithm does not fit the key, when an ECDSA signature is not strict DER,
 * and for a key or algorithm `evaluateKey` refuses: those prove nothing, and a huge key is not worked with. Runs on
 * the thread pool. Rejects only when the runtime's cryptography fails as such.
 */
export async function verifyPossession(request: CertificationRequest): Promise<boolean> {
  const { publicKey, signatureAlgorithm: algorithm, signature } = request;
  if (!fits(algorithm, publicKey.info)) return false;
  if (evaluateKey(publicKey, algorithm).length > 0) return false;
  if (publicKey.info.kind === 'ec') {
    const scalarBytes = fieldBytesOf(publicKey.info.curve);
    if (scalarBytes === undefined || !isEcdsaSignature(signature, scalarBytes)) return false;
  }
  const key = importKey(request);
  return key === undefined ? false : verifyOnPool(algorithm, request.info, key, signature);
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

// OpenSSL has checks of its own; a key that fails one is a key nobody can have signed with.
function importKey(request: CertificationRequest): KeyObject | undefined {
  try {
    return toKeyObject(request.publicKey);
  } catch (error) {
    if (isOpenSslError(error)) return undefined;
    throw error;
  }
}

function isOpenSslError(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'string' && code.startsWith('ERR_OSSL');
}

function verifyOnPool(
  algorithm: SignatureAlgorithm,
  data: Uint8Array,
  key: KeyObject,
  signature: Uint8Array,
): Promise<boolean> {
  const hash = 'hash' in algorithm ? algorithm.hash : null;
  const input =
    algorithm.kind === 'rsa-pss'
      ? { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: algorithm.saltBytes }
      : key;
  return new Promise((resolve, reject) => {
    verify(hash, data, input, signature, (error, verified) => {
      if (error === null) resolve(verified);
      else if (isOpenSslError(error)) resolve(false);
      else reject(error);
    });
  });
}
