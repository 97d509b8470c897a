/** What a queue on SQS throws when the world is at fault. `cause` has the SDK's own error. */
export type QueueErrorCode =
  /** Over a rate or a count of SQS, for longer than was worth waiting. */
  | 'queue-throttled'
  /** No answer, or one that says that SQS is at fault. What was asked may have taken effect. */
  | 'queue-unavailable'
  /** There is no such queue, or none that these credentials may know of. */
  | 'queue-missing'
  | 'queue-denied'
  /** SQS will never take this: a mistake of ours. */
  | 'queue-refused';

export class QueueError extends Error {
  readonly code: QueueErrorCode;

  constructor(code: QueueErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'QueueError';
    this.code = code;
  }
}

/** How SQS says: too much (its error reference, and the throttling of AWS's front). OverLimit: 120,000 messages in flight. */
const throttles: ReadonlySet<string> = new Set([
  'RequestThrottled',
  'ThrottlingException',
  'Throttling',
  'ThrottledException',
  'RequestLimitExceeded',
  'TooManyRequestsException',
  'OverLimit',
  'KmsThrottled',
]);
const missing: ReadonlySet<string> = new Set(['QueueDoesNotExist', 'NonExistentQueue', 'QueueDeletedRecently']);
const denied: ReadonlySet<string> = new Set([
  'AccessDenied',
  'AccessDeniedException',
  'KmsAccessDenied',
  'InvalidClientTokenId',
  'UnrecognizedClientException',
  'SignatureDoesNotMatch',
  'ExpiredToken',
  'InvalidSecurity',
]);

/** `AWS.SimpleQueueService.NonExistentQueue` and `com.amazonaws.sqs#QueueDoesNotExist` are one name each to us. */
function bareName(name: string): string {
  return name.slice(Math.max(name.lastIndexOf('.'), name.lastIndexOf('#')) + 1);
}

/** True for the code of an error or of an entry that says: too much, try again. */
export function isThrottle(code: string): boolean {
  return throttles.has(bareName(code));
}

/** What an error of a call means. */
export function queueErrorOf(error: unknown): QueueError {
  if (error instanceof QueueError) return error;
  const { name = '', message = '' } = error instanceof Error ? error : {};
  const status = (error as { readonly $metadata?: { readonly httpStatusCode?: number } } | null)?.$metadata
    ?.httpStatusCode;
  const bare = bareName(name);
  const make = (code: QueueErrorCode) => new QueueError(code, `SQS: ${bare}: ${message}`, error);
  if (throttles.has(bare) || status === 429) return make('queue-throttled');
  if (missing.has(bare)) return make('queue-missing');
  if (denied.has(bare)) return make('queue-denied');
  // Without a status there was no answer.
  if (status === undefined || status >= 500) return make('queue-unavailable');
  return make('queue-refused');
}
