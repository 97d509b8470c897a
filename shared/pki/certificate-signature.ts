import { constants, type KeyObject, verify } from 'node:crypto';
import type { Certificate } from './certificate.ts';
import { fieldBytesOf } from './curve.ts';
import { evaluateKey } from './key-policy.ts';
import { type PublicKeyInfo, type SubjectPublicKey, toKeyObject } from './public-key.ts';
import { isEcdsaSignature, parseSignatureAlgorithm, type SignatureAlgorithm } from './signature-algorithm.ts';

/** A CA verifies many leaves: its key is imported once for as long as the parsed key lives. */
const keyObjects = new WeakMap<SubjectPublicKey, KeyObject>();

/**
 * Whether the certificate's signature verifies under `issuerKey` (RFC 5280 §6.1.3 (a)(1)): ECDSA (strict DER), RSA
 * PKCS #1 v1.5, RSASSA-PSS or Ed25519. False when the algorithm does not fit the key, and for a key or algorithm that
 * `evaluateKey` refuses. Runs on the thread pool; rejects only when the runtime's cryptography fails as such. Throws
 * MalformedError for an algorithm that is not one. Names, validity and extensions are not looked at.
 */
export async function verifyCertificateSignature(
  certificate: Certificate,
  issuerKey: SubjectPublicKey,
): Promise<boolean> {
  const algorithm = parseSignatureAlgorithm(certificate.signatureAlgorithmDer);
  if (!fits(algorithm, issuerKey.info) || evaluateKey(issuerKey, algorithm).length > 0) return false;
  if (issuerKey.info.kind === 'ec') {
    const scalarBytes = fieldBytesOf(issuerKey.info.curve);
    if (scalarBytes === undefined || !isEcdsaSignature(certificate.signature, scalarBytes)) return false;
  }
  const key = importOnce(issuerKey);
  return key !== undefined && verifyOnPool(algorithm, certificate, key);
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

function importOnce(issuerKey: SubjectPublicKey): KeyObject | undefined {
  const known = keyObjects.get(issuerKey);
  if (known !== undefined) return known;
  try {
    const key = toKeyObject(issuerKey);
    keyObjects.set(issuerKey, key);
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

function verifyOnPool(algorithm: SignatureAlgorithm, certificate: Certificate, key: KeyObject): Promise<boolean> {
  const hash = 'hash' in algorithm ? algorithm.hash : null;
  const input =
    algorithm.kind === 'rsa-pss'
      ? { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: algorithm.saltBytes }
      : key;
  return new Promise((resolve, reject) => {
    verify(hash, certificate.tbs.der, input, certificate.signature, (error, verified) => {
      if (error === null) resolve(verified);
      else if (isOpenSslError(error)) resolve(false);
      else reject(error);
    });
  });
}
