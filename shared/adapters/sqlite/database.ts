import { statSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { applicationId, migrations } from './schema.ts';
import { resultCodeOf, StorageError, storageErrorOf } from './storage-error.ts';

export interface DatabaseOptions {
  /** A file, or `:memory:`. */
  readonly path: string;
  /** WAL pages (4 KiB) after which a commit checkpoints. 1,000 to 4,000: fewer cost fsyncs, more cost a longer stall. */
  readonly walPagesMax: number;
  /** The file may grow to this many pages of 4 KiB; beyond it writes answer `storage-full`. */
  readonly pageCountMax?: number;
  /** A file up to this size is checked page by page at start; beyond it only its header and tables are. */
  readonly integrityCheckBytesMax: number;
  /** FULL, unless said otherwise: NORMAL is for who syncs the log by itself (`log-sync.ts`). */
  readonly synchronous?: 'FULL' | 'NORMAL';
}

/** How long a write waits for somebody outside who holds the file's write lock (a backup tool); the event loop waits too. */
const busyTimeoutMs = 2_000;
/** The WAL file is cut back to this after a checkpoint that emptied it, when a long reader had let it grow. */
const walBytesKept = 64 * 1024 * 1024;

/**
 * Opens, or makes, the database: WAL with synchronous FULL, so that a commit is on the disk when it returns
 * (https://www.sqlite.org/pragma.html#pragma_synchronous). Throws `StorageError`.
 */
export function openDatabase(options: DatabaseOptions): DatabaseSync {
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(options.path, { timeout: busyTimeoutMs });
    refuseForeign(database, options.path);
    database.exec(`
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = ${options.synchronous ?? 'FULL'};
      PRAGMA wal_autocheckpoint = ${options.walPagesMax};
      PRAGMA journal_size_limit = ${walBytesKept};
      PRAGMA cache_size = -16384;
      PRAGMA temp_store = MEMORY;
      PRAGMA foreign_keys = OFF;
    `);
    if (options.pageCountMax !== undefined) database.exec(`PRAGMA max_page_count = ${options.pageCountMax}`);
    checkIntegrity(database, options);
    migrate(database);
    return database;
  } catch (error) {
    if (database?.isOpen) database.close();
    throw storageErrorOf(error) ?? error;
  }
}

/** Refuses a file of another program or of a newer version before anything is written to it. */
export function refuseForeign(database: DatabaseSync, path: string): void {
  const version = pragma(database, 'user_version');
  const id = pragma(database, 'application_id');
  const tables = database.prepare('SELECT count(*) AS n FROM sqlite_schema').get()!.n as number;
  if (tables > 0 && id !== applicationId) {
    throw new StorageError('state-foreign', `${path} is a database, but not one of this program`);
  }
  if (version > migrations.length) {
    throw new StorageError(
      'state-newer',
      `${path} has schema version ${version}, this program knows ${migrations.length}: use the newer program`,
    );
  }
}

function pragma(database: DatabaseSync, name: string): number {
  return Object.values(database.prepare(`PRAGMA ${name}`).get()!)[0] as number;
}

function checkIntegrity(database: DatabaseSync, options: DatabaseOptions): void {
  if (options.path === ':memory:') return;
  const bytes = statSync(options.path).size;
  if (bytes > options.integrityCheckBytesMax) return;
  let found: unknown;
  try {
    found = database.prepare('PRAGMA quick_check(1)').get()?.quick_check;
  } catch (error) {
    if (resultCodeOf(error) !== 11) throw error;
    found = (error as Error).message;
  }
  if (found !== 'ok') throw new StorageError('state-corrupt', `${options.path} is damaged: ${String(found)}`);
}

/** Each migration with its version number in one transaction: a start that is killed in between goes on from there. */
function migrate(database: DatabaseSync): void {
  for (let version = pragma(database, 'user_version'); version < migrations.length; version++) {
    database.exec('BEGIN IMMEDIATE');
    try {
      database.exec(migrations[version]!);
      database.exec(`PRAGMA application_id = ${applicationId}; PRAGMA user_version = ${version + 1}`);
      database.exec('COMMIT');
    } catch (error) {
      if (database.isTransaction) database.exec('ROLLBACK');
      throw error;
    }
  }
}

/** Size of the write-ahead log in bytes: one that keeps growing has a reader that never ends, and deserves an alarm. */
export function walBytes(path: string): number {
  return statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0;
}
