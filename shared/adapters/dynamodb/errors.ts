/** What DynamoDB's errors mean to a caller. The SDK has spent its attempts when one arrives here. */
import type { Item } from './items.ts';

/** Codes the front and the alarms know of any ledger. */
export type DynamoErrorCode =
  /** The call failed below us. Whether a write took effect is unknown: read again. */
  | 'storage-failed'
  /** Throttled, or in conflict with others, for longer than our patience. Nothing of it was written. */
  | 'ledger-overloaded';

export class DynamoError extends Error {
  readonly code: DynamoErrorCode;

  constructor(code: DynamoErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'DynamoError';
    this.code = code;
  }
}

/** Why one action of a cancelled transaction did not pass (CancellationReason.Code of the API reference). */
export type CancellationCode =
  | 'none'
  | 'condition'
  | 'conflict'
  | 'throttled'
  /** ItemCollectionSizeLimitExceeded, ValidationError, or a code that is not known: repeating it changes nothing. */
  | 'refused';

export interface Cancellation {
  readonly code: CancellationCode;
  readonly message: string;
  /** The item that failed the condition, where it was asked for. */
  readonly item?: Item;
}

export type Failure =
  /** The condition of a single write does not hold; `item` as above. */
  | { readonly kind: 'condition'; readonly item?: Item }
  | { readonly kind: 'cancelled'; readonly reasons: readonly Cancellation[] }
  | { readonly kind: 'conflict' }
  | { readonly kind: 'throttled' }
  /** No answer, or an answer of the service's own failure: a write may have taken effect, now or a moment later. */
  | { readonly kind: 'unknown' }
  /** A request that can never pass: our mistake, a missing table, a missing permission. */
  | { readonly kind: 'refused' };

const throttles: ReadonlySet<string> = new Set([
  'ProvisionedThroughputExceededException',
  'ThrottlingException',
  'RequestLimitExceeded',
  'LimitExceededException',
  'TooManyRequestsException',
]);

const conflicts: ReadonlySet<string> = new Set([
  'TransactionConflictException',
  // The same client token is under way, of an attempt whose answer was lost.
  'TransactionInProgressException',
  'ReplicatedWriteConflictException',
]);

const cancellationCodes: Readonly<Record<string, CancellationCode>> = {
  None: 'none',
  ConditionalCheckFailed: 'condition',
  TransactionConflict: 'conflict',
  ProvisionedThroughputExceeded: 'throttled',
  ThrottlingError: 'throttled',
};

interface ServiceError {
  readonly name?: unknown;
  readonly $fault?: unknown;
  readonly $metadata?: { readonly httpStatusCode?: number };
  readonly Item?: Item;
  readonly CancellationReasons?: readonly {
    readonly Code?: string;
    readonly Message?: string;
    readonly Item?: Item;
  }[];
}

/** What an error of the SDK means. An error that is none of the SDK's is `unknown`, as a broken connection is. */
export function failureOf(error: unknown): Failure {
  const { name, $fault, $metadata, Item: item, CancellationReasons: reasons } = (error ?? {}) as ServiceError;
  const code = typeof name === 'string' ? name : '';
  if (code === 'ConditionalCheckFailedException') return { kind: 'condition', ...(item === undefined ? {} : { item }) };
  if (code === 'TransactionCanceledException' && reasons !== undefined) {
    return { kind: 'cancelled', reasons: reasons.map(cancellationOf) };
  }
  if (conflicts.has(code)) return { kind: 'conflict' };
  if (throttles.has(code)) return { kind: 'throttled' };
  const status = $metadata?.httpStatusCode ?? 0;
  // A 4xx without a name that asks for patience is ours: validation, access, a table that is not there.
  return { kind: $fault === 'client' && status >= 400 && status < 500 ? 'refused' : 'unknown' };
}

function cancellationOf(reason: NonNullable<ServiceError['CancellationReasons']>[number]): Cancellation {
  return {
    code: cancellationCodes[reason.Code ?? 'None'] ?? 'refused',
    message: reason.Message ?? '',
    ...(reason.Item === undefined ? {} : { item: reason.Item }),
  };
}
