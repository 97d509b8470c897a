import type { CertificationRequest } from './certification-request.ts';
import { type VerifySignature, verifySignature } from './verify-signature.ts';

/**
 * Whether the request's signature over its CertificationRequestInfo verifies under the key it holds (RFC 2986 §3,
 * ProofOfPossession), as `verifySignature` judges it.
 */
export function verifyPossession(
  request: CertificationRequest,
  verify: VerifySignature = verifySignature,
): Promise<boolean> {
  return verify(request.signatureAlgorithm, request.publicKey, request.info, request.signature);
}
