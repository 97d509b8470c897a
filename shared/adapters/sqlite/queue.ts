import type { Clock, DeadLetterStore, QueueConsumer, QueueMessage, WorkQueue } from '../../issuance/ports.ts';
import { invariant } from '../ledger/ledger-fault.ts';
import type { CommitQueue } from './commit-queue.ts';
import { createDeadLetterStore } from './dead-letters.ts';
import { guarded, worldErrorOf } from './guarded.ts';
import type { Pace, Want } from './pace.ts';
import type { QueueStore, Redrive } from './queue-store.ts';

/** The largest batch of an event source mapping (AWS Lambda, BatchSize). */
const batchCountMax = 10_000;
const bodyBytesMax = 1_024;
/** As SQS bounds a visibility timeout and a delay: 12 hours. */
const visibilityMsMax = 12 * 3_600_000;
/** As SQS bounds the delay of a message (DelaySeconds). */
const sendDelayMsMax = 900_000;
/** As SQS bounds a long poll. */
const waitMsMaxMax = 20_000;
const lastErrorCharactersMax = 1_000;
/** The characters and length of an SQS queue name. */
const queueNameForm = /^[A-Za-z0-9_-]{1,80}$/;

export interface QueueOptions {
  /** Deliveries of a message before the next goes to the dead-letter queue. Both or neither. */
  readonly receiveCountMax?: number;
  readonly deadLetterQueue?: string;
}

export interface SqliteQueue extends WorkQueue, QueueConsumer {
  readonly name: string;
}

export interface Queues {
  queue(name: string, options?: QueueOptions): SqliteQueue;
  readonly deadLetters: DeadLetterStore;
  /** Ends every long poll with no messages. */
  close(): void;
}

export interface QueuesParts {
  readonly store: QueueStore;
  readonly commits: CommitQueue;
  readonly clock: Clock;
  /** Long polls under way at once, over all queues; one beyond does not wait. */
  readonly waitersMax: number;
  /** See `SqliteStoreOptions`. */
  readonly early: boolean;
  readonly pace: Pace;
}

interface State {
  readonly name: string;
  readonly number: number;
  redrive: Redrive | undefined;
  readonly queue: SqliteQueue;
}

export function createQueues(parts: QueuesParts): Queues {
  const { store, commits, clock } = parts;
  const states = new Map<string, State>();
  const bell = createBell(parts.waitersMax, parts.pace);

  function numberOf(name: string): number {
    try {
      return store.open(name);
    } catch (error) {
      throw worldErrorOf(error);
    }
  }

  function open(name: string): State {
    let state = states.get(name);
    if (state === undefined) {
      invariant(queueNameForm.test(name), 'out-of-bounds', `${JSON.stringify(name)} is no name of a queue`);
      const number = numberOf(name);
      const made: State = {
        name,
        number,
        redrive: undefined,
        queue: guarded(createQueue(parts, bell, name, number, () => made.redrive)),
      };
      state = made;
      states.set(name, state);
    }
    return state;
  }

  return {
    queue(name, options = {}) {
      const state = open(name);
      const { receiveCountMax, deadLetterQueue } = options;
      if (receiveCountMax === undefined && deadLetterQueue === undefined) return state.queue;
      checkRedrive(name, receiveCountMax, deadLetterQueue);
      const redrive = { queue: open(deadLetterQueue!).number, source: name, receiveCountMax: receiveCountMax! };
      const same = state.redrive === undefined || JSON.stringify(state.redrive) === JSON.stringify(redrive);
      invariant(same, 'already-exists', `${name} is open already with another redrive policy`);
      state.redrive = redrive;
      return state.queue;
    },
    deadLetters: guarded(
      createDeadLetterStore({
        statements: store.deadLetters,
        commits,
        redrive: (queue, message) => store.redrive(queue, message, clock()),
        ring: (source) => bell.ring(open(source).number, 1),
      }),
    ),
    close: bell.close,
  };
}

