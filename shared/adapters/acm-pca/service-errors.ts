/**
 * What an error of ACM PCA means for an issuance: the one place that knows the names. ThrottlingException,
 * AccessDeniedException and ValidationException are not in the service model, so that errors are told apart by `name` alone.
 */

/** The rules for one kind of error. docs/acm-pca-errors.md is generated from them. */
export interface ErrorRule {
  /** What the error says, and why the rules are as they are. */
  readonly meaning: string;
  /** Stable; goes into the ledger as the code of the attempt. */
  readonly code: string;
  /** IssueCertificate. `retry` uses the stored intent and its token again, later. */
  readonly submit: 'retry' | 'refused' | 'unavailable';
  /** GetCertificate. A certificate may exist as long as nothing says that it does not: what is not known is `pending`. */
  readonly collect: 'pending' | 'failed' | 'pending-then-failed';
  /** Calls that build a hierarchy: tried again, within bounds, or an end. */
  readonly provision: 'again' | 'end';
  /** The same call may be tried again inside one `submit` or `collect`. */
  readonly againNow: boolean;
  readonly throttled?: true;
  readonly retryAfterMs: number;
}

const soonMs = 1_000;
const laterMs = 5_000;
/** An operator has to do something first. */
const longMs = 60_000;

/** The table. The key is `error.name`. */
const table = {
  ThrottlingException: {
    meaning:
      'Over the quota of the account. Nothing took effect: the same call goes out again under the pacing budget, which slows down. Never a reason to issue anew.',
    code: 'pca-throttled',
    submit: 'retry',
    collect: 'pending',
    provision: 'again',
    againNow: true,
    throttled: true,
    retryAfterMs: soonMs,
  },
  RequestInProgressException: {
    meaning: 'The certificate is not there yet: the ordinary answer to an early GetCertificate.',
    code: 'pca-in-progress',
    submit: 'retry',
    collect: 'pending',
    provision: 'again',
    againNow: true,
    retryAfterMs: soonMs,
  },
  RequestFailedException: {
    meaning: 'The asynchronous half of IssueCertificate failed for good: there will be no certificate behind this ARN.',
    code: 'pca-request-failed',
    submit: 'refused',
    collect: 'failed',
    provision: 'end',
    againNow: false,
    retryAfterMs: 0,
  },
  LimitExceededException: {
    meaning:
      'A quota of the account or the CA (certificates of one CA in its life). Nothing of the request is wrong; this CA is full.',
    code: 'pca-limit-exceeded',
    submit: 'unavailable',
    collect: 'pending',
    provision: 'end',
    againNow: false,
    retryAfterMs: longMs,
  },
  InvalidStateException: {
    meaning: 'The CA is disabled, expired, deleted or without a certificate: it stands still, its messages wait.',
    code: 'pca-invalid-state',
    submit: 'unavailable',
    collect: 'pending',
    provision: 'end',
    againNow: false,
    retryAfterMs: longMs,
  },
  MalformedCSRException: {
    meaning: 'The CA does not take this CSR, now or later.',
    code: 'pca-malformed-csr',
    submit: 'refused',
    collect: 'failed',
    provision: 'end',
    againNow: false,
    retryAfterMs: 0,
  },
  ValidationException: {
    meaning:
      "A parameter breaks the model's constraints, or notAfter passes the CA's: the stored intent can never be signed.",
    code: 'pca-validation',
    submit: 'refused',
    collect: 'failed',
    provision: 'end',
    againNow: false,
    retryAfterMs: 0,
  },
  InvalidArgsException: {
    meaning:
      'An argument that the CA never takes, such as a template it does not know: the stored intent can never be signed.',
    code: 'pca-invalid-args',
    submit: 'refused',
    collect: 'failed',
    provision: 'end',
    againNow: false,
    retryAfterMs: 0,
  },
  InvalidArnException: {
    meaning: "To submit, it is the CA's ARN that is wrong: configuration. To collect, the ticket is no ARN of this CA.",
    code: 'pca-invalid-arn',
    submit: 'unavailable',
    collect: 'failed',
    provision: 'end',
    againNow: false,
    retryAfterMs: longMs,
  },
  ResourceNotFoundException: {
    meaning:
      'To submit, the CA is gone. To collect, the certificate is not there: reads may lag behind IssueCertificate, so that it is a failure only when it stays so through all polls of one collect.',
    code: 'pca-not-found',
    submit: 'unavailable',
    collect: 'pending-then-failed',
    provision: 'end',
    againNow: false,
    retryAfterMs: longMs,
  },
  AccessDeniedException: {
    meaning: 'The role lacks the action, or a template condition of its policy bars it. The issuance is not at fault.',
    code: 'pca-access-denied',
    submit: 'unavailable',
    collect: 'pending',
    provision: 'end',
    againNow: false,
    retryAfterMs: longMs,
  },
  ConcurrentModificationException: {
    meaning: 'Two writers on one CA (ImportCertificateAuthorityCertificate).',
    code: 'pca-concurrent-modification',
    submit: 'retry',
    collect: 'pending',
    provision: 'again',
    againNow: false,
    retryAfterMs: soonMs,
  },
} as const satisfies Readonly<Record<string, ErrorRule>>;

