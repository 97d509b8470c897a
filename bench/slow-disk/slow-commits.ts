/**
 * Loaded first into every process of a measured service (`node --import`): each sync of a log takes so many milliseconds
 * more, and commits are counted. `slow-commits.ts?ms=…&dir=…`. Nothing of the product knows of it: the methods of node:sqlite
 * and node:fs are wrapped.
 *
 * With synchronous FULL a COMMIT syncs once (https://www.sqlite.org/pragma.html#pragma_synchronous), the thread standing still
 * meanwhile; with NORMAL whoever commits calls fdatasync. The syncs of a checkpoint, every some thousand pages, are not delayed.
 */
import fs, { renameSync, writeFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import { DatabaseSync, StatementSync } from 'node:sqlite';
import { threadId } from 'node:worker_threads';

const { searchParams } = new URL(import.meta.url);
const delayMs = Number(searchParams.get('ms') ?? 0);
const dir = searchParams.get('dir');

const pause = new Int32Array(new SharedArrayBuffer(4));
let commits = 0;
let committedMs = 0;

function committing<T>(database: DatabaseSync, commit: () => T): T {
  const startedAt = performance.now();
  const answer = commit();
  if (delayMs > 0 && syncsAtCommit(database)) Atomics.wait(pause, 0, 0, delayMs);
  commits += 1;
  committedMs += performance.now() - startedAt;
  return answer;
}

const isCommit = (sql: string) => /^\s*(COMMIT|END)\b/i.test(sql);
const commitStatements = new WeakMap<StatementSync, DatabaseSync>();

const { exec, prepare } = DatabaseSync.prototype;
DatabaseSync.prototype.prepare = function (this: DatabaseSync, ...args: Parameters<typeof prepare>) {
  const statement = prepare.apply(this, args);
  if (isCommit(args[0])) commitStatements.set(statement, this);
  return statement;
};
DatabaseSync.prototype.exec = function (this: DatabaseSync, sql: string) {
  return isCommit(sql) ? committing(this, () => exec.call(this, sql)) : exec.call(this, sql);
};
const { run } = StatementSync.prototype;
StatementSync.prototype.run = function (this: StatementSync, ...args: Parameters<typeof run>) {
  const database = commitStatements.get(this);
  return database === undefined ? run.apply(this, args) : committing(database, () => run.apply(this, args));
} as typeof run;

const synchronousFull = 2;
const modes = new WeakMap<DatabaseSync, boolean>();

function syncsAtCommit(database: DatabaseSync): boolean {
  let known = modes.get(database);
  if (known === undefined) {
    const row = prepare.call(database, 'PRAGMA synchronous').get() as { readonly synchronous: number };
    known = row.synchronous >= synchronousFull;
    modes.set(database, known);
  }
  return known;
}

const { fdatasync } = fs;
fs.fdatasync = ((file: number, done: (error: NodeJS.ErrnoException | null) => void) =>
  fdatasync(file, (error) => setTimeout(done, delayMs, error))) as typeof fdatasync;
syncBuiltinESMExports();

/** What one thread has committed since its start. */
export interface CommitCount {
  readonly commits: number;
  /** Wall clock, the delay included. */
  readonly committedMs: number;
}

if (dir !== null) {
  const file = join(dir, `${process.pid}-${threadId}.json`);
  setInterval(() => {
    try {
      const count: CommitCount = { commits, committedMs };
      writeFileSync(`${file}.new`, JSON.stringify(count));
      renameSync(`${file}.new`, file);
    } catch {
      // The folder goes before the last process does.
    }
  }, 100).unref();
}
