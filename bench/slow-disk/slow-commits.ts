/**
 * Loaded first into every process of a measured service (`node --import`): each COMMIT takes so many milliseconds more, the
 * thread standing still meanwhile as it does in fsync(2), and is counted. `slow-commits.ts?ms=…&dir=…`. Nothing of the product
 * knows of it: node:sqlite's own methods are wrapped.
 *
 * With WAL and synchronous FULL a commit syncs once (https://www.sqlite.org/pragma.html#pragma_synchronous); the one that
 * checkpoints, every 2,000 pages or so, syncs twice more, which is not delayed.
 */
import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync, StatementSync } from 'node:sqlite';
import { threadId } from 'node:worker_threads';

const { searchParams } = new URL(import.meta.url);
const delayMs = Number(searchParams.get('ms') ?? 0);
const dir = searchParams.get('dir');

const pause = new Int32Array(new SharedArrayBuffer(4));
let commits = 0;
let committedMs = 0;

function committing<T>(commit: () => T): T {
  const startedAt = performance.now();
  const answer = commit();
  if (delayMs > 0) Atomics.wait(pause, 0, 0, delayMs);
  commits += 1;
  committedMs += performance.now() - startedAt;
  return answer;
}

const isCommit = (sql: string) => /^\s*(COMMIT|END)\b/i.test(sql);
const commitStatements = new WeakSet<StatementSync>();

const { exec, prepare } = DatabaseSync.prototype;
DatabaseSync.prototype.prepare = function (this: DatabaseSync, ...args: Parameters<typeof prepare>) {
  const statement = prepare.apply(this, args);
  if (isCommit(args[0])) commitStatements.add(statement);
  return statement;
};
DatabaseSync.prototype.exec = function (this: DatabaseSync, sql: string) {
  return isCommit(sql) ? committing(() => exec.call(this, sql)) : exec.call(this, sql);
};
const { run } = StatementSync.prototype;
StatementSync.prototype.run = function (this: StatementSync, ...args: Parameters<typeof run>) {
  return commitStatements.has(this) ? committing(() => run.apply(this, args)) : run.apply(this, args);
} as typeof run;

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
