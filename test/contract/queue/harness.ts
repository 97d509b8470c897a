import type { DeadLetterStore, QueueConsumer, QueueMessage, WorkQueue } from '../../../shared/issuance/ports.ts';

export type Queue = WorkQueue & QueueConsumer;

/** A queue that gives a message up after `receiveCountMax` deliveries, and the queue that takes those. Both empty. */
export interface QueueHarness {
  readonly work: Queue;
  readonly dead: Queue;
  readonly deadLetters: DeadLetterStore;
  /** Lets time pass for the queue: its clock is moved where it has one of its own, else this waits. */
  elapse(ms: number): Promise<void>;
  reopen(): Promise<QueueHarness>;
  close(): Promise<void>;
}

/** In what adapters may differ. Everything else is the contract. */
export interface QueueDifferences {
  /** False only for a queue that is gone when it is closed. */
  readonly durable: boolean;
  /** A visibility timeout to test with: as short as the adapter counts reliably. */
  readonly visibilityMs: number;
  readonly receiveCountMax: number;
  /** How long `depth` may lag behind what was answered. */
  readonly lagMsMax: number;
  /** False for a queue that has no room for the error of a delivery beside a message. */
  readonly keepsLastError: boolean;
  /** False for a queue that counts its messages, and does not know the age of the oldest. */
  readonly tellsOldestAge: boolean;
  /** False for a queue whose dead letters do not know when they were given up. */
  readonly tellsDeadAt: boolean;
  /** Messages to send in the largest batch of these cases. */
  readonly batchCountMax: number;
}

export interface QueueCases extends QueueDifferences {
  open(): Promise<QueueHarness>;
}

export function receive(queue: Queue, countMax: number, visibilityMs: number): Promise<readonly QueueMessage[]> {
  return queue.receive({ countMax, visibilityMs, waitMsMax: 0 });
}

/** Receives until nothing more comes, or `wanted` are there: a queue may answer fewer than are visible. */
export async function takeAll(
  queue: Queue,
  visibilityMs: number,
  countMax = 10,
  wanted = Number.POSITIVE_INFINITY,
): Promise<QueueMessage[]> {
  const taken: QueueMessage[] = [];
  while (taken.length < wanted) {
    const messages = await receive(queue, Math.min(countMax, wanted - taken.length), visibilityMs);
    if (messages.length === 0) break;
    taken.push(...messages);
  }
  return taken;
}

export function bodies(messages: readonly QueueMessage[]): readonly string[] {
  return messages.map(({ body }) => body).sort();
}
