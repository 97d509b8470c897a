import type { Certificate } from './certificate.ts';
import type { SubjectPublicKey } from './public-key.ts';
import { parseSignatureAlgorithm } from './signature-algorithm.ts';
import { type VerifySignature, verifySignature } from './verify-signature.ts';

/**
 * Whether the certificate's signature verifies under `issuerKey` (RFC 5280 §6.1.3 (a)(1)), as `verifySignature` judges it.
 * Rejects with MalformedError for an algorithm that is not one. Names, validity and extensions are not looked at.
 */
export async function verifyCertificateSignature(
  certificate: Certificate,
  issuerKey: SubjectPublicKey,
  verify: VerifySignature = verifySignature,
): Promise<boolean> {
  const algorithm = parseSignatureAlgorithm(certificate.signatureAlgorithmDer);
  return verify(algorithm, issuerKey, certificate.tbs.der, certificate.signature);
}
