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
          throw closedErrorOf(error) ?? storageErrorOf(error) ?? error;
        }
      },
    ];
  });
  return Object.fromEntries(methods) as T;
}

/** `node:sqlite` answers ERR_INVALID_STATE for a database that is closed. */
function closedErrorOf(error: unknown): StorageError | undefined {
  const isClosed = error instanceof Error && 'code' in error && error.code === 'ERR_INVALID_STATE';
  return isClosed ? new StorageError('storage-closed', 'the store is closed', error) : undefined;
}
