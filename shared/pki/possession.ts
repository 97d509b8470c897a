import type { CertificationRequest } from './certification-request.ts';
import { verifySignature } from './verify-signature.ts';

/**
 * Whether the request's signature over its CertificationRequestInfo verifies under the key it holds (RFC 2986 §3,
 * ProofOfPossession), as `verifySignature` judges it.
 */
export function verifyPossession(request: CertificationRequest): Promise<boolean> {
  return verifySignature(request.signatureAlgorithm, request.publicKey, request.info, request.signature);
}
