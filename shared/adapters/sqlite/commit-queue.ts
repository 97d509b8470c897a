import type { DatabaseSync } from 'node:sqlite';
import type { LogSync } from './log-sync.ts';
import { createPace, type Pace, type Want } from './pace.ts';
import { StorageError, storageErrorOf } from './storage-error.ts';

/**
 * Group commit: the writes of all callers that come together share one transaction, and so one fsync. A write is made when
 * it is handed in, and is durable with the COMMIT of its group; groups are committed in the order they were made, so that
 * what is durable rests on nothing that is not.
 *
 * A write is a closure over prepared statements that changes nothing but the database. One that throws leaves no trace, and
 * takes nothing from those beside it.
 */
export interface CommitQueue {
  /**
   * Makes the write and resolves with its answer after COMMIT. Rejects with what `work` threw, or with a `StorageError`;
   * `ledger-overloaded` when too many wait. `committed` is called after COMMIT, before any caller goes on.
   */
  submit<T>(work: () => T, committed?: (answer: T) => void): Promise<T>;
  /** The same for many: all are taken or, when they do not fit, none. */
  submitAll<T>(
    works: readonly (() => T)[],
    committed?: (answer: T, index: number) => void,
  ): Promise<readonly PromiseSettledResult<T>[]>;
  /**
   * As `submit`, but resolves as soon as the write is made and every reader of this connection sees it. Nothing may leave the
   * process that rests on it before `durable()`, or a later `submit`, has resolved.
   */
  apply<T>(work: () => T, committed?: (answer: T) => void): Promise<T>;
  applyAll<T>(
    works: readonly (() => T)[],
    committed?: (answer: T, index: number) => void,
  ): Promise<readonly PromiseSettledResult<T>[]>;
  /** Resolves when every write made so far is durable. Rejects with a `StorageError` when that cannot be said. */
  durable(): Promise<void>;
  /** Number of the transaction that is open, or of the next one; and of the last one that is durable. */
  current(): number;
  durableThrough(): number;
  stats(): CommitStats;
  /** Commits what was made and what waits, and refuses what comes after. */
  close(): void;
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

export interface Gathered {
  /** What the write that just ended has gathered counts. */
  keep(): void;
  /** It threw: what it has gathered does not. */
  drop(): void;
  /** Writes what was kept, before COMMIT. */
  write(): void;
  /** What was kept is durable. */
  committed(): void;
  /** The transaction is rolled back, and with it what was kept. */
  lost(): void;
}

export const nothingGathered: Gathered = {
  keep: () => undefined,
  drop: () => undefined,
  write: () => undefined,
  committed: () => undefined,
  lost: () => undefined,
};

/** Several that gather, as one. */
export function gatheredTogether(parts: readonly Gathered[]): Gathered {
  const each = (method: keyof Gathered) => () => {
    for (const part of parts) part[method]();
  };
  return {
    keep: each('keep'),
    drop: each('drop'),
    write: each('write'),
    committed: each('committed'),
    lost: each('lost'),
  };
}

interface Operation {
  readonly work: () => unknown;
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
  const transaction = createTransaction(options);
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

  function one<T>(work: () => T, committed: ((answer: T) => void) | undefined, early: boolean): Promise<T> {
    try {
      admit(1);
      return enqueue(work, committed, early);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  function enqueue<T>(work: () => T, committed: ((answer: T) => void) | undefined, early: boolean): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const operation: Operation = {
        work,
        committed: committed as ((answer: unknown) => void) | undefined,
        resolve: resolve as (answer: unknown) => void,
        reject,
        early,
      };
      if (queue.length > 0 || (group?.made.length ?? 0) >= flushOperationsMax) queue.push(operation);
      else make(operation);
      pace.ask(want);
    });
  }

  /** Makes one write within the open transaction, or in a new one. */
  function make(operation: Operation): void {
    const isFirst = group === undefined;
    group ??= { number: ++number, made: [], waiters: 0, barriers: [] };
    const outcome = transaction.make(operation.work, isFirst);
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

  async function all<T>(
    works: readonly (() => T)[],
    committed: ((answer: T, index: number) => void) | undefined,
    early: boolean,
  ): Promise<readonly PromiseSettledResult<T>[]> {
    admit(works.length);
    return Promise.allSettled(
      works.map((work, index) =>
        enqueue(work, committed === undefined ? undefined : (answer) => committed(answer, index), early),
      ),
    );
  }

  return {
    submit: (work, committed) => one(work, committed, false),
    submitAll: (works, committed) => all(works, committed, false),
    apply: (work, committed) => one(work, committed, true),
    applyAll: (works, committed) => all(works, committed, true),
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

type Made =
  | { readonly kind: 'made'; readonly answer: unknown }
  /** The closure threw; the transaction stands as it was before it. */
  | { readonly kind: 'threw'; readonly error: unknown }
  /** The world failed: the transaction is rolled back, and no other write of it would have fared better. */
  | { readonly kind: 'lost'; readonly error: StorageError };

interface Transaction {
  make(work: () => unknown, isFirst: boolean): Made;
  /** Undefined, or why nothing of it was committed, as far as is known. */
  commit(): StorageError | undefined;
  /** Rolls back. */
  abandon(): void;
}

function createTransaction({ database, gathered }: CommitQueueOptions): Transaction {
  const begin = database.prepare('BEGIN IMMEDIATE');
  const commit = database.prepare('COMMIT');
  const rollback = database.prepare('ROLLBACK');
  const savepoint = database.prepare('SAVEPOINT operation');
  const release = database.prepare('RELEASE operation');
  const rollbackTo = database.prepare('ROLLBACK TO operation');

  /** After some errors (SQLITE_FULL, SQLITE_IOERR) SQLite has rolled back by itself. */
  function undo(error: unknown): StorageError {
    gathered?.lost();
    try {
      if (database.isTransaction) rollback.run();
    } catch (undoError) {
      // Nothing of it was committed; the next transaction begins by undoing it.
      return new StorageError('storage-failed', 'a transaction could not be rolled back', undoError);
    }
    return storageErrorOf(error) ?? new StorageError('storage-failed', 'a transaction was not committed', error);
  }

  return {
    make(work, isFirst) {
      try {
        if (isFirst) {
          if (database.isTransaction) rollback.run();
          begin.run();
        }
        savepoint.run();
      } catch (error) {
        return { kind: 'lost', error: undo(error) };
      }
      try {
        const answer = work();
        release.run();
        gathered?.keep();
        return { kind: 'made', answer };
      } catch (error) {
        gathered?.drop();
        if (storageErrorOf(error) !== undefined) return { kind: 'lost', error: undo(error) };
        try {
          rollbackTo.run();
          release.run();
          if (isFirst) rollback.run();
        } catch (undoError) {
          return { kind: 'lost', error: undo(undoError) };
        }
        return { kind: 'threw', error };
      }
    },
    abandon: () => void undo(undefined),
    commit() {
      try {
        gathered?.write();
        commit.run();
        gathered?.committed();
        return undefined;
      } catch (error) {
        return undo(error);
      }
    },
  };
}
