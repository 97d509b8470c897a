import {
  ChangeMessageVisibilityBatchCommand,
  DeleteMessageBatchCommand,
  GetQueueAttributesCommand,
  type Message,
  ReceiveMessageCommand,
  SendMessageBatchCommand,
  type SQSClient,
} from '@aws-sdk/client-sqs';
import type { Clock, QueueConsumer, QueueMessage, WorkQueue } from '../../issuance/ports.ts';
import { sendInBatches } from './batches.ts';
import { type CallOptions, callSqs, defaultCallOptions } from './calls.ts';
import { QueueError } from './queue-error.ts';

/** The largest batch of an event source mapping (AWS Lambda, BatchSize). */
const batchCountMax = 10_000;
const bodyBytesMax = 1_024;
/** Bounds of SQS: visibility timeout 12 hours, DelaySeconds 900, WaitTimeSeconds 20, ten messages a ReceiveMessage. */
const visibilityMsMax = 12 * 3_600_000;
const sendDelayMsMax = 900_000;
const waitMsMaxMax = 20_000;
const receiveCountMax = 10;
/** ReceiveMessage calls under way at once for one large batch. */
const receiversMax = 8;

export interface SqsQueueOptions {
  readonly client: SQSClient;
  readonly queueUrl: string;
  readonly clock: Clock;
  readonly calls?: Partial<CallOptions>;
}

/**
 * A standard queue of SQS. Times are its own: whole seconds, rounded up. What SQS does not tell or keep is left out: the age
 * of the oldest message (CloudWatch has ApproximateAgeOfOldestMessage), how many were acknowledged, the last error of a
 * message. Throws `QueueError`, and RangeError for what is out of bounds.
 */
export function createSqsQueue(options: SqsQueueOptions): WorkQueue & QueueConsumer {
  const { client, queueUrl: QueueUrl, clock } = options;
  const calls = { ...defaultCallOptions, ...options.calls };

  async function receiveOnce(countMax: number, visibilitySeconds: number, waitSeconds: number) {
    const command = new ReceiveMessageCommand({
      QueueUrl,
      MaxNumberOfMessages: Math.min(countMax, receiveCountMax),
      VisibilityTimeout: visibilitySeconds,
      WaitTimeSeconds: waitSeconds,
      MessageSystemAttributeNames: ['ApproximateReceiveCount', 'SentTimestamp'],
    });
    const { Messages = [] } = await callSqs(
      calls,
      (abortSignal) => client.send(command, { abortSignal }),
      waitSeconds * 1000,
    );
    // SQS began to count before its answer came: by its clock the receipt ends no later than by this.
    const validUntil = clock() + visibilitySeconds * 1000;
    return Messages.map((message) => messageOf(message, validUntil));
  }

  /** What is there now, up to `countMax`, ten to a call, until a round brings less than it could. */
  async function receiveMore(countMax: number, visibilitySeconds: number): Promise<readonly QueueMessage[]> {
    const taken: QueueMessage[] = [];
    while (taken.length < countMax) {
      const left = countMax - taken.length;
      const receivers = Math.min(receiversMax, Math.ceil(left / receiveCountMax));
      const round = await Promise.allSettled(
        Array.from({ length: receivers }, (_, n) => receiveOnce(left - n * receiveCountMax, visibilitySeconds, 0)),
      );
      const more = round.flatMap((one) => (one.status === 'fulfilled' ? one.value : []));
      taken.push(...more);
      // What is received is hidden from all others, so it is handed over, whatever became of the calls beside it.
      if (more.length === 0 || round.some(({ status }) => status === 'rejected')) break;
    }
    return taken;
  }

  return {
    async send(bodies, delayMs = 0) {
      check(delayMs >= 0 && delayMs <= sendDelayMsMax, `delayMs ${delayMs}`);
      check(bodies.length <= batchCountMax, `${bodies.length} messages in one call`);
      for (const body of bodies) {
        const bytes = Buffer.byteLength(body);
        check(bytes >= 1 && bytes <= bodyBytesMax, `a message of ${bytes} bytes`);
      }
      await sendBodies(client, calls, QueueUrl, bodies, Math.ceil(delayMs / 1000));
    },
    async depth() {
      const command = new GetQueueAttributesCommand({
        QueueUrl,
        AttributeNames: [
          'ApproximateNumberOfMessages',
          'ApproximateNumberOfMessagesNotVisible',
          'ApproximateNumberOfMessagesDelayed',
        ],
      });
      const { Attributes = {} } = await callSqs(calls, (abortSignal) => client.send(command, { abortSignal }));
      return {
        visible: countOf(Attributes.ApproximateNumberOfMessages),
        inFlight:
          countOf(Attributes.ApproximateNumberOfMessagesNotVisible) +
          countOf(Attributes.ApproximateNumberOfMessagesDelayed),
      };
    },
    async receive({ countMax, visibilityMs, waitMsMax }) {
      check(Number.isInteger(countMax) && countMax >= 1 && countMax <= batchCountMax, `countMax ${countMax}`);
      check(visibilityMs >= 1 && visibilityMs <= visibilityMsMax, `visibilityMs ${visibilityMs}`);
      check(waitMsMax >= 0 && waitMsMax <= waitMsMaxMax, `waitMsMax ${waitMsMax}`);
      const visibilitySeconds = Math.ceil(visibilityMs / 1000);
      const waitSeconds = Math.floor(waitMsMax / 1000);
      let first = await receiveOnce(countMax, visibilitySeconds, waitSeconds);
      if (first.length === 0 && waitSeconds === 0 && waitMsMax > 0) {
        // SQS waits whole seconds. A wait of less is two looks, so that who polls in a loop does not spin.
        await calls.sleep(waitMsMax);
        first = await receiveOnce(countMax, visibilitySeconds, 0);
      }
      if (first.length < Math.min(countMax, receiveCountMax)) return first;
      return [...first, ...(await receiveMore(countMax - first.length, visibilitySeconds))];
    },
    async acknowledge(receipts) {
      const handles = validHandles(receipts, clock());
      const refused = await sendInBatches(calls, handles, {
        bytesOf: Buffer.byteLength,
        isFinal: isStaleReceipt,
        send: (batch, abortSignal) => {
          const Entries = batch.map((ReceiptHandle, index) => ({ Id: String(index), ReceiptHandle }));
          return client.send(new DeleteMessageBatchCommand({ QueueUrl, Entries }), { abortSignal });
        },
      });
      throwOthers(refused);
    },
    async release(receipts, delayMs) {
      check(delayMs >= 0 && delayMs <= visibilityMsMax, `delayMs ${delayMs}`);
      await releaseHandles(client, calls, QueueUrl, validHandles(receipts, clock()), Math.ceil(delayMs / 1000));
    },
  };
}

