import type { DatabaseSync } from 'node:sqlite';
import type { QueueDepth, QueueMessage } from '../../issuance/ports.ts';
import type { EpochMs } from '../../pki/epoch.ts';
import { createDeadLetterStatements, type DeadLetterStatements } from './dead-letters.ts';

export interface Redrive {
  readonly queue: number;
  readonly source: string;
  readonly receiveCountMax: number;
}

/** The statements of the queues. All but `depth`, `hasVisible` and `visibleNext` run inside a transaction. */
export interface QueueStore {
  /** The number of a queue, made when it is new. */
  open(name: string): number;
  send(queue: number, bodies: readonly string[], at: EpochMs, delayMs: number): void;
  /** Takes what is visible; `dead` tells how many went to the dead-letter queue instead. */
  take(queue: number, options: TakeOptions): { readonly messages: readonly QueueMessage[]; readonly dead: number };
  /** How many of them were valid. */
  remove(queue: number, receipts: readonly string[], at: EpochMs): number;
  release(
    queue: number,
    receipts: readonly string[],
    at: EpochMs,
    delayMs: number,
    lastError: string | undefined,
  ): void;
  hasVisible(queue: number, at: EpochMs): boolean;
  /** When the next message that is hidden now becomes visible. */
  visibleNext(queue: number, at: EpochMs): EpochMs | undefined;
  depth(queue: number, at: EpochMs): QueueDepth;
  readonly deadLetters: DeadLetterStatements;
  /** Sends a dead letter back to where it came from, as a new message; its source, or undefined when there is none. */
  redrive(queue: number, message: number, at: EpochMs): string | undefined;
}

/** The table of messages: what outlives a transaction. What is new in one is beside it (`fresh-messages.ts`). */
export interface MessageTable extends Omit<QueueStore, 'send'> {
  /** Numbers the next messages of a queue: the first of `count`. A number is given once, whatever becomes of its transaction. */
  number(queue: number, count: number): number;
  /** Stores messages as they stand. */
  store(queue: number, messages: Iterable<StoredMessage>): void;
  /** Writes what `number` gave, before COMMIT. */
  writeNumbers(): void;
  /** They are durable. */
  numbersCommitted(): void;
}

export interface TakeOptions {
  readonly at: EpochMs;
  readonly countMax: number;
  readonly visibilityMs: number;
  readonly redrive: Redrive | undefined;
}

export interface StoredMessage {
  readonly message: number;
  readonly body: string;
  readonly sentAt: EpochMs;
  readonly visibleAt: EpochMs;
  readonly receiveCount: number;
  readonly delivery: number;
  readonly lastError: string | undefined;
}

interface MessageRow {
  readonly message: number;
  readonly body: string;
  readonly sent_at: number;
  readonly receive_count: number;
  readonly delivery: number;
  readonly last_error: string | null;
}

export function createMessageTable(database: DatabaseSync): MessageTable {
  const prepare = (sql: string) => database.prepare(sql);
  const queueOf = prepare('SELECT queue FROM queues WHERE name = ?');
  const addQueue = prepare('INSERT INTO queues (name, message_next) VALUES (?, 1)');
  const nextOf = prepare('SELECT message_next FROM queues WHERE queue = ?');
  const setNext = prepare('UPDATE queues SET message_next = ? WHERE queue = ?');
  const add =
    prepare(`INSERT INTO messages (queue, message, body, sent_at, visible_at, receive_count, delivery, last_error,
    dead_letter) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`);
  /** Number of the next message, and whether its queue's row says so. */
  const next = new Map<number, { message: number; written: boolean }>();

  function open(name: string): number {
    const row = queueOf.get(name);
    return row === undefined ? Number(addQueue.run(name).lastInsertRowid) : (row.queue as number);
  }

  function insert(
    queue: number,
    bodies: readonly string[],
    sentAt: EpochMs,
    visibleAt: EpochMs,
    deadLetter: string | null,
  ): void {
    if (bodies.length === 0) return;
    let message = number(queue, bodies.length);
    for (const body of bodies) add.run(queue, message++, body, sentAt, visibleAt, 0, 0, null, deadLetter);
  }

  function number(queue: number, count: number): number {
    let one = next.get(queue);
    if (one === undefined) {
      one = { message: nextOf.get(queue)!.message_next as number, written: true };
      next.set(queue, one);
    }
    one.message += count;
    one.written = false;
    return one.message - count;
  }

  const deadLetters = createDeadLetterStatements(database);
  return {
    open,
    take: createTake(database, insert, deadLetters),
    ...createSettle(database),
    ...createQueueReads(database),
    deadLetters,
    number,
    store(queue, messages) {
      for (const { body, delivery, lastError, message, receiveCount, sentAt, visibleAt } of messages)
        add.run(queue, message, body, sentAt, visibleAt, receiveCount, delivery, lastError ?? null, null);
    },
    writeNumbers() {
      for (const [queue, { message, written }] of next) if (!written) setNext.run(message, queue);
    },
    numbersCommitted() {
      for (const one of next.values()) one.written = true;
    },
    redrive(queue, message, at) {
      const letter = deadLetters.takeBack(queue, message);
      if (letter !== undefined) insert(open(letter.source), [letter.body], at, at, null);
      return letter?.source;
    },
  };
}

