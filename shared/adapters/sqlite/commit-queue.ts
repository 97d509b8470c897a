import type { DatabaseSync } from 'node:sqlite';
import { StorageError, storageErrorOf } from './storage-error.ts';

/**
 * Group commit: the writes of all callers that meet in one turn of the event loop share one transaction, and so one
 * fsync (about 3 × the throughput of a commit each, with synchronous FULL).
 *
 * A write is a closure over prepared statements. It may run twice, so it changes nothing but the database; and since no
 * savepoint guards it, it makes every check before its first statement that writes.
 */
export interface CommitQueue {
  /**
   * Runs `work` in the next group; resolves with its answer after COMMIT. Rejects with what `work` threw, or with a
   * `StorageError`; `ledger-overloaded` when the queue is full. `committed` is called after COMMIT, before any caller goes on.
   */
  submit<T>(work: () => T, committed?: (answer: T) => void): Promise<T>;
  /** The same for many: all are queued or, when they do not fit, none. */
  submitAll<T>(
    works: readonly (() => T)[],
    committed?: (answer: T, index: number) => void,
  ): Promise<readonly PromiseSettledResult<T>[]>;
  stats(): CommitStats;
  /** Commits what waits and refuses what comes after. */
  close(): void;
}

export interface CommitStats {
  /** Groups tried. */
  readonly flushes: number;
  /** Writes durable so far. */
  readonly operations: number;
  /** Groups taken apart because one of their writes threw. */
  readonly isolations: number;
  readonly queued: number;
}

export interface CommitQueueOptions {
  readonly database: DatabaseSync;
  /** Writes in one transaction at most. */
  readonly flushOperationsMax: number;
  readonly queuedOperationsMax: number;
  /** Writes what the closures of a transaction have gathered (sums), once, before its COMMIT. */
  readonly beforeCommit?: () => void;
  /** Forgets what was gathered: called before each transaction. */
  readonly beforeGroup?: () => void;
}

interface Operation {
  readonly work: () => unknown;
  readonly committed: ((answer: unknown) => void) | undefined;
  readonly resolve: (answer: unknown) => void;
  readonly reject: (error: unknown) => void;
}

export function createCommitQueue(options: CommitQueueOptions): CommitQueue {
  const { flushOperationsMax, queuedOperationsMax } = options;
  const counts = { flushes: 0, operations: 0, isolations: 0 };
  const commitGroup = createGroupCommit(createTransaction(options), counts);
  let queue: Operation[] = [];
  let scheduled = false;
  let closed = false;

  function admit(count: number): void {
    if (closed) throw new StorageError('storage-closed', 'the store is closed');
    if (queue.length + count > queuedOperationsMax) {
      throw new StorageError(
        'ledger-overloaded',
        `${queue.length} writes wait already, of at most ${queuedOperationsMax}`,
      );
    }
  }

  function schedule(): void {
    if (scheduled || queue.length === 0) return;
    scheduled = true;
    // The check phase comes after all input that is ready has been read: every request of this turn joins the group.
    setImmediate(() => {
      scheduled = false;
      flush();
      schedule();
    });
  }

  function enqueue<T>(work: () => T, committed: ((answer: T) => void) | undefined): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      queue.push({
        work,
        committed: committed as ((answer: unknown) => void) | undefined,
        resolve: resolve as (answer: unknown) => void,
        reject,
      });
    });
  }

  function flush(): void {
    if (queue.length === 0) return;
    const group = queue.length <= flushOperationsMax ? queue : queue.slice(0, flushOperationsMax);
    queue = group === queue ? [] : queue.slice(flushOperationsMax);
    commitGroup(group);
  }

  return {
    async submit(work, committed) {
      admit(1);
      const answer = enqueue(work, committed);
      schedule();
      return answer;
    },
    async submitAll(works, committed) {
      admit(works.length);
      const answers = works.map((work, index) =>
        enqueue(work, committed === undefined ? undefined : (answer) => committed(answer, index)),
      );
      schedule();
      return Promise.allSettled(answers);
    },
    stats: () => ({ ...counts, queued: queue.length }),
    close() {
      closed = true;
      while (queue.length > 0) flush();
    },
  };
}

/** Commits a group in one transaction or, when one of its writes throws, each in a transaction of its own. */
function createGroupCommit(
  transaction: Transaction,
  counts: { flushes: number; operations: number; isolations: number },
): (group: readonly Operation[]) => void {
  function settle(group: readonly Operation[], answers: readonly unknown[]): void {
    counts.operations += group.length;
    for (let index = 0; index < group.length; index++) group[index]!.resolve(answers[index]);
    for (let index = 0; index < group.length; index++) group[index]!.committed?.(answers[index]);
  }

  function isolate(group: readonly Operation[]): void {
    counts.isolations += 1;
    for (const operation of group) {
      const alone = transaction([operation]);
      if (alone.kind === 'committed') settle([operation], alone.answers);
      else refuse([operation], alone.error);
    }
  }

  return (group) => {
    counts.flushes += 1;
    const outcome = transaction(group);
    if (outcome.kind === 'committed') settle(group, outcome.answers);
    else if (outcome.kind === 'storage' || group.length === 1) refuse(group, outcome.error);
    else isolate(group);
  };
}

function refuse(group: readonly Operation[], error: unknown): void {
  for (const operation of group) operation.reject(error);
}

type TransactionOutcome =
  | { readonly kind: 'committed'; readonly answers: readonly unknown[] }
  /** The world failed: no write of the group would have fared better alone. */
  | { readonly kind: 'storage'; readonly error: StorageError }
  /** A closure threw. */
  | { readonly kind: 'threw'; readonly error: unknown };

type Transaction = (group: readonly Operation[]) => TransactionOutcome;

/** Runs closures in one transaction: all of them are durable, or none has left a trace. */
function createTransaction(options: CommitQueueOptions): Transaction {
  const { database, beforeCommit, beforeGroup } = options;
  const begin = database.prepare('BEGIN IMMEDIATE');
  const commit = database.prepare('COMMIT');
  const rollback = database.prepare('ROLLBACK');
  function undo(): void {
    // After some errors (SQLITE_FULL, SQLITE_IOERR) SQLite has rolled back by itself.
    if (database.isTransaction) rollback.run();
  }
  return (group) => {
    beforeGroup?.();
    try {
      // One that could not be undone then, because the disk was gone: nothing of it was committed.
      undo();
      begin.run();
      const answers = group.map((operation) => operation.work());
      beforeCommit?.();
      commit.run();
      return { kind: 'committed', answers };
    } catch (error) {
      try {
        undo();
      } catch (undoError) {
        return {
          kind: 'storage',
          error: new StorageError('storage-failed', 'a transaction could not be rolled back', undoError),
        };
      }
      const storage = storageErrorOf(error);
      return storage === undefined ? { kind: 'threw', error } : { kind: 'storage', error: storage };
    }
  };
}
