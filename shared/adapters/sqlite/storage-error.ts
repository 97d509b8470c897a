/**
 * What the store throws when the world is at fault. A caller tells a full disk from a broken one by `code`; `cause` has
 * SQLite's own error.
 */
export type StorageErrorCode =
  /** No space for the write. Nothing of it is stored; the store works again once there is space. */
  | 'storage-full'
  /** The write or read failed below SQLite. Whether a commit took effect is unknown: read again. */
  | 'storage-failed'
  /** More writes wait than the commit queue holds. Nothing of the call was written. */
  | 'ledger-overloaded'
  | 'storage-closed'
  /** Another process has this state open. */
  | 'state-in-use'
  /** Written by a newer version of this program. */
  | 'state-newer'
  /** A database of something else. */
  | 'state-foreign'
  | 'state-corrupt';

export class StorageError extends Error {
  readonly code: StorageErrorCode;

  constructor(code: StorageErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'StorageError';
    this.code = code;
  }
}

/** Primary result codes of SQLite (https://www.sqlite.org/rescode.html) that mean: the world failed, not the statement. */
const worldCodes: ReadonlyMap<number, StorageErrorCode> = new Map([
  [3, 'storage-failed'], // PERM
  [5, 'storage-failed'], // BUSY: somebody outside holds the write lock beyond the busy timeout
  [6, 'storage-failed'], // LOCKED
  [7, 'storage-failed'], // NOMEM
  [8, 'storage-failed'], // READONLY
  [10, 'storage-failed'], // IOERR
  [11, 'state-corrupt'], // CORRUPT
  [13, 'storage-full'], // FULL
  [14, 'storage-failed'], // CANTOPEN
  [15, 'storage-failed'], // PROTOCOL
  [26, 'state-corrupt'], // NOTADB
]);

/** SQLite's primary result code of an error of `node:sqlite`, undefined for any other error. */
export function resultCodeOf(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('errcode' in error) || typeof error.errcode !== 'number') return undefined;
  return error.errcode & 0xff;
}

/** The storage error behind a failure of SQLite; undefined when the statement, not the world, was at fault. */
export function storageErrorOf(error: unknown): StorageError | undefined {
  if (error instanceof StorageError) return error;
  const code = worldCodes.get(resultCodeOf(error) ?? -1);
  return code === undefined ? undefined : new StorageError(code, `SQLite: ${(error as Error).message}`, error);
}

/** True for a violated UNIQUE or PRIMARY KEY (SQLITE_CONSTRAINT). */
export function isConstraintError(error: unknown): boolean {
  return resultCodeOf(error) === 19;
}
