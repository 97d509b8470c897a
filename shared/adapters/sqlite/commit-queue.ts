import type { DatabaseSync } from 'node:sqlite';
import type { LogSync } from './log-sync.ts';
import { createPace, type Pace, type Want } from './pace.ts';
import { StorageError, storageErrorOf } from './storage-error.ts';
import { createTransaction, type Gathered, type Write } from './transaction.ts';

/**
 * Group commit: the writes of all callers that come together share one transaction, and so one fsync. A write is made when
 * it is handed in, and is durable with the COMMIT of its group; groups are committed in the order they were made, so that
 * what is durable rests on nothing that is not.
 *
 * A write is a closure over prepared statements that changes nothing but the database. One that throws leaves no trace, and
 * takes nothing from those beside it: it runs within a savepoint, for which SQLite copies each page before it changes. One that
 * is `plain` runs without: it throws, if it does, before it has changed anything.
 */
export interface CommitQueue {
  /**
   * Makes the write and resolves with its answer after COMMIT. Rejects with what `work` threw, or with a `StorageError`;
   * `ledger-overloaded` when too many wait.
   */
  submit<T>(work: () => T, how?: How<T>): Promise<T>;
  /** The same for many: all are taken or, when they do not fit, none. */
  submitAll<T>(works: readonly (() => T)[], how?: How<T>): Promise<readonly PromiseSettledResult<T>[]>;
  /**
   * As `submit`, but resolves as soon as the write is made and every reader of this connection sees it. Nothing may leave the
   * process that rests on it before `durable()`, or a later `submit`, has resolved.
   */
  apply<T>(work: () => T, how?: How<T>): Promise<T>;
  applyAll<T>(works: readonly (() => T)[], how?: How<T>): Promise<readonly PromiseSettledResult<T>[]>;
  /** Resolves when every write made so far is durable. Rejects with a `StorageError` when that cannot be said. */
  durable(): Promise<void>;
  /** Number of the transaction that is open, or of the next one; and of the last one that is durable. */
  current(): number;
  durableThrough(): number;
  stats(): CommitStats;
  /** Commits what was made and what waits, and refuses what comes after. */
  close(): void;
}

export interface How<T> {
  readonly plain?: boolean;
  /** Called after COMMIT, before any caller goes on. `index` is that of the write among those of the call. */
  readonly committed?: (answer: T, index: number) => void;
}

export interface CommitStats {
  /** Transactions that were to be committed. */
  readonly flushes: number;
  /** Writes durable so far. */
  readonly operations: number;
  /** Writes that wait for room in a transaction. */
  readonly queued: number;
}

export interface CommitQueueOptions {
  readonly database: DatabaseSync;
  /** Writes in one transaction at most. */
  readonly flushOperationsMax: number;
  readonly queuedOperationsMax: number;
  /** What the closures gather beside the database (sums), to be written once a transaction. */
  readonly gathered?: Gathered;
  readonly pace?: Pace;
  /** Makes durable what was committed; without it every COMMIT is durable when it returns. */
  readonly sync?: LogSync;
}

interface Operation extends Write {
  readonly committed: ((answer: unknown) => void) | undefined;
  readonly resolve: (answer: unknown) => void;
  readonly reject: (error: unknown) => void;
  readonly early: boolean;
}

/** A transaction that is open, or committed and not durable yet. */
interface Group {
  readonly number: number;
  readonly made: { readonly operation: Operation; readonly answer: unknown }[];
  /** Callers that wait for its COMMIT. */
  waiters: number;
  readonly barriers: { readonly resolve: () => void; readonly reject: (error: unknown) => void }[];
}