/** Whatever their bytes: a dead letter goes back as it came. */
export async function sendBodies(
  client: SQSClient,
  calls: CallOptions,
  QueueUrl: string,
  bodies: readonly string[],
  delaySeconds: number,
): Promise<void> {
  const [refused] = await sendInBatches(calls, bodies, {
    bytesOf: Buffer.byteLength,
    send: (batch, abortSignal) => {
      const Entries = batch.map((MessageBody, index) => ({
        Id: String(index),
        MessageBody,
        DelaySeconds: delaySeconds,
      }));
      return client.send(new SendMessageBatchCommand({ QueueUrl, Entries }), { abortSignal });
    },
  });
  if (refused !== undefined) throw new QueueError('queue-refused', `SQS: ${refused.code}: ${refused.message}`);
}

/** Makes what was received with these handles visible after `delaySeconds`. */
export async function releaseHandles(
  client: SQSClient,
  calls: CallOptions,
  QueueUrl: string,
  handles: readonly string[],
  delaySeconds: number,
): Promise<void> {
  const refused = await sendInBatches(calls, handles, {
    bytesOf: Buffer.byteLength,
    isFinal: isStaleReceipt,
    send: (batch, abortSignal) => {
      const Entries = batch.map((ReceiptHandle, index) => ({
        Id: String(index),
        ReceiptHandle,
        VisibilityTimeout: delaySeconds,
      }));
      return client.send(new ChangeMessageVisibilityBatchCommand({ QueueUrl, Entries }), { abortSignal });
    },
  });
  throwOthers(refused);
}

/** What SQS says of a receipt that stands for nothing any more: deleted, or no longer in flight. */
const staleReceipts: ReadonlySet<string> = new Set([
  'ReceiptHandleIsInvalid',
  'MessageNotInflight',
  'InvalidParameterValue',
  'InvalidParameterValueException',
]);

function isStaleReceipt(code: string): boolean {
  return staleReceipts.has(code.slice(code.lastIndexOf('.') + 1));
}

function throwOthers(refused: readonly { readonly code: string; readonly message: string }[]): void {
  const other = refused.find(({ code }) => !isStaleReceipt(code));
  if (other !== undefined) throw new QueueError('queue-refused', `SQS: ${other.code}: ${other.message}`);
}

function check(condition: boolean, what: string): void {
  if (!condition) throw new RangeError(`out of bounds: ${what}`);
}

function countOf(text: string | undefined): number {
  const count = Number(text ?? '');
  return Number.isSafeInteger(count) && count >= 0 ? count : 0;
}

/**
 * A receipt says until when it is good, and is not used after: SQS may well delete a message by the receipt of an earlier
 * delivery, while somebody else works on it.
 */
function messageOf({ MessageId, Body, ReceiptHandle, Attributes }: Message, validUntil: number): QueueMessage {
  return {
    messageId: MessageId ?? '',
    body: Body ?? '',
    receiveCount: countOf(Attributes?.ApproximateReceiveCount),
    sentAt: countOf(Attributes?.SentTimestamp),
    receipt: `${validUntil}.${ReceiptHandle ?? ''}`,
  };
}

/** The handles of the receipts that are ours and good at `at`, each once. */
function validHandles(receipts: readonly string[], at: number): readonly string[] {
  check(receipts.length <= batchCountMax, `${receipts.length} receipts in one call`);
  const handles = new Set<string>();
  for (const receipt of receipts) {
    const match = /^([0-9]{1,16})\.(.+)$/s.exec(receipt);
    if (match !== null && Number(match[1]) > at) handles.add(match[2]!);
  }
  return [...handles];
}