function checkRedrive(name: string, receiveCountMax: number | undefined, deadLetterQueue: string | undefined): void {
  const count = receiveCountMax ?? 0;
  const isCount = Number.isInteger(count) && count >= 1 && count <= 1_000;
  invariant(isCount, 'out-of-bounds', `receiveCountMax ${receiveCountMax} of ${name}`);
  const isOther = deadLetterQueue !== undefined && deadLetterQueue !== name;
  invariant(isOther, 'out-of-bounds', `${name} has no dead-letter queue`);
}

function checkReceive(countMax: number, visibilityMs: number, waitMsMax: number): void {
  const isCount = Number.isInteger(countMax) && countMax >= 1 && countMax <= batchCountMax;
  invariant(isCount, 'out-of-bounds', `countMax ${countMax}`);
  invariant(visibilityMs >= 1 && visibilityMs <= visibilityMsMax, 'out-of-bounds', `visibilityMs ${visibilityMs}`);
  invariant(waitMsMax >= 0 && waitMsMax <= waitMsMaxMax, 'out-of-bounds', `waitMsMax ${waitMsMax}`);
}

function createQueue(
  { store, commits, clock, early }: QueuesParts,
  bell: Bell,
  name: string,
  number: number,
  redriveOf: () => Redrive | undefined,
): SqliteQueue {
  // A statement fails only where its transaction does.
  const write = <T>(work: () => T) => (early ? commits.apply : commits.submit)(work, { plain: true });
  let acknowledgedTotal = 0;
  /** Sent again for later by who is about to acknowledge them: no work is done by that. */
  let postponed = 0;

  async function take(countMax: number, visibilityMs: number): Promise<readonly QueueMessage[]> {
    // A look first: a poll of an empty queue writes nothing.
    if (!store.hasVisible(number, clock())) return [];
    const redrive = redriveOf();
    const { messages, dead } = await write(() => store.take(number, { at: clock(), countMax, visibilityMs, redrive }));
    if (dead > 0 && redrive !== undefined) bell.ring(redrive.queue, dead);
    bell.taken(number, messages.length);
    // What is left is for whoever else waits.
    if (messages.length === countMax && store.hasVisible(number, clock())) bell.ring(number, 0);
    return messages;
  }

  function dueInMs(): number | undefined {
    const at = clock();
    if (store.hasVisible(number, at)) return 0;
    const next = store.visibleNext(number, at);
    return next === undefined ? undefined : next - at;
  }

  return {
    name,
    async send(bodies, delayMs = 0) {
      invariant(delayMs >= 0 && delayMs <= sendDelayMsMax, 'out-of-bounds', `delayMs ${delayMs}`);
      invariant(bodies.length <= batchCountMax, 'out-of-bounds', `${bodies.length} messages in one call`);
      for (const body of bodies) {
        const bytes = Buffer.byteLength(body);
        invariant(bytes >= 1 && bytes <= bodyBytesMax, 'out-of-bounds', `a message of ${bytes} bytes`);
      }
      if (bodies.length === 0) return;
      await write(() => store.send(number, bodies, clock(), delayMs));
      if (delayMs > 0) postponed += bodies.length;
      bell.ring(number, bodies.length);
    },
    depth: async () => ({ ...store.depth(number, clock()), acknowledgedTotal }),
    async receive({ countMax, visibilityMs, waitMsMax }) {
      checkReceive(countMax, visibilityMs, waitMsMax);
      if (waitMsMax === 0) return take(countMax, visibilityMs);
      if (store.hasVisible(number, clock())) {
        await bell.gathered(number);
        const messages = await take(countMax, visibilityMs);
        if (messages.length > 0) return messages;
      }
      return longPoll(bell, number, waitMsMax, () => take(countMax, visibilityMs), dueInMs);
    },
    async acknowledge(receipts) {
      invariant(receipts.length <= batchCountMax, 'out-of-bounds', `${receipts.length} receipts in one call`);
      if (receipts.length === 0) return;
      const count = await write(() => store.remove(number, receipts, clock()));
      acknowledgedTotal += Math.max(0, count - postponed);
      postponed = Math.max(0, postponed - count);
    },
    async release(receipts, delayMs, lastError) {
      invariant(receipts.length <= batchCountMax, 'out-of-bounds', `${receipts.length} receipts in one call`);
      invariant(delayMs >= 0 && delayMs <= visibilityMsMax, 'out-of-bounds', `delayMs ${delayMs}`);
      if (receipts.length === 0) return;
      const error = lastError?.slice(0, lastErrorCharactersMax);
      await write(() => store.release(number, receipts, clock(), delayMs, error));
      bell.ring(number, receipts.length);
    },
  };
}