export function createCommitQueue(options: CommitQueueOptions): CommitQueue {
  const { flushOperationsMax, queuedOperationsMax, pace = createPace(), sync } = options;
  const transaction = createTransaction(options.database, options.gathered);
  const counts = { flushes: 0, operations: 0 };
  let queue: Operation[] = [];
  let group: Group | undefined;
  let number = 0;
  let durable = 0;
  /** Committed, in order: those that the sync under way covers, and those after. */
  let inSync: Group[] = [];
  let unsynced: Group[] = [];
  /** A sync that failed leaves it unknown what is on the disk, for good: nothing more is answered. */
  let failure: StorageError | undefined;
  let closed = false;
  const want: Want = {
    count: () => group?.waiters ?? 0,
    go: () => flush(),
    last: true,
    // What is committed while a sync runs waits for the next one anyway: until then more may join it.
    held: () => inSync.length > 0,
  };

  function admit(count: number): void {
    if (failure !== undefined) throw failure;
    if (closed) throw new StorageError('storage-closed', 'the store is closed');
    if ((group?.made.length ?? 0) + queue.length + count > queuedOperationsMax) {
      throw new StorageError('ledger-overloaded', `more than ${queuedOperationsMax} writes would wait`);
    }
  }

  function place(operation: Operation): void {
    if (queue.length > 0 || (group?.made.length ?? 0) >= flushOperationsMax) queue.push(operation);
    else make(operation);
  }

  async function one<T>(work: () => T, { committed, plain = false }: How<T>, early: boolean): Promise<T> {
    admit(1);
    return new Promise<T>((resolve, reject) => {
      const whenCommitted = committed === undefined ? undefined : (answer: unknown) => committed(answer as T, 0);
      place({ work, committed: whenCommitted, resolve: resolve as (answer: unknown) => void, reject, early, plain });
      pace.ask(want);
    });
  }

  async function all<T>(
    works: readonly (() => T)[],
    { committed, plain = false }: How<T>,
    early: boolean,
  ): Promise<readonly PromiseSettledResult<T>[]> {
    admit(works.length);
    if (works.length === 0) return [];
    return new Promise((resolve) => {
      const results: PromiseSettledResult<T>[] = new Array(works.length);
      let left = works.length;
      const settled = (index: number, result: PromiseSettledResult<T>) => {
        results[index] = result;
        left -= 1;
        if (left === 0) resolve(results);
      };
      for (const [index, work] of works.entries())
        place({
          work,
          committed: committed === undefined ? undefined : (answer) => committed(answer as T, index),
          resolve: (answer) => settled(index, { status: 'fulfilled', value: answer as T }),
          reject: (reason) => settled(index, { status: 'rejected', reason }),
          early,
          plain,
        });
      pace.ask(want);
    });
  }

  /** Makes one write within the open transaction, or in a new one. */
  function make(operation: Operation): void {
    const isFirst = group === undefined;
    group ??= { number: ++number, made: [], waiters: 0, barriers: [] };
    const outcome = transaction.make(operation, isFirst);
    if (outcome.kind === 'threw') {
      if (isFirst) group = undefined;
      operation.reject(outcome.error);
      return;
    }
    if (outcome.kind === 'lost') {
      operation.reject(outcome.error);
      fail(outcome.error);
      return;
    }
    group.made.push({ operation, answer: outcome.answer });
    if (operation.early) operation.resolve(outcome.answer);
    else group.waiters += 1;
  }

  /** The open transaction is gone, and everything that was made in it. */
  function fail(error: StorageError): void {
    const lost = group;
    group = undefined;
    if (lost === undefined) return;
    counts.flushes += 1;
    refuse(lost, error);
  }

  function settle(groups: readonly Group[]): void {
    for (const { barriers, made, number: ended } of groups) {
      durable = ended;
      counts.operations += made.length;
      for (const { operation, answer } of made) if (!operation.early) operation.resolve(answer);
      for (const barrier of barriers) barrier.resolve();
      for (const { operation, answer } of made) operation.committed?.(answer);
    }
  }

  function startSync(log: LogSync): void {
    if (inSync.length > 0 || unsynced.length === 0 || failure !== undefined) return;
    inSync = unsynced;
    unsynced = [];
    log.start().then(
      () => {
        const covered = inSync;
        inSync = [];
        settle(covered);
        startSync(log);
        pace.poke();
      },
      (error: unknown) => giveUp(error),
    );
  }

  function giveUp(cause: unknown): void {
    if (closed) return;
    failure = storageErrorOf(cause) ?? new StorageError('storage-failed', 'the log could not be synced', cause);
    const lost = [...inSync, ...unsynced];
    inSync = [];
    unsynced = [];
    for (const one of lost) refuse(one, failure);
    if (group !== undefined) transaction.abandon();
    fail(failure);
    for (const operation of queue.splice(0)) operation.reject(failure);
  }

  function flush(): void {
    const done = group;
    if (done !== undefined) {
      const error = transaction.commit();
      if (error !== undefined) {
        fail(error);
      } else {
        group = undefined;
        counts.flushes += 1;
        if (sync === undefined) settle([done]);
        else {
          unsynced.push(done);
          startSync(sync);
        }
      }
    }
    const waiting = queue;
    queue = [];
    for (const [index, operation] of waiting.entries()) {
      if ((group?.made.length ?? 0) >= flushOperationsMax) {
        queue = waiting.slice(index);
        break;
      }
      make(operation);
    }
    if (group !== undefined || queue.length > 0) pace.ask(want);
  }

  return {
    submit: (work, how = {}) => one(work, how, false),
    submitAll: (works, how = {}) => all(works, how, false),
    apply: (work, how = {}) => one(work, how, true),
    applyAll: (works, how = {}) => all(works, how, true),
    async durable() {
      if (failure !== undefined) throw failure;
      const last = group ?? unsynced.at(-1) ?? inSync.at(-1);
      if (last === undefined) return;
      if (last === group) {
        group.waiters += 1;
        pace.ask(want);
      }
      await new Promise<void>((resolve, reject) => void last.barriers.push({ resolve, reject }));
    },
    current: () => group?.number ?? number + 1,
    durableThrough: () => durable,
    stats: () => ({ ...counts, queued: queue.length }),
    close() {
      closed = true;
      while (group !== undefined || queue.length > 0) flush();
      const committed = [...inSync, ...unsynced];
      inSync = [];
      unsynced = [];
      if (committed.length === 0) return;
      try {
        sync?.now();
        settle(committed);
      } catch (error) {
        for (const one of committed) refuse(one, error);
      }
    },
  };
}

function refuse({ barriers, made }: Group, error: unknown): void {
  for (const { operation } of made) if (!operation.early) operation.reject(error);
  for (const barrier of barriers) barrier.reject(error);
}
