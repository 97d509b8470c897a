import { StorageError, storageErrorOf } from './storage-error.ts';

/**
 * A port whose methods throw `StorageError` where SQLite failed below them, on reads as on writes. `settled` is awaited before
 * an answer is given: `CommitQueue.durable`, where what is read may rest on writes that are not on the disk yet.
 */
export function guarded<T extends object>(port: T, settled?: () => Promise<void>): T {
  const methods = Object.entries(port).map(([name, value]) => {
    if (typeof value !== 'function') return [name, value];
    return [
      name,
      async (...parameters: unknown[]) => {
        try {
          const answer = await value(...parameters);
          if (settled !== undefined) await settled();
          return answer;
        } catch (error) {
          throw worldErrorOf(error);
        }
      },
    ];
  });
  return Object.fromEntries(methods) as T;
}

/** The storage error behind a failure, or what was thrown. `node:sqlite` says ERR_INVALID_STATE of a closed database. */
export function worldErrorOf(error: unknown): unknown {
  const isClosed = error instanceof Error && 'code' in error && error.code === 'ERR_INVALID_STATE';
  return isClosed ? new StorageError('storage-closed', 'the store is closed', error) : (storageErrorOf(error) ?? error);
}
