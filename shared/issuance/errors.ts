import type { PolicyViolation, PolicyViolationCode } from '../hierarchy/policy.ts';
import type { MalformedCode } from '../pki/malformed.ts';

/** What a caller gets for an error: the HTTP status, a fixed title, and what it means to a person. */
interface ErrorDescription {
  readonly status: number;
  readonly title: string;
  readonly meaning: string;
}

const malformed: Readonly<Record<MalformedCode, ErrorDescription>> = {
  'body-empty': {
    status: 400,
    title: 'The body is empty',
    meaning: 'Send a certification request: PEM, base64 DER or raw DER.',
  },
  'not-base64': { status: 400, title: 'The body is not base64', meaning: 'The body is neither PEM, base64 nor DER.' },
  'not-a-certification-request': {
    status: 400,
    title: 'Not a certification request',
    meaning:
      'The body decodes, but to something else: a certificate, a key, or a structure that is no PKCS#10 (RFC 2986).',
  },
  'more-than-one-request': {
    status: 400,
    title: 'More than one request in the body',
    meaning: 'One request a body; send them one by one.',
  },
  'der-malformed': {
    status: 400,
    title: 'Not well-formed DER',
    meaning: 'The structure is not that of RFC 2986, or an element is not what its place asks for.',
  },
  'der-not-canonical': {
    status: 400,
    title: 'BER, not DER',
    meaning:
      'An indefinite length, a length or number not in its shortest form, or an order that DER (X.690) does not allow.',
  },
  'der-truncated': {
    status: 400,
    title: 'The request is cut short',
    meaning: 'An element declares more bytes than there are.',
  },
  'der-trailing-bytes': {
    status: 400,
    title: 'Bytes after the end',
    meaning: 'Something follows the request, or an element inside it.',
  },
  'der-too-deep': { status: 400, title: 'Nested too deeply', meaning: 'More than 32 levels.' },
  'der-too-long': { status: 400, title: 'Too long', meaning: 'The DER is longer than the parser reads.' },
  'der-too-many-elements': { status: 400, title: 'Too many elements', meaning: 'More elements than the parser reads.' },
  'public-key-invalid': {
    status: 400,
    title: 'The public key is not valid',
    meaning: 'A point off its curve, an even modulus, a wrong length.',
  },
  'possession-not-proven': {
    status: 400,
    title: 'Possession of the private key is not proven',
    meaning: "The request's signature does not verify under its own public key (RFC 2986, section 4.2).",
  },
  'name-malformed': {
    status: 400,
    title: 'A name is malformed',
    meaning: 'A name in the request is not encoded as its type demands.',
  },
};

const service = {
  'request-malformed': {
    status: 400,
    title: 'The HTTP request is malformed',
    meaning: 'A missing or unreadable parameter, header or JSON body.',
  },
  'credential-missing': {
    status: 401,
    title: 'No credential',
    meaning: 'Send Authorization: Bearer with an enrolment credential (sw_e_…) or an operator token (sw_o_…).',
  },
  'credential-invalid': { status: 401, title: 'The credential is not valid', meaning: 'Unknown, revoked or expired.' },
  'profile-not-allowed': {
    status: 403,
    title: 'The credential does not reach this profile',
    meaning: 'Ask for a credential whose profiles include it.',
  },
  'role-missing': {
    status: 403,
    title: 'The token lacks the role',
    meaning: 'This call needs an operator token with the role named in the answer.',
  },
  'second-operator-needed': {
    status: 403,
    title: 'Another operator has to do this',
    meaning: 'Who froze a CA does not unfreeze it: a second operator with the role hierarchy:apply does.',
  },
  'not-found': { status: 404, title: 'Not found', meaning: 'No such resource, or not one that this caller may see.' },
  'profile-unknown': { status: 404, title: 'No such profile', meaning: 'The hierarchy has no profile of this name.' },
  'method-not-allowed': {
    status: 405,
    title: 'Method not allowed',
    meaning: 'The resource exists; it does not answer this method.',
  },
  'orphan-settled': {
    status: 409,
    title: 'The issuance is no orphan',
    meaning: 'Its outcome is known, or somebody settled it meanwhile.',
  },
  'settlement-refused': {
    status: 409,
    title: 'The orphan stays as it is',
    meaning: 'The certificate is not what was intended, or its absence cannot be proven yet. The detail says which.',
  },
  'certificate-revoked': {
    status: 410,
    title: 'The certificate is revoked',
    meaning: 'It is handed out no more. Post a new request.',
  },
  'body-too-large': { status: 413, title: 'The body is too large', meaning: 'A body has at most 65,536 bytes.' },
  'csr-too-large': {
    status: 413,
    title: 'The request is too large',
    meaning: 'A certification request has at most 32,768 bytes as PEM.',
  },
  'media-type-not-supported': {
    status: 415,
    title: 'Media type not supported',
    meaning:
      'Send application/pkcs10, application/x-pem-file, text/plain, application/octet-stream or application/json.',
  },
  'reason-not-allowed': {
    status: 422,
    title: 'The reason does not revoke for good',
    meaning: 'certificateHold and removeFromCRL can be taken back elsewhere; a revocation here cannot.',
  },
  'policy-refused': { status: 422, title: 'Refused by policy', meaning: 'Every reason is in violations.' },
  'too-many-requests': { status: 429, title: 'Too many requests', meaning: 'Wait as long as Retry-After says.' },
  internal: {
    status: 500,
    title: 'Internal error',
    meaning: 'Our fault. The request can be repeated; its id in the answer finds the entry in the log.',
  },
  'issuance-failed': {
    status: 500,
    title: 'The certificate could not be issued',
    meaning: 'The CA refused, or a lint stopped it. The same POST starts anew.',
  },
  'issuance-misissued': {
    status: 500,
    title: 'The certificate was withheld',
    meaning: 'What came back from the CA was not what was asked for. Operators are alarmed. The same POST starts anew.',
  },
  'issuance-lapsed': {
    status: 503,
    title: 'The request lapsed',
    meaning: 'It stayed unsigned past half its lifetime. The same POST starts anew.',
  },
  'backend-unavailable': {
    status: 503,
    title: 'The CA is not available',
    meaning: 'The key of the CA behind this profile cannot be used now. Wait as long as Retry-After says.',
  },
  'queue-too-deep': {
    status: 503,
    title: 'Too much is waiting',
    meaning: 'Nothing was accepted. Wait as long as Retry-After says.',
  },
  'storage-unavailable': {
    status: 503,
    title: 'The ledger cannot be written',
    meaning: 'Nothing was accepted. Wait as long as Retry-After says.',
  },
  'took-too-long': {
    status: 503,
    title: 'The request ran out of time',
    meaning: 'It may have taken effect. Send the same request again: the same POST is the same issuance.',
  },
} as const satisfies Readonly<Record<string, ErrorDescription>>;

