import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { resultCodeOf, StorageError } from './storage-error.ts';

export interface StateLock {
  release(): void;
}

const busy = 5;

/**
 * Makes this process the only one on the state at `path`, or throws `state-in-use` with the other's process id.
 *
 * The lock is an exclusive transaction held on a database file of its own (`path.lock`), that is, an advisory lock of
 * the operating system: it ends with the process however that dies, so nothing stale is ever left and no process id has
 * to be judged alive (ids are used again, and a container's mean nothing outside). `path.pid` is for the message only.
 * It is a file of its own because POSIX drops a process's locks on a file when any descriptor of that file is closed.
 */
export function lockState(path: string): StateLock {
  const pidPath = `${path}.pid`;
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(`${path}.lock`, { timeout: 0 });
    database.exec('BEGIN EXCLUSIVE');
  } catch (error) {
    if (database?.isOpen) database.close();
    if (resultCodeOf(error) !== busy) {
      throw new StorageError('storage-failed', `the state ${path} cannot be locked`, error);
    }
    throw new StorageError(
      'state-in-use',
      `the state ${path} is in use by process ${holderOf(pidPath)}: stop that one first`,
      error,
    );
  }
  const held = database;
  tellHolder(pidPath);
  return {
    release() {
      if (!held.isOpen) return;
      rmSync(pidPath, { force: true });
      held.close();
    },
  };
}

/** The lock stands without it: a full disk keeps no service from starting. */
function tellHolder(pidPath: string): void {
  try {
    writeFileSync(pidPath, `${process.pid}\n`);
  } catch {
    // Whoever is refused is told of an unknown process.
  }
}

function holderOf(pidPath: string): string {
  try {
    return /^[0-9]{1,10}/.exec(readFileSync(pidPath, 'latin1'))?.[0] ?? '(unknown)';
  } catch {
    return '(unknown)';
  }
}
