import { lengthPrefixed, sha256Base64Url } from '../pki/hash.ts';

/**
 * The id of a request: the same caller posting the same bytes for the same profile gets the same one, nobody else does.
 * `base64url(SHA-256(LP(principal) ‖ LP(profile) ‖ LP(SHA-256(csrDer))))`, 43 characters. `csrSha256` is lower-case hex.
 */
export function requestIdOf(principal: string, profile: string, csrSha256: string): string {
  return sha256Base64Url(lengthPrefixed(principal, profile, Buffer.from(csrSha256, 'hex')));
}

export function issuanceIdOf(requestId: string, ordinal: number): string {
  return `${requestId}.${ordinal}`;
}

const issuanceIdForm = /^([A-Za-z0-9_-]{43})\.([1-9][0-9]{0,8})$/;

/** The request of an issuance id that is well formed. */
export function requestIdOfIssuance(issuanceId: string): string {
  return issuanceId.slice(0, issuanceId.lastIndexOf('.'));
}

/** The parts of an issuance id, undefined when the text is none. */
export function parseIssuanceId(text: string): { readonly requestId: string; readonly ordinal: number } | undefined {
  const match = issuanceIdForm.exec(text);
  return match === null ? undefined : { requestId: match[1]!, ordinal: Number(match[2]) };
}

/**
 * Token that makes IssueCertificate idempotent for five minutes: bound to the issuance and to one intent of it, within
 * the 36 characters ACM PCA takes (its API reference, IdempotencyToken). 32 characters of base64url are 192 bits.
 */
export function idempotencyTokenOf(issuanceId: string, intentAt: number): string {
  return sha256Base64Url(lengthPrefixed(issuanceId, String(intentAt))).slice(0, 32);
}