type Insert = (
  queue: number,
  bodies: readonly string[],
  sentAt: EpochMs,
  visibleAt: EpochMs,
  deadLetter: string | null,
) => void;

function createTake(database: DatabaseSync, insert: Insert, deadLetters: DeadLetterStatements): QueueStore['take'] {
  const visible = database.prepare(`SELECT message, body, sent_at, receive_count, delivery, last_error FROM messages
    WHERE queue = ? AND visible_at <= ? ORDER BY visible_at, message LIMIT ?`);
  const hide =
    database.prepare(`UPDATE messages SET visible_at = ?, receive_count = receive_count + 1, delivery = delivery + 1
    WHERE queue = ? AND message = ?`);
  const remove = database.prepare('DELETE FROM messages WHERE queue = ? AND message = ?');

  return (queue, { at, countMax, visibilityMs, redrive }) => {
    const messages: QueueMessage[] = [];
    let dead = 0;
    // A dead letter leaves room for a message behind it. Each round removes what it gives up, so the rounds end.
    for (;;) {
      const rows = visible.all(queue, at, countMax - messages.length) as unknown as MessageRow[];
      for (const row of rows) {
        if (redrive !== undefined && row.receive_count >= redrive.receiveCountMax) {
          const reason = deadLetters.bury(redrive.queue, row.body, {
            source: redrive.source,
            receiveCount: row.receive_count,
            lastError: row.last_error ?? undefined,
            deadAt: at,
          });
          insert(redrive.queue, [row.body], row.sent_at, at, JSON.stringify(reason));
          remove.run(queue, row.message);
          dead += 1;
          continue;
        }
        hide.run(at + visibilityMs, queue, row.message);
        messages.push({
          messageId: String(row.message),
          body: row.body,
          receiveCount: row.receive_count + 1,
          sentAt: row.sent_at,
          receipt: `${row.message}-${row.delivery + 1}`,
        });
      }
      if (messages.length === countMax || rows.length === 0) return { messages, dead };
    }
  };
}

/** Number of the message and of its delivery. */
export function parseReceipt(receipt: string): readonly [number, number] | undefined {
  const match = /^([0-9]{1,15})-([0-9]{1,15})$/.exec(receipt);
  return match === null ? undefined : [Number(match[1]), Number(match[2])];
}

function createSettle(database: DatabaseSync): Pick<QueueStore, 'remove' | 'release'> {
  // A receipt stands for one delivery: once its time has run out the message may be somebody else's.
  const valid = 'queue = ? AND message = ? AND delivery = ? AND visible_at > ?';
  const remove = database.prepare(`DELETE FROM messages WHERE ${valid}`);
  const release = database.prepare(`UPDATE messages SET visible_at = ?, delivery = delivery + 1,
    last_error = coalesce(?, last_error) WHERE ${valid}`);
  return {
    remove(queue, receipts, at) {
      let count = 0;
      for (const receipt of receipts) {
        const delivery = parseReceipt(receipt);
        if (delivery !== undefined) count += Number(remove.run(queue, ...delivery, at).changes);
      }
      return count;
    },
    release(queue, receipts, at, delayMs, lastError) {
      for (const receipt of receipts) {
        const delivery = parseReceipt(receipt);
        if (delivery !== undefined) release.run(at + delayMs, lastError ?? null, queue, ...delivery, at);
      }
    },
  };
}

function createQueueReads(database: DatabaseSync): Pick<QueueStore, 'hasVisible' | 'visibleNext' | 'depth'> {
  const anyVisible = database.prepare('SELECT 1 FROM messages WHERE queue = ? AND visible_at <= ? LIMIT 1');
  const next = database.prepare('SELECT min(visible_at) AS at FROM messages WHERE queue = ? AND visible_at > ?');
  const visible = database.prepare('SELECT count(*) AS n FROM messages WHERE queue = ? AND visible_at <= ?');
  const hidden = database.prepare('SELECT count(*) AS n FROM messages WHERE queue = ? AND visible_at > ?');
  // Messages are numbered as they are sent, so the first is the oldest.
  const oldest = database.prepare('SELECT sent_at FROM messages WHERE queue = ? ORDER BY message LIMIT 1');
  return {
    hasVisible: (queue, at) => anyVisible.get(queue, at) !== undefined,
    visibleNext: (queue, at) => (next.get(queue, at)?.at as number | null) ?? undefined,
    depth(queue, at) {
      const first = oldest.get(queue);
      return {
        visible: visible.get(queue, at)!.n as number,
        inFlight: hidden.get(queue, at)!.n as number,
        oldestAgeMs: first === undefined ? 0 : Math.max(0, at - (first.sent_at as number)),
      };
    },
  };
}
