import {
  DeleteMessageCommand,
  GetQueueAttributesCommand,
  type Message,
  ReceiveMessageCommand,
  type SQSClient,
} from '@aws-sdk/client-sqs';
import type { DeadLetter, DeadLetterStore } from '../../issuance/ports.ts';
import { type CallOptions, callSqs, defaultCallOptions } from './calls.ts';
import { releaseHandles, sendBodies } from './queue.ts';

/** A queue, and the one that takes what it gives up. */
export interface SqsDeadLetterQueue {
  /** The queue's `sealwright:queue` tag: what `DeadLetter.queue` says. */
  readonly name: string;
  readonly queueUrl: string;
  readonly deadLetterQueueUrl: string;
  /** maxReceiveCount of its redrive policy: how often a message that was given up was delivered. */
  readonly receiveCountMax: number;
}

export interface SqsDeadLettersOptions {
  readonly client: SQSClient;
  readonly queues: readonly SqsDeadLetterQueue[];
  readonly calls?: Partial<CallOptions>;
  /** Messages looked at in one dead-letter queue; beyond, `aws sqs start-message-move-task` is the tool. */
  readonly scanCountMax?: number;
}

const pageCountMax = 1_000;
const scanCountMaxDefault = 5_000;
/** A function behind the API has 29 s to answer. */
const scanMsMax = 15_000;
/** Longer than a scan: what is being looked at is hidden from others, and comes back by itself when this process dies. */
const scanVisibilitySeconds = 60;
const receiversMax = 4;
/** Kept of a body: no issuance id is longer, and a message of others may have a megabyte. */
const bodyCharactersMax = 1_025;

/**
 * The dead-letter queues of SQS. SQS has no call to look at a message without receiving it: a look receives all of a queue,
 * then makes them visible again, which takes a second, and ten calls for a hundred messages. Meanwhile another process sees
 * fewer; within a process looks at one queue take turns. A message keeps neither when it was given up nor its last error.
 */
