/** Copies of a database that another process writes to, and what a copy of a ledger holds. */
import { closeSync, openSync, readSync } from 'node:fs';
import { backup, DatabaseSync } from 'node:sqlite';
import { type CounterCheck, checkCounters } from '../../issuance/check-counters.ts';
import { refuseForeign } from './database.ts';
import { openRecountView } from './recount-view.ts';
import { StorageError, storageErrorOf } from './storage-error.ts';

const magic = 'SQLite format 3\0';
/** All pages in one step: the copy is of one instant, and a writer meanwhile does not make it begin anew (sqlite3_backup_step). */
const pagesAStep = 2 ** 31 - 1;
const busyTimeoutMs = 10_000;

/** True for a file that begins as an SQLite database does. */
export function isDatabase(path: string): boolean {
  const file = openSync(path, 'r');
  try {
    const head = Buffer.alloc(magic.length);
    return readSync(file, head, 0, head.length, 0) === head.length && head.toString('latin1') === magic;
  } finally {
    closeSync(file);
  }
}

/**
 * Copies a database, its write-ahead log included, while others read and write it. `to` must not exist; the copy is one file.
 * Throws `StorageError`.
 */
export async function copyDatabase(from: string, to: string): Promise<void> {
  let source: DatabaseSync | undefined;
  try {
    source = new DatabaseSync(from, { readOnly: true, timeout: busyTimeoutMs });
    await backup(source, to, { rate: pagesAStep });
    const copy = new DatabaseSync(to);
    try {
      // Without a write-ahead log of its own the copy is whole by itself.
      copy.exec('PRAGMA journal_mode = DELETE');
    } finally {
      copy.close();
    }
  } catch (error) {
    throw storageErrorOf(error) ?? error;
  } finally {
    source?.close();
  }
}

/** What a ledger holds. */
export interface LedgerContent {
  readonly schemaVersion: number;
  readonly issuances: number;
  readonly byState: Readonly<Record<string, number>>;
  /** Number of the last change: what has a higher one is not in this ledger. */
  readonly lastChange: number;
  readonly lastChangeAt: number | undefined;
  readonly authorities: number;
}

/**
 * Reads a ledger that nobody has open: every page checked, its counters held against a recount. Throws `StorageError`:
 * `state-corrupt`, `state-foreign`, `state-newer`.
 */
export async function examineLedger(
  path: string,
  onCounted?: (certificates: number) => void,
): Promise<{ readonly content: LedgerContent; readonly check: CounterCheck }> {
  const content = readContent(path);
  const view = openRecountView(path);
  try {
    return { content, check: await checkCounters(view, onCounted) };
  } finally {
    await view.close();
  }
}

function readContent(path: string): LedgerContent {
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(path, { readOnly: true, timeout: busyTimeoutMs });
    refuseForeign(database, path);
    const faults = database.prepare('PRAGMA integrity_check(3)').all();
    const said = faults.map((row) => String(Object.values(row)[0])).join('; ');
    if (said !== 'ok') throw new StorageError('state-corrupt', `${path} is damaged: ${said}`);
    const number = (sql: string) => Object.values(database!.prepare(sql).get() ?? {})[0] as number | null;
    const states = database.prepare('SELECT state, count(*) AS n FROM issuances GROUP BY state ORDER BY state').all();
    return {
      schemaVersion: number('PRAGMA user_version') ?? 0,
      issuances: number('SELECT count(*) FROM issuances') ?? 0,
      byState: Object.fromEntries(states.map(({ state, n }) => [String(state), Number(n)])),
      lastChange: number('SELECT max(change) FROM history') ?? 0,
      lastChangeAt: number('SELECT max(at) FROM history') ?? undefined,
      authorities: number('SELECT count(*) FROM authorities') ?? 0,
    };
  } catch (error) {
    throw storageErrorOf(error) ?? error;
  } finally {
    database?.close();
  }
}
