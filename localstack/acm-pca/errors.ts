/**
 * Errors of the wire protocol. `code` is what the SDK shows as `error.name`. Modelled ones are listed in the service model of
 * ACM PCA (2017-08-22); ValidationException, ThrottlingException, AccessDeniedException, UnknownOperationException and those of authentication come from the common
 * front of AWS services and are not modelled.
 */

/** Names of all errors that this endpoint can answer, some of them only because a switch asks for it. */
export const awsErrorCodes = [
  'AccessDeniedException',
  'CertificateMismatchException',
  'ConcurrentModificationException',
  'InternalFailure',
  'InvalidArgsException',
  'InvalidArnException',
  'InvalidNextTokenException',
  'InvalidPolicyException',
  'InvalidRequestException',
  'InvalidStateException',
  'InvalidTagException',
  'LimitExceededException',
  'MalformedCSRException',
  'MalformedCertificateException',
  'MissingAuthenticationTokenException',
  'PermissionAlreadyExistsException',
  'RequestAlreadyProcessedException',
  'RequestEntityTooLargeException',
  'RequestFailedException',
  'RequestInProgressException',
  'ResourceNotFoundException',
  'SerializationException',
  'ServiceUnavailableException',
  'ThrottlingException',
  'TooManyTagsException',
  'UnknownOperationException',
  'ValidationException',
] as const;

export type AwsErrorCode = (typeof awsErrorCodes)[number];

const statusOf: Partial<Record<AwsErrorCode, number>> = {
  InternalFailure: 500,
  MissingAuthenticationTokenException: 403,
  RequestEntityTooLargeException: 413,
  ServiceUnavailableException: 503,
};

/** An answer other than success: HTTP 400 unless its code has another status. `message` is for people. */
export class AwsError extends Error {
  readonly code: AwsErrorCode;
  readonly status: number;

  constructor(code: AwsErrorCode, message: string) {
    super(message);
    this.name = code;
    this.code = code;
    this.status = statusOf[code] ?? 400;
  }
}

/** Throws an AwsError; `never`, so that a check reads as one line. */
export function refuse(code: AwsErrorCode, message: string): never {
  throw new AwsError(code, message);
}