export function createSqsDeadLetters(options: SqsDeadLettersOptions): DeadLetterStore {
  const calls = { ...defaultCallOptions, ...options.calls };
  const scanners = new Map(options.queues.map((queue) => [queue.name, createScanner(options, calls, queue)]));

  async function lettersOf(queue: string | undefined): Promise<readonly DeadLetter[]> {
    const asked = [...scanners].filter(([name]) => queue === undefined || name === queue);
    const found = await Promise.all(asked.map(([, scanner]) => scanner.all()));
    return found.flat().sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  return {
    async counts() {
      const counts = await Promise.all(
        [...scanners].map(async ([name, scanner]) => [name, await scanner.count()] as const),
      );
      return new Map(counts.filter(([, count]) => count > 0));
    },
    async list({ queue, countMax, cursor }) {
      if (!Number.isInteger(countMax) || countMax < 1 || countMax > pageCountMax) {
        throw new RangeError(`out of bounds: countMax ${countMax}`);
      }
      // A cursor that is none of ours has nothing after it.
      if (cursor !== undefined && placeOf(cursor, scanners) === undefined) return { letters: [] };
      const left = (await lettersOf(queue)).filter(({ id }) => cursor === undefined || id > cursor);
      const letters = left.slice(0, countMax);
      return left.length > countMax ? { letters, nextCursor: letters.at(-1)!.id } : { letters };
    },
    async get(id) {
      const place = placeOf(id, scanners);
      return place === undefined ? undefined : (await place.scanner.all()).find((letter) => letter.id === id);
    },
    async redrive(id) {
      const place = placeOf(id, scanners);
      return place === undefined ? false : place.scanner.redrive(place.messageId);
    },
  };
}

/** Queue and message of an id (`signing-pkcs11.5fea7756-…`). */
function placeOf(id: string, scanners: ReadonlyMap<string, Scanner>) {
  const match = /^([A-Za-z0-9_-]{1,80})\.([A-Za-z0-9-]{1,100})$/.exec(id);
  const scanner = scanners.get(match?.[1] ?? '');
  return scanner === undefined ? undefined : { scanner, messageId: match![2]! };
}

interface Scanner {
  count(): Promise<number>;
  all(): Promise<readonly DeadLetter[]>;
  redrive(messageId: string): Promise<boolean>;
}

function createScanner(options: SqsDeadLettersOptions, calls: CallOptions, queue: SqsDeadLetterQueue): Scanner {
  const { client, scanCountMax = scanCountMaxDefault } = options;
  const QueueUrl = queue.deadLetterQueueUrl;
  let turn: Promise<unknown> = Promise.resolve();

  function inTurn<T>(run: () => Promise<T>): Promise<T> {
    const mine = turn.then(run, run);
    turn = mine.catch(() => undefined);
    return mine;
  }

  async function receive(waitSeconds: number): Promise<readonly Message[]> {
    const command = new ReceiveMessageCommand({
      QueueUrl,
      MaxNumberOfMessages: 10,
      VisibilityTimeout: scanVisibilitySeconds,
      WaitTimeSeconds: waitSeconds,
      MessageSystemAttributeNames: ['SentTimestamp'],
    });
    const { Messages = [] } = await callSqs(
      calls,
      (abortSignal) => client.send(command, { abortSignal }),
      waitSeconds * 1000,
    );
    return Messages;
  }

  /**
   * Shows every message once to `see`, until it answers that this is the one. All are visible again afterwards, but for that
   * one, which is answered.
   */
  async function scan(see: (message: Message) => boolean): Promise<Message | undefined> {
    const held = new Map<string, string>();
    const ends = performance.now() + scanMsMax;
    let one: Message | undefined;
    try {
      let isQuiet = false;
      while (one === undefined && held.size < scanCountMax && performance.now() < ends) {
        // A short poll asks some of the servers and may miss; only a long poll that brings nothing says that there is nothing.
        const polls: readonly Promise<readonly Message[]>[] = isQuiet
          ? [receive(1)]
          : Array.from({ length: receiversMax }, () => receive(0));
        const round = await Promise.allSettled(polls);
        const messages: readonly Message[] = round.flatMap((poll) => (poll.status === 'fulfilled' ? poll.value : []));
        for (const message of messages) {
          const isNew = !held.has(message.MessageId!);
          held.set(message.MessageId!, message.ReceiptHandle!);
          if (one === undefined && isNew && see(message)) one = message;
        }
        // After what the others brought is held, so that it is released.
        const failed = round.find((poll) => poll.status === 'rejected');
        if (failed !== undefined) throw failed.reason;
        if (messages.length === 0 && isQuiet) break;
        isQuiet = messages.length === 0;
      }
    } finally {
      if (one !== undefined) held.delete(one.MessageId!);
      await releaseHandles(client, calls, QueueUrl, [...held.values()], 0);
    }
    return one;
  }

  return {
    async count() {
      const AttributeNames = ['ApproximateNumberOfMessages', 'ApproximateNumberOfMessagesNotVisible'] as const;
      const command = new GetQueueAttributesCommand({ QueueUrl, AttributeNames: [...AttributeNames] });
      const { Attributes = {} } = await callSqs(calls, (abortSignal) => client.send(command, { abortSignal }));
      return AttributeNames.reduce((sum, name) => sum + Number(Attributes[name] ?? 0), 0);
    },
    all: () =>
      inTurn(async () => {
        const letters = new Map<string, DeadLetter>();
        await scan((message) => {
          const letter = letterOf(queue, message);
          const key = letter.body.length < bodyCharactersMax ? letter.body : letter.id;
          letters.set(key, newerOf(letters.get(key), letter));
          return false;
        });
        return [...letters.values()];
      }),
    redrive: (messageId) =>
      inTurn(async () => {
        const message = await scan(({ MessageId }) => MessageId === messageId);
        if (message === undefined) return false;
        await sendBodies(client, calls, queue.queueUrl, [message.Body ?? ''], 0);
        const command = new DeleteMessageCommand({ QueueUrl, ReceiptHandle: message.ReceiptHandle });
        await callSqs(calls, (abortSignal) => client.send(command, { abortSignal }));
        return true;
      }),
  };
}

function letterOf({ name, receiveCountMax }: SqsDeadLetterQueue, message: Message): DeadLetter {
  return {
    id: `${name}.${message.MessageId}`,
    queue: name,
    body: (message.Body ?? '').slice(0, bodyCharactersMax),
    receiveCount: receiveCountMax,
    sentAt: Number(message.Attributes?.SentTimestamp ?? 0),
  };
}

/** Two dead letters of one body are one: the later one, with the deliveries of both. */
function newerOf(known: DeadLetter | undefined, letter: DeadLetter): DeadLetter {
  if (known === undefined) return letter;
  const isLater = letter.sentAt > known.sentAt || (letter.sentAt === known.sentAt && letter.id > known.id);
  return { ...(isLater ? letter : known), receiveCount: known.receiveCount + letter.receiveCount };
}