const notAuthenticated: ErrorRule = {
  meaning: "The client's credentials, its clock or its signature: all calls fail alike until somebody mends it.",
  code: 'pca-not-authenticated',
  submit: 'unavailable',
  collect: 'pending',
  provision: 'end',
  againNow: false,
  retryAfterMs: longMs,
};

const outcomeUnknown: ErrorRule = {
  meaning:
    'No answer, or a 5xx: it may have taken effect. The same token within its window makes a repetition harmless.',
  code: 'pca-outcome-unknown',
  submit: 'retry',
  collect: 'pending',
  provision: 'again',
  againNow: true,
  retryAfterMs: laterMs,
};

const notKnown: ErrorRule = {
  meaning: 'An error that this table does not know: nothing is concluded from it.',
  code: 'pca-error-not-known',
  submit: 'retry',
  collect: 'pending',
  provision: 'end',
  againNow: false,
  retryAfterMs: longMs,
};

/** Every rule, by what it is for: an error's name, or a description. */
export const errorRules: readonly (readonly [error: string, rule: ErrorRule])[] = [
  ...Object.entries(table).map(([name, rule]) => [`\`${name}\``, rule] as const),
  ['credentials or signature refused (401, 403, by name)', notAuthenticated],
  ['no answer, an unreadable one, or a status of 500 and more', outcomeUnknown],
  ['any other error', notKnown],
];

/** Names that AWS services give to throttling. */
const throttlingNames: ReadonlySet<string> = new Set([
  'Throttling',
  'ThrottledException',
  'TooManyRequestsException',
  'RequestLimitExceeded',
  'RequestThrottled',
  'RequestThrottledException',
  'SlowDown',
]);

const authenticationNames: ReadonlySet<string> = new Set([
  'AccessDenied',
  'CredentialsProviderError',
  'ExpiredToken',
  'ExpiredTokenException',
  'IncompleteSignature',
  'InvalidClientTokenId',
  'InvalidSignatureException',
  'MissingAuthenticationToken',
  'MissingAuthenticationTokenException',
  'NotAuthorized',
  'OptInRequired',
  'RequestExpired',
  'SignatureDoesNotMatch',
  'UnrecognizedClientException',
]);

interface ServiceErrorFields {
  readonly name: string;
  readonly message: string;
  readonly status: number | undefined;
  readonly requestId: string | undefined;
}

function fieldsOf(error: unknown): ServiceErrorFields {
  if (!(error instanceof Error)) {
    return { name: 'unknown', message: 'a value that is no Error was thrown', status: undefined, requestId: undefined };
  }
  const metadata = (error as { $metadata?: { httpStatusCode?: number; requestId?: string } }).$metadata;
  return {
    name: error.name,
    message: error.message,
    status: metadata?.httpStatusCode,
    requestId: metadata?.requestId,
  };
}

/** The rule for an error that a call of the SDK's client was rejected with. */
export function ruleFor(error: unknown): ErrorRule {
  const { name, status } = fieldsOf(error);
  if (Object.hasOwn(table, name)) return table[name as keyof typeof table];
  if (throttlingNames.has(name) || status === 429) return table.ThrottlingException;
  if (authenticationNames.has(name) || status === 401 || status === 403) return notAuthenticated;
  // Without a status there was no answer: connection refused or reset, a time-out, an aborted call, an unreadable body.
  if (status === undefined || status >= 500 || status < 300) return outcomeUnknown;
  return notKnown;
}

const messageCharactersMax = 400;

/** For the operator: the service's name of the error, its words (bounded), and the request id that AWS support asks for. */
export function describeError(error: unknown): string {
  const { name, message, requestId } = fieldsOf(error);
  const text = `${name}: ${message.slice(0, messageCharactersMax)}`;
  return requestId === undefined ? text : `${text} (request ${requestId})`;
}