export type ServiceErrorCode = keyof typeof service;
/** Every `code` of a problem document. Closed: a new one is added here, and docs/error-codes.md is generated from it. */
export type ErrorCode = ServiceErrorCode | MalformedCode;

export const errorDescriptions: Readonly<Record<ErrorCode, ErrorDescription>> = { ...malformed, ...service };

/** Every `code` inside `violations[]`, with what it means to a person. */
export const violationMeanings: Readonly<Record<PolicyViolationCode, string>> = {
  'key-too-small': 'An RSA modulus below 2048 bits.',
  'key-too-large': 'An RSA modulus above 4096 bits, or a public exponent beyond 64 bits.',
  'rsa-exponent-too-small': 'A public exponent below 65537.',
  'rsa-roca': 'The modulus has the structure of CVE-2017-15361: the private key can be computed from it.',
  'ec-explicit-parameters': 'Curve parameters written out instead of a named curve.',
  'ec-point-compressed': 'A compressed public point.',
  'key-type-not-allowed': 'A key type or curve that the profile does not list.',
  'signature-algorithm-not-allowed': 'The request is signed with MD5, SHA-1, SHA-224 or an unknown algorithm.',
  'challenge-password':
    'The request carries a challengePassword. It would reach logs: generate the request without it.',
  'names-missing': 'No subjectAltName of a kind that the profile allows. A common name alone names nobody.',
  'names-too-many': 'More names than the profile allows.',
  'name-kind-not-allowed': 'A kind of name that the profile does not allow.',
  'name-malformed': 'A name that is not of the syntax of its kind.',
  'name-duplicate': 'The same name twice.',
  'name-out-of-scope': "A name outside the credential's scope.",
  'name-outside-constraints': 'A name outside the name constraints of the issuing CA or a CA above it.',
  'wildcard-not-allowed': 'A wildcard name where the profile allows none.',
  'spiffe-id-invalid': 'A URI that is no SPIFFE id.',
  'spiffe-trust-domain': "A SPIFFE id outside the profile's trust domain.",
  'spiffe-id-count': 'Not exactly as many SPIFFE ids as the profile asks for.',
  'ca-requested': 'The request asks for a CA certificate.',
  'key-usage-not-allowed': 'The request asks for a key usage that the profile does not give.',
  'extended-key-usage-not-allowed': 'The request asks for an extended key usage that the profile does not give.',
  'extension-not-allowed': 'The request asks for an extension that the profile neither gives nor drops.',
  'profile-not-in-scope': "The profile is outside the credential's scope.",
  'name-held':
    'The name is held for another owner or another key. An operator can release it: sealwright name release NAME.',
  'key-of-another-owner': 'The key belongs to another owner.',
  'key-compromised': 'The key was revoked for compromise and is refused for ever.',
  'outlives-issuer': 'The certificate would outlive its issuer.',
  'credential-revoked': 'The credential was revoked.',
  'credential-expired': 'The credential has expired.',
  'credential-count-used-up': 'The credential has issued as many certificates as it may.',
};

/**
 * An error with a stable code, thrown where the world or the caller is at fault. `message` goes to the log; a client
 * sees the code's title and `clientDetail` only.
 */
export class SealwrightError extends Error {
  readonly code: ErrorCode;
  /** Fixed prose, or prose with values of our own; never bytes of the caller's that were not made printable. */
  readonly clientDetail: string | undefined;
  readonly violations: readonly PolicyViolation[];
  readonly retryAfterMs: number | undefined;

  constructor(
    code: ErrorCode,
    options: {
      readonly message?: string;
      readonly clientDetail?: string;
      readonly violations?: readonly PolicyViolation[];
      readonly retryAfterMs?: number;
      readonly cause?: unknown;
    } = {},
  ) {
    super(
      options.message ?? errorDescriptions[code].title,
      options.cause === undefined ? undefined : { cause: options.cause },
    );
    this.name = 'SealwrightError';
    this.code = code;
    this.clientDetail = options.clientDetail;
    this.violations = options.violations ?? [];
    this.retryAfterMs = options.retryAfterMs;
  }
}

/** Ends a switch over a closed union; the type checker refuses the call when a case is missing. */
export function assertNever(value: never): never {
  throw new Error(`unreachable: ${JSON.stringify(value)}`);
}
