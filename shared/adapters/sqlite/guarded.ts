import { StorageError, storageErrorOf } from './storage-error.ts';

/** A port whose methods throw `StorageError` where SQLite failed below them, on reads as on writes. */
export function guarded<T extends object>(port: T): T {
  const methods = Object.entries(port).map(([name, value]) => {
    if (typeof value !== 'function') return [name, value];
    return [
      name,
      async (...parameters: unknown[]) => {
        try {
          return await value(...parameters);
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
