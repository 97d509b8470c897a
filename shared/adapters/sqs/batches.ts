/**
 * Batches of SQS. A batch is answered 200 with what became of each entry: `Successful`, `Failed`, and nothing else may be
 * concluded (https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html). An entry that
 * failed by no fault of ours, or of which the answer says nothing, goes out again, alone with others like it.
 */
import { backoffMs, type CallOptions, callSqs } from './calls.ts';
import { isThrottle, QueueError } from './queue-error.ts';

export interface BatchLimits {
  readonly entriesMax: number;
  /** Of all bodies and attributes of a batch. */
  readonly bytesMax: number;
}

/** Of SendMessageBatch, DeleteMessageBatch and ChangeMessageVisibilityBatch: 10 entries, 1 MiB. */
export const batchLimits: BatchLimits = { entriesMax: 10, bytesMax: 1_048_576 };
/** Batches under way at once for one call of a port. */
const concurrencyMax = 8;

interface Answer {
  readonly Successful?: readonly { readonly Id?: string | undefined }[] | undefined;
  readonly Failed?: readonly FailedEntry[] | undefined;
}

interface FailedEntry {
  readonly Id?: string | undefined;
  readonly SenderFault?: boolean | undefined;
  readonly Code?: string | undefined;
  readonly Message?: string | undefined;
}

export interface BatchCall<Entry> {
  /** As SQS counts them. */
  readonly bytesOf: (entry: Entry) => number;
  /** One call; `Id` of an entry is its place in `entries`. */
  readonly send: (entries: readonly Entry[], signal: AbortSignal) => Promise<Answer>;
  readonly limits?: BatchLimits;
  /** Codes that another attempt does not change, whoever is said to be at fault (LocalStack says that SQS is). */
  readonly isFinal?: (code: string) => boolean;
}

/** An entry that SQS will never take, and why. */
export interface RefusedEntry<Entry> {
  readonly entry: Entry;
  readonly code: string;
  readonly message: string;
}

interface BatchOutcome<Entry> {
  readonly refused: readonly RefusedEntry<Entry>[];
  readonly again: readonly RefusedEntry<Entry>[];
}

/** Cuts into batches within the limits, in order. An entry that is over by itself is a batch by itself, for SQS to refuse. */
export function batchesOf<Entry>(
  entries: readonly Entry[],
  bytesOf: (entry: Entry) => number,
  { entriesMax, bytesMax }: BatchLimits,
): readonly (readonly Entry[])[] {
  const batches: Entry[][] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const entry of entries) {
    const size = bytesOf(entry);
    const last = batches.at(-1);
    if (last === undefined || last.length >= entriesMax || bytes + size > bytesMax) {
      batches.push([entry]);
      bytes = size;
    } else {
      last.push(entry);
      bytes += size;
    }
  }
  return batches;
}

/**
 * Sends all entries. Answers those that were refused for good; throws `QueueError` when others are left after all attempts, or
 * a call failed as a whole: then some have taken effect, and some may have.
 */
export async function sendInBatches<Entry>(
  options: CallOptions,
  entries: readonly Entry[],
  call: BatchCall<Entry>,
): Promise<readonly RefusedEntry<Entry>[]> {
  const refused: RefusedEntry<Entry>[] = [];
  let left = entries;
  for (let attempt = 0; left.length > 0; attempt++) {
    if (attempt > 0) await options.sleep(backoffMs(attempt - 1, options.random));
    const again: RefusedEntry<Entry>[] = [];
    await inTurn(batchesOf(left, call.bytesOf, call.limits ?? batchLimits), async (batch) => {
      const outcome = await sendBatch(options, batch, call);
      refused.push(...outcome.refused);
      again.push(...outcome.again);
    });
    if (again.length > 0 && attempt + 1 >= options.attemptsMax) {
      const { code, message } = again[0]!;
      throw new QueueError(
        isThrottle(code) ? 'queue-throttled' : 'queue-unavailable',
        `SQS: ${again.length} of ${entries.length} entries failed, the first with ${code}: ${message}`,
      );
    }
    left = again.map(({ entry }) => entry);
  }
  return refused;
}

async function sendBatch<Entry>(
  options: CallOptions,
  batch: readonly Entry[],
  call: BatchCall<Entry>,
): Promise<BatchOutcome<Entry>> {
  let answer: Answer;
  try {
    answer = await callSqs(options, (signal) => call.send(batch, signal));
  } catch (cause) {
    if (!(cause instanceof QueueError) || cause.code !== 'queue-refused') throw cause;
    return refusedAsAWhole(options, batch, call, cause);
  }
  const succeeded = new Set((answer.Successful ?? []).map(({ Id }) => Id));
  const failures = new Map((answer.Failed ?? []).map((failed) => [failed.Id, failed]));
  const refused: RefusedEntry<Entry>[] = [];
  const again: RefusedEntry<Entry>[] = [];
  batch.forEach((entry, index) => {
    const failed = failures.get(String(index));
    if (failed === undefined && succeeded.has(String(index))) return;
    const { Code = 'NoAnswer', Message = 'the answer does not name it', SenderFault = false } = failed ?? {};
    const isForGood = (SenderFault && !isThrottle(Code)) || call.isFinal?.(Code) === true;
    (isForGood ? refused : again).push({ entry, code: Code, message: Message });
  });
  return { refused, again };
}

/** One entry can have SQS refuse the whole call (a character that it does not take): alone, it says which. */
async function refusedAsAWhole<Entry>(
  options: CallOptions,
  batch: readonly Entry[],
  call: BatchCall<Entry>,
  cause: QueueError,
): Promise<BatchOutcome<Entry>> {
  if (batch.length === 1) {
    const code = cause.cause instanceof Error ? cause.cause.name : cause.code;
    return { refused: [{ entry: batch[0]!, code, message: cause.message }], again: [] };
  }
  const outcomes: BatchOutcome<Entry>[] = [];
  for (const entry of batch) outcomes.push(await sendBatch(options, [entry], call));
  return { refused: outcomes.flatMap(({ refused }) => refused), again: outcomes.flatMap(({ again }) => again) };
}

/** A few at a time; the first failure ends it, after those under way. */
async function inTurn<T>(items: readonly T[], run: (item: T) => Promise<void>): Promise<void> {
  let next = 0;
  let stopped = false;
  const worker = async () => {
    while (!stopped && next < items.length) {
      try {
        await run(items[next++]!);
      } catch (cause) {
        stopped = true;
        throw cause;
      }
    }
  };
  const settled = await Promise.allSettled(Array.from({ length: Math.min(concurrencyMax, items.length) }, worker));
  const failed = settled.find((one) => one.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
}
