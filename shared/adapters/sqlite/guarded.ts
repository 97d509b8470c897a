import { StorageError, storageErrorOf } from './storage-error.ts';

/**
 * A port whose methods throw `StorageError` where SQLite failed below them, on reads as on writes. `settled` is awaited before
 * it is read and before an answer is given: `CommitQueue.durable`, where what is read may rest on writes that are not on the disk
 * yet.
 */
export function guarded<T extends object>(port: T, settled?: () => Promise<void>): T {
  const methods = Object.entries(port).map(([name, value]) => {
    if (typeof value !== 'function') return [name, value];
    const call =
      settled === undefined ? value : (...parameters: unknown[]) => settledAnswer(value, parameters, settled);
    return [name, (...parameters: unknown[]) => translated(call, parameters)];
  });
  return Object.fromEntries(methods) as T;
}

async function settledAnswer(
  call: (...parameters: unknown[]) => unknown,
  parameters: readonly unknown[],
  settled: () => Promise<void>,
): Promise<unknown> {
  // Before: what is gathered until a COMMIT (counters) is in the tables then. After: nothing is told that came since and is not.
  await settled();
  const answer = await call(...parameters);
  await settled();
  return answer;
}

/** Not an async function: the ledger is called through here a dozen times a certificate. */
function translated(call: (...parameters: unknown[]) => unknown, parameters: readonly unknown[]): Promise<unknown> {
  try {
    const answer = call(...parameters);
    return answer instanceof Promise ? answer.catch(rethrow) : Promise.resolve(answer);
  } catch (error) {
    return Promise.reject(worldErrorOf(error));
  }
}

function rethrow(error: unknown): never {
  throw worldErrorOf(error);
}

/** The storage error behind a failure, or what was thrown. `node:sqlite` says ERR_INVALID_STATE of a closed database. */
export function worldErrorOf(error: unknown): unknown {
  const isClosed = error instanceof Error && 'code' in error && error.code === 'ERR_INVALID_STATE';
  return isClosed ? new StorageError('storage-closed', 'the store is closed', error) : (storageErrorOf(error) ?? error);
}
