/**
 * Group commit. Writes that arrive in one turn of the event loop go into one transaction; each caller goes on when its own
 * write is committed. With the WAL and synchronous NORMAL a commit survives the death of the process (kill -9), not the loss
 * of power, which an emulator may suffer.
 */
import type { DatabaseSync } from 'node:sqlite';

export interface CommitQueue {
  /** Runs `write` inside the next transaction. Resolves when it is committed; rejects with what `write` threw. */
  commit(write: () => void): Promise<void>;
  /** Commits what waits. */
  flush(): void;
}

interface Waiting {
  readonly write: () => void;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

function transact(db: DatabaseSync, writes: readonly Waiting[]): void {
  db.exec('BEGIN IMMEDIATE');
  try {
    for (const { write } of writes) write();
    db.exec('COMMIT');
  } catch (error) {
    db.exec('ROLLBACK');
    throw error;
  }
}

/** A queue over a database that nothing else writes. */
export function createCommitQueue(db: DatabaseSync): CommitQueue {
  let waiting: Waiting[] = [];

  function commitAlone(one: Waiting): void {
    try {
      transact(db, [one]);
      one.resolve();
    } catch (error) {
      one.reject(error);
    }
  }

  function flush(): void {
    const batch = waiting;
    waiting = [];
    if (batch.length === 0) return;
    try {
      transact(db, batch);
    } catch {
      // One write that cannot be done must not take the others with it: each again, on its own.
      for (const one of batch) commitAlone(one);
      return;
    }
    for (const { resolve } of batch) resolve();
  }

  function commit(write: () => void): Promise<void> {
    return new Promise((resolve, reject) => {
      waiting.push({ write, resolve, reject });
      if (waiting.length === 1) setImmediate(flush);
    });
  }

  return { commit, flush };
}
