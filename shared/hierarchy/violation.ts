import type { KeyFault } from '../pki/key-policy.ts';

/** Why a request is refused. The last eight are decided by the ledger and the credential, not by `evaluateRequest`. */
export type PolicyViolationCode =
  | KeyFault['code']
  | 'profile-not-in-scope'
  | 'challenge-password'
  | 'names-missing'
  | 'names-too-many'
  | 'name-kind-not-allowed'
  | 'name-malformed'
  | 'name-duplicate'
  | 'name-out-of-scope'
  | 'name-outside-constraints'
  | 'wildcard-not-allowed'
  | 'spiffe-id-invalid'
  | 'spiffe-trust-domain'
  | 'spiffe-id-count'
  | 'ca-requested'
  | 'key-usage-not-allowed'
  | 'extended-key-usage-not-allowed'
  | 'extension-not-allowed'
  | 'outlives-issuer'
  | 'name-held'
  | 'key-of-another-owner'
  | 'key-compromised'
  | 'credential-revoked'
  | 'credential-expired'
  | 'credential-count-used-up';

/**
 * `field` is where in the request (`subjectAltName[3]`, `extensionRequest.keyUsage`), `message` a sentence without any
 * byte of the request that is not printable ASCII, `reference` the clause or the field of the profile.
 */
export interface PolicyViolation {
  readonly code: PolicyViolationCode;
  readonly field: string;
  readonly message: string;
  readonly reference: string;
}