/** Takes as soon as a send rings, or a hidden message is due, until the wait is over. */
async function longPoll(
  bell: Bell,
  queue: number,
  waitMsMax: number,
  take: () => Promise<readonly QueueMessage[]>,
  dueInMs: () => number | undefined,
): Promise<readonly QueueMessage[]> {
  const over = performance.now() + waitMsMax;
  for (;;) {
    const leftMs = over - performance.now();
    if (leftMs <= 0 || bell.isClosed()) return [];
    // Nothing due is asked for here, in the same turn as the wait begins: a send that rang while a take was under way
    // is seen, not missed.
    const dueMs = dueInMs() ?? leftMs;
    if (dueMs > 0 && (await bell.wait(queue, Math.max(1, Math.min(leftMs, dueMs)))) === 'no-wait') return [];
    const messages = await take();
    if (messages.length > 0) return messages;
  }
}

/** Wakes the long polls of a queue, in this process: one after the other, each with what has come together. */
interface Bell {
  /** `count` messages may be taken. */
  ring(queue: number, count: number): void;
  taken(queue: number, count: number): void;
  /** Resolves when what has come together is to be taken. */
  gathered(queue: number): Promise<void>;
  wait(queue: number, waitMsMax: number): Promise<'rang' | 'waited' | 'no-wait'>;
  isClosed(): boolean;
  close(): void;
}

interface Rung {
  /** Messages that came since the last take, as far as they rang. */
  count: number;
  readonly waiters: Set<(how: 'rang' | 'no-wait') => void>;
  readonly want: Want;
}

function createBell(waitersMax: number, pace: Pace): Bell {
  const queues = new Map<number, Rung>();
  let waiting = 0;
  let closed = false;

  function rungOf(queue: number): Rung {
    let rung = queues.get(queue);
    if (rung === undefined) {
      const made: Rung = {
        count: 0,
        waiters: new Set(),
        want: { count: () => made.count, go: () => wakeOne(made), last: false },
      };
      rung = made;
      queues.set(queue, rung);
    }
    return rung;
  }

  function wakeOne({ waiters }: Rung): void {
    const [first] = waiters;
    first?.('rang');
  }

  return {
    ring(queue, count) {
      const rung = rungOf(queue);
      rung.count += count;
      if (rung.waiters.size > 0) pace.ask(rung.want);
    },
    taken(queue, count) {
      const rung = rungOf(queue);
      rung.count = Math.max(0, rung.count - count);
    },
    gathered(queue) {
      const rung = rungOf(queue);
      return new Promise((go) => pace.ask({ count: () => rung.count, go, last: false }));
    },
    wait(queue, waitMsMax) {
      if (closed || waiting >= waitersMax) return Promise.resolve('no-wait');
      const { waiters } = rungOf(queue);
      return new Promise((resolve) => {
        const done = (how: 'rang' | 'waited' | 'no-wait') => {
          clearTimeout(timer);
          waiters.delete(done);
          waiting -= 1;
          resolve(how);
        };
        const timer = setTimeout(done, waitMsMax, 'waited');
        waiters.add(done);
        waiting += 1;
      });
    },
    isClosed: () => closed,
    close() {
      closed = true;
      for (const { waiters } of queues.values()) for (const done of [...waiters]) done('no-wait');
    },
  };
}
