import { closeSync, fdatasync, fdatasyncSync, openSync } from 'node:fs';
import { StorageError } from './storage-error.ts';

/**
 * Syncs the write-ahead log of a database that is open with `synchronous = NORMAL`. What `synchronous = FULL` does within
 * each COMMIT, with the process standing still for it, is done here beside it: a commit whose frames are in the log when a
 * sync begins is on the disk when it ends (https://www.sqlite.org/wal.html, https://www.sqlite.org/pragma.html#pragma_synchronous;
 * before a checkpoint, and when the log begins anew, SQLite syncs by itself).
 */
export interface LogSync {
  /** Resolves when everything that was committed before the call is on the disk. */
  start(): Promise<void>;
  /** The same, before it returns. */
  now(): void;
  close(): void;
}

/** The log of the database at `path` must exist: it does once the database was read or written. */
export function openLogSync(path: string): LogSync {
  const file = openSync(`${path}-wal`, 'r+');
  return {
    start: () =>
      new Promise((resolve, reject) => {
        fdatasync(file, (error) => (error === null ? resolve() : reject(failed(error))));
      }),
    now() {
      try {
        fdatasyncSync(file);
      } catch (error) {
        throw failed(error);
      }
    },
    close: () => closeSync(file),
  };
}

function failed(cause: unknown): StorageError {
  return new StorageError('storage-failed', 'the write-ahead log could not be synced', cause);
}
