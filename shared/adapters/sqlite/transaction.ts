import type { DatabaseSync } from 'node:sqlite';
import { StorageError, storageErrorOf } from './storage-error.ts';

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

/** What is made within a transaction: see `CommitQueue` for what `plain` promises. */
export interface Write {
  readonly work: () => unknown;
  readonly plain: boolean;
}

export type Made =
  | { readonly kind: 'made'; readonly answer: unknown }
  /** The closure threw; the transaction stands as it was before it. */
  | { readonly kind: 'threw'; readonly error: unknown }
  /** The world failed: the transaction is rolled back, and no other write of it would have fared better. */
  | { readonly kind: 'lost'; readonly error: StorageError };

export interface Transaction {
  make(operation: Write, isFirst: boolean): Made;
  /** Undefined, or why nothing of it was committed, as far as is known. */
  commit(): StorageError | undefined;
  /** Rolls back. */
  abandon(): void;
}

export function createTransaction(database: DatabaseSync, gathered: Gathered | undefined): Transaction {
  const begin = database.prepare('BEGIN IMMEDIATE');
  const commit = database.prepare('COMMIT');
  const rollback = database.prepare('ROLLBACK');
  const savepoint = database.prepare('SAVEPOINT operation');
  const release = database.prepare('RELEASE operation');
  const rollbackTo = database.prepare('ROLLBACK TO operation');

  /** After some errors (SQLITE_FULL, SQLITE_IOERR) SQLite has rolled back by itself. What is gathered is told after it: it may read. */
  function undo(error: unknown): StorageError {
    try {
      if (database.isTransaction) rollback.run();
    } catch (undoError) {
      // Nothing of it was committed; the next transaction begins by undoing it.
      return new StorageError('storage-failed', 'a transaction could not be rolled back', undoError);
    } finally {
      gathered?.lost();
    }
    return storageErrorOf(error) ?? new StorageError('storage-failed', 'a transaction was not committed', error);
  }

  return {
    make({ plain, work }, isFirst) {
      try {
        if (isFirst) {
          if (database.isTransaction) rollback.run();
          begin.run();
        }
        if (!plain) savepoint.run();
      } catch (error) {
        return { kind: 'lost', error: undo(error) };
      }
      try {
        const answer = work();
        if (!plain) release.run();
        gathered?.keep();
        return { kind: 'made', answer };
      } catch (error) {
        gathered?.drop();
        if (storageErrorOf(error) !== undefined) return { kind: 'lost', error: undo(error) };
        try {
          if (!plain) {
            rollbackTo.run();
            release.run();
          }
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
