/** Queues, from the side that sends and the side that delivers, and their dead letters. Each comment states what an adapter owes. */
import type { EpochMs } from '../pki/epoch.ts';

/**
 * At-least-once, unordered. Carries issuance ids only (a claim check): nothing on a queue is trusted, and a lost
 * message loses nothing, since the ledger is the outbox and the reconciler sends again.
 */
export interface WorkQueue {
  /** Durable on return; a rejected promise may have sent some of them. Not delivered before `delayMs` (0, at most 900,000). */
  send(issuanceIds: readonly string[], delayMs?: number): Promise<void>;
  depth(): Promise<QueueDepth>;
}

/** As the queue counts: SQS approximately, some seconds late, and up to a minute while nothing is sent. */
export interface QueueDepth {
  readonly visible: number;
  /** Delivered and not settled, or not due yet. */
  readonly inFlight: number;
  /** Age of the oldest message. Absent where the queue does not tell: for SQS CloudWatch has ApproximateAgeOfOldestMessage. */
  readonly oldestAgeMs?: number;
  /** Messages acknowledged so far, as far as this process knows; never falls. Absent where the queue does not tell. */
  readonly acknowledgedTotal?: number;
}

export interface QueueMessage {
  readonly messageId: string;
  readonly body: string;
  /** Deliveries so far, this one included. */
  readonly receiveCount: number;
  readonly sentAt: EpochMs;
  /** Valid for this delivery until its visibility timeout ends. */
  readonly receipt: string;
}

/** The consumer's side, for the event source mapping; a Lambda never sees it. */
export interface QueueConsumer {
  /**
   * At most `countMax` messages, hidden from others for `visibilityMs`; waits up to `waitMsMax` for the first one.
   * A message received more than its queue's `receiveCountMax` goes to the dead-letter queue instead.
   */
  receive(options: {
    readonly countMax: number;
    readonly visibilityMs: number;
    readonly waitMsMax: number;
  }): Promise<readonly QueueMessage[]>;
  /** Deletes; a receipt that is no longer valid is ignored. */
  acknowledge(receipts: readonly string[]): Promise<void>;
  /**
   * Makes messages visible again after `delayMs`. `lastError`, a code, says why: it stays with the message, and goes with
   * it to the dead-letter queue, where the queue can keep it (SQS cannot; there the ledger has it).
   */
  release(receipts: readonly string[], delayMs: number, lastError?: string): Promise<void>;
}

/** A message that was given up: why, how often, and the last error. */
export interface DeadLetter {
  /** Names this dead letter, in all queues, once. */
  readonly id: string;
  /** The queue that gave it up. */
  readonly queue: string;
  /** As it was sent, but cut where it is longer than any issuance id. Not trusted: it is shown escaped. */
  readonly body: string;
  /** Deliveries, over all the times that this body was given up, as far as the queue still knows of them. */
  readonly receiveCount: number;
  /** Code of the last error, where the queue kept it. */
  readonly lastError?: string;
  readonly sentAt: EpochMs;
  /** When it was given up. Absent where the queue does not tell (SQS). */
  readonly deadAt?: EpochMs;
}

export interface DeadLetterPage {
  readonly letters: readonly DeadLetter[];
  /** Where the next page begins; absent after the last. */
  readonly nextCursor?: string;
}

/**
 * The dead letters of every queue. A body that is given up again takes the place of its earlier dead letter, so that
 * there are no more of them than issuances in trouble. On SQS, which keeps messages and nothing else, it does so in what is
 * listed, not in what is counted; an answer is what this process could see then, and may miss what another looks at.
 */
export interface DeadLetterStore {
  /** How many wait, by the queue that gave them up; queues without any are left out. */
  counts(): Promise<ReadonlyMap<string, number>>;
  /** In no order that means anything, but a steady one: what stays while pages are read is on one of them. */
  list(options: {
    readonly queue?: string;
    readonly countMax: number;
    readonly cursor?: string;
  }): Promise<DeadLetterPage>;
  get(id: string): Promise<DeadLetter | undefined>;
  /**
   * Sends one back to the queue it came from, as a new message, and forgets it; false when it is not there any more.
   * Durable on return. After a rejected promise it may have been sent and still be here: a redrive is a delivery, and
   * a delivery may come twice.
   */
  redrive(id: string): Promise<boolean>;
}
