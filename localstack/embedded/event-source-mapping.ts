import { setTimeout as sleep } from 'node:timers/promises';
import type { SQSBatchResponse, SQSEvent, SQSRecord } from 'aws-lambda';
import type { BatchContext, Deferral } from '../../shared/adapters/aws-lambda/queue-batch.ts';
import type { QueueConsumer, QueueMessage } from '../../shared/issuance/ports.ts';
import type { EventSourceMapping } from './deployment.ts';

/**
 * Polls a queue and invokes a function with what it gives, as Lambda's event source mapping does: batch size and window,
 * partial failures (ReportBatchItemFailures), visibility timeout. A malformed answer or an error fails the whole batch.
 * It differs in two things: a failed message comes back after a delay that doubles with each delivery, up to the
 * visibility timeout, instead of always after the whole of it; and it keeps the code of its failure, which the function
 * tells through its context.
 */
export interface Poller {
  /** Stops receiving and waits for what is under way. */
  stop(): Promise<void>;
}

export type BatchHandler = (event: SQSEvent, context: unknown) => Promise<SQSBatchResponse>;

/** Also how long a stop may have to wait for an idle poller. */
const pollWaitMsMax = 1_000;
const firstRetryDelayMs = 1_000;
/** After a queue that cannot be read, so that a failing disk is not hammered. */
const errorPauseMs = 1_000;

export function startPoller(
  mapping: EventSourceMapping,
  queue: QueueConsumer,
  handler: BatchHandler,
  onError: (cause: unknown, mapping: EventSourceMapping) => void,
): Poller {
  let stopping = false;
  const stopped = new AbortController();

  async function run(): Promise<void> {
    while (!stopping) {
      try {
        await pollOnce(mapping, queue, handler, onError, pollWaitMsMax);
      } catch (cause) {
        onError(cause, mapping);
        await sleep(errorPauseMs, undefined, { signal: stopped.signal }).catch(() => undefined);
      }
    }
  }

  const loops = Array.from({ length: mapping.concurrencyMax }, run);
  return {
    async stop() {
      stopping = true;
      stopped.abort();
      await Promise.all(loops);
    },
  };
}

/** One batch: received, handed to the function, and settled by its answer. Answers how many messages it had. */
export async function pollOnce(
  mapping: EventSourceMapping,
  queue: QueueConsumer,
  handler: BatchHandler,
  onError: (cause: unknown, mapping: EventSourceMapping) => void,
  waitMsMax: number,
): Promise<number> {
  const messages = await receiveBatch(mapping, queue, waitMsMax);
  if (messages.length > 0) await deliver(mapping, queue, handler, messages, onError);
  return messages.length;
}

/** Waits for a first message; with a window, goes on until it closes or the batch is full. */
async function receiveBatch(
  mapping: EventSourceMapping,
  queue: QueueConsumer,
  waitMsMax: number,
): Promise<readonly QueueMessage[]> {
  const { batchSize, visibilityMs, windowMs } = mapping;
  const messages = [...(await queue.receive({ countMax: batchSize, visibilityMs, waitMsMax }))];
  const closes = performance.now() + windowMs;
  while (messages.length > 0 && messages.length < batchSize) {
    const left = closes - performance.now();
    if (left <= 0) break;
    const more = await queue.receive({
      countMax: batchSize - messages.length,
      visibilityMs,
      waitMsMax: Math.ceil(left),
    });
    messages.push(...more);
  }
  return messages;
}

async function deliver(
  mapping: EventSourceMapping,
  queue: QueueConsumer,
  handler: BatchHandler,
  messages: readonly QueueMessage[],
  onError: (cause: unknown, mapping: EventSourceMapping) => void,
): Promise<void> {
  const deferrals = new Map<string, Deferral>();
  const context: BatchContext & { readonly functionName: string } = {
    functionName: mapping.functionName,
    deferred: (messageId, deferral) => void deferrals.set(messageId, deferral),
  };
  let failed: ReadonlySet<string>;
  let otherwise = 'function-answer';
  try {
    const answer = await handler({ Records: messages.map((message) => toRecord(message, mapping)) }, context);
    failed = failedMessages(answer, messages);
  } catch (cause) {
    onError(cause, mapping);
    otherwise = 'function-failed';
    failed = new Set(messages.map(({ messageId }) => messageId));
  }
  const acknowledged = messages.filter(({ messageId }) => !failed.has(messageId)).map(({ receipt }) => receipt);
  if (acknowledged.length > 0) await queue.acknowledge(acknowledged);
  // Those that failed alike are released in one call: on SQS a call costs as much as a message.
  const alike = new Map<string, Release>();
  for (const { messageId, receipt, receiveCount } of messages) {
    if (!failed.has(messageId)) continue;
    const delayMs = retryDelayMs(receiveCount, mapping.visibilityMs);
    const code = deferrals.get(messageId)?.code ?? otherwise;
    const key = `${delayMs} ${code}`;
    const release = alike.get(key) ?? { delayMs, code, receipts: [] };
    release.receipts.push(receipt);
    alike.set(key, release);
  }
  for (const { delayMs, code, receipts } of alike.values()) await queue.release(receipts, delayMs, code);
}

interface Release {
  readonly delayMs: number;
  readonly code: string;
  readonly receipts: string[];
}

function retryDelayMs(receiveCount: number, visibilityMs: number): number {
  return Math.min(visibilityMs, firstRetryDelayMs * 2 ** Math.min(receiveCount - 1, 20));
}

/** The failed ids of an answer; every message of the batch when the answer is malformed or names one that was not in it. */
function failedMessages(answer: SQSBatchResponse, messages: readonly QueueMessage[]): ReadonlySet<string> {
  const known = new Set(messages.map(({ messageId }) => messageId));
  const items: unknown = answer?.batchItemFailures;
  if (!Array.isArray(items)) return known;
  const failed = new Set<string>();
  for (const item of items as readonly { readonly itemIdentifier?: unknown }[]) {
    if (typeof item?.itemIdentifier !== 'string' || !known.has(item.itemIdentifier)) return known;
    failed.add(item.itemIdentifier);
  }
  return failed;
}

function toRecord(message: QueueMessage, mapping: EventSourceMapping): SQSRecord {
  return {
    messageId: message.messageId,
    receiptHandle: message.receipt,
    body: message.body,
    attributes: {
      ApproximateReceiveCount: String(message.receiveCount),
      SentTimestamp: String(message.sentAt),
      SenderId: 'embedded',
      ApproximateFirstReceiveTimestamp: String(message.sentAt),
    },
    messageAttributes: {},
    md5OfBody: '',
    eventSource: 'aws:sqs',
    eventSourceARN: `arn:aws:sqs:local:000000000000:${mapping.queue}`,
    awsRegion: 'local',
  };
}
