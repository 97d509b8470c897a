import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  type CommitQueue,
  type CommitQueueOptions,
  createCommitQueue,
} from '../../shared/adapters/sqlite/commit-queue.ts';
import type { LogSync } from '../../shared/adapters/sqlite/log-sync.ts';
import { createPace } from '../../shared/adapters/sqlite/pace.ts';

let database: DatabaseSync;
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sealwright-commit-'));
  database = new DatabaseSync(join(folder, 'test.sqlite'));
  database.exec('PRAGMA journal_mode = WAL; CREATE TABLE notes (text TEXT NOT NULL UNIQUE) STRICT');
});
afterEach(() => {
  if (database.isOpen) database.close();
  rmSync(folder, { recursive: true, force: true });
});

function queueOf(options: Partial<CommitQueueOptions> = {}): CommitQueue {
  return createCommitQueue({ database, flushOperationsMax: 100, queuedOperationsMax: 1_000, ...options });
}

const write = (text: string) => () => {
  database.prepare('INSERT INTO notes (text) VALUES (?)').run(text);
  return text;
};

/** As another process would see it. */
function stored(): readonly string[] {
  const other = new DatabaseSync(join(folder, 'test.sqlite'), { readOnly: true });
  const rows = other.prepare('SELECT text FROM notes ORDER BY rowid').all();
  other.close();
  return rows.map((row) => row.text as string);
}

describe('group commit', () => {
  it('commits what one turn of the event loop asks for in one transaction (one-flush)', async () => {
    const queue = queueOf();
    const answers = await Promise.all(['a', 'b', 'c'].map((text) => queue.submit(write(text))));
    expect(answers).toEqual(['a', 'b', 'c']);
    expect(queue.stats()).toEqual({ flushes: 1, operations: 3, queued: 0 });
  });

  it('answers after COMMIT only (durable-on-return)', async () => {
    const queue = queueOf();
    const seen: (readonly string[])[] = [];
    const first = queue.submit(write('a'), { committed: () => seen.push(stored()) }).then(() => seen.push(stored()));
    expect(stored()).toEqual([]);
    await first;
    expect(seen).toEqual([['a'], ['a']]);
  });

  it('puts a bounded number of writes into one transaction (flush-bound)', async () => {
    const queue = queueOf({ flushOperationsMax: 4 });
    await queue.submitAll(Array.from({ length: 10 }, (_, n) => write(`${n}`)));
    expect(queue.stats()).toMatchObject({ flushes: 3, operations: 10 });
    expect(stored()).toHaveLength(10);
  });

  it('fails a write that throws alone, and takes nothing from those beside it (isolation)', async () => {
    const queue = queueOf();
    const bad = () => {
      write('half')();
      throw new Error('a broken invariant');
    };
    const settled = await queue.submitAll<string>([write('a'), bad, write('b'), write('a'), write('c')]);
    expect(settled.map(({ status }) => status)).toEqual([
      'fulfilled',
      'rejected',
      'fulfilled',
      'rejected',
      'fulfilled',
    ]);
    expect(stored()).toEqual(['a', 'b', 'c']);
    expect(queue.stats()).toMatchObject({ operations: 3 });
    await expect(queue.submit(bad)).rejects.toThrow('a broken invariant');
    expect(stored()).toEqual(['a', 'b', 'c']);
  });

  it('takes a plain write by its word: one that throws has changed nothing, and takes nothing along (plain)', async () => {
    const queue = queueOf();
    const bad = () => {
      throw new Error('refused');
    };
    const settled = await queue.submitAll<string>([write('a'), bad, write('b')], { plain: true });
    expect(settled.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    await expect(queue.submit(bad, { plain: true })).rejects.toThrow('refused');
    await queue.submit(write('c'), { plain: true });
    expect(stored()).toEqual(['a', 'b', 'c']);
  });

  it('refuses a call that does not fit, whole (ledger-overloaded)', async () => {
    const queue = queueOf({ queuedOperationsMax: 3 });
    const taken = queue.submitAll([write('a'), write('b')]);
    await expect(queue.submitAll([write('c'), write('d')])).rejects.toMatchObject({ code: 'ledger-overloaded' });
    const last = queue.submit(write('e'));
    await expect(queue.submit(write('f'))).rejects.toMatchObject({ code: 'ledger-overloaded' });
    await Promise.all([taken, last]);
    expect(stored()).toEqual(['a', 'b', 'e']);
    await queue.submit(write('g'));
  });

  it('writes what a transaction gathered with it, and nothing of a write that threw (gathered)', async () => {
    let gathered: string[] = [];
    let kept: string[] = [];
    const queue = queueOf({
      gathered: {
        keep: () => {
          kept.push(...gathered);
          gathered = [];
        },
        drop: () => {
          gathered = [];
        },
        write: () => write(`sum ${kept.join('')}`)(),
        committed: () => {
          kept = [];
        },
        lost: () => {
          kept = [];
        },
      },
    });
    const gather = (text: string) => () => {
      gathered.push(text);
      return write(text)();
    };
    await queue.submitAll([gather('a'), gather('b')]);
    expect(stored()).toEqual(['a', 'b', 'sum ab']);
    await queue.submitAll([gather('c'), gather('a'), gather('d')]);
    expect(stored()).toEqual(['a', 'b', 'sum ab', 'c', 'd', 'sum cd']);
  });
});

describe('writes that are answered before they are durable', () => {
  it('are made at once, seen by every reader of the connection, and on the disk with the next COMMIT (applied)', async () => {
    const queue = queueOf();
    const here = () => database.prepare('SELECT text FROM notes ORDER BY rowid').all().length;
    let committed = false;
    const answer = queue.apply(write('a'), {
      committed: () => {
        committed = true;
      },
    });
    expect([here(), stored().length, committed]).toEqual([1, 0, false]);
    expect(await answer).toBe('a');
    expect([stored().length, committed]).toEqual([0, false]);
    await queue.durable();
    expect(stored()).toEqual(['a']);
    expect(committed).toBe(true);
    await queue.durable();
  });

  it('are durable before any later write is answered as such (order)', async () => {
    const queue = queueOf();
    await queue.apply(write('a'));
    await queue.submit(write('b'));
    expect(stored()).toEqual(['a', 'b']);
  });

  it('are gone when their group is, and whoever waits for them is told (lost)', async () => {
    const queue = queueOf();
    const pages = database.prepare('PRAGMA page_count').get()!.page_count as number;
    database.exec(`PRAGMA max_page_count = ${pages + 2}`);
    await queue.apply(write('a'));
    const durable = queue.durable();
    const full = queue.submit(write('b'.repeat(40_000)));
    await expect(durable).rejects.toMatchObject({ code: 'storage-full' });
    await expect(full).rejects.toMatchObject({ code: 'storage-full' });
    expect(stored()).toEqual([]);
    await queue.submit(write('c'));
    expect(stored()).toEqual(['c']);
  });

  it('wait for what is under way, up to a number, so that a group fills (pace)', async () => {
    const pace = createPace({ countMin: 3, holdMsMax: 60_000 });
    const queue = queueOf({ pace });
    pace.begin();
    const first = queue.submit(write('a'));
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(stored()).toEqual([]);
    const others = [queue.submit(write('b')), queue.submit(write('c'))];
    await Promise.all([first, ...others]);
    expect(stored()).toEqual(['a', 'b', 'c']);
    const last = queue.submit(write('d'));
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(stored()).toHaveLength(3);
    pace.end();
    await last;
    expect(stored()).toHaveLength(4);
  });
});

describe('group commit when the world fails', () => {
  it('writes nothing when the disk is full, says so to every caller, and goes on when there is space (storage-full)', async () => {
    const queue = queueOf();
    const pages = database.prepare('PRAGMA page_count').get()!.page_count as number;
    database.exec(`PRAGMA max_page_count = ${pages + 2}`);
    const big = Array.from({ length: 6 }, (_, n) => write(`${n}`.repeat(4_000)));
    const settled = await queue.submitAll([write('small'), ...big]);
    for (const result of settled)
      expect(result).toMatchObject({ status: 'rejected', reason: { code: 'storage-full' } });
    expect(stored()).toEqual([]);
    expect(await queue.submit(write('small'))).toBe('small');
    database.exec(`PRAGMA max_page_count = ${pages + 100}`);
    for (const result of await queue.submitAll(big)) expect(result.status).toBe('fulfilled');
    expect(stored()).toHaveLength(7);
  });

  it('tells a failed disk from a failed write (storage-failed)', async () => {
    const queue = queueOf();
    database.exec('PRAGMA query_only = ON');
    const settled = await queue.submitAll([write('a'), write('b')]);
    for (const result of settled)
      expect(result).toMatchObject({ status: 'rejected', reason: { code: 'storage-failed' } });
    database.exec('PRAGMA query_only = OFF');
    await queue.submit(write('c'));
    expect(stored()).toEqual(['c']);
  });

  it('rejects every caller when somebody else holds the write lock for too long (storage-failed)', async () => {
    database.exec('PRAGMA busy_timeout = 1');
    const queue = queueOf();
    const other = new DatabaseSync(join(folder, 'test.sqlite'));
    other.exec('BEGIN IMMEDIATE');
    await expect(queue.submit(write('a'))).rejects.toMatchObject({ code: 'storage-failed' });
    other.exec('ROLLBACK');
    other.close();
    await queue.submit(write('a'));
  });

  it('commits what waits when it is closed, and refuses what comes after (storage-closed)', async () => {
    const queue = queueOf({ flushOperationsMax: 2 });
    const waiting = queue.submitAll(['a', 'b', 'c'].map(write));
    queue.close();
    expect(stored()).toEqual(['a', 'b', 'c']);
    for (const result of await waiting) expect(result.status).toBe('fulfilled');
    await expect(queue.submit(write('d'))).rejects.toMatchObject({ code: 'storage-closed' });
  });
});

/** A log whose syncs end when they are told to. */
function heldSync() {
  const waiting: { readonly resolve: () => void; readonly reject: (error: Error) => void }[] = [];
  const counts = { started: 0, now: 0 };
  const sync: LogSync = {
    start: () => {
      counts.started += 1;
      return new Promise((resolve, reject) => void waiting.push({ resolve, reject }));
    },
    now: () => {
      counts.now += 1;
    },
    close: () => undefined,
  };
  return { sync, counts, next: () => waiting.shift()! };
}

const turn = () => new Promise((resolve) => setTimeout(resolve, 5));

describe('group commit beside a sync of its own', () => {
  it('answers when the sync has ended that began after its COMMIT, and holds the next commit until then (synced)', async () => {
    const { sync, counts, next } = heldSync();
    const queue = queueOf({ sync });
    const answered: string[] = [];
    const submit = (text: string) => queue.submit(write(text)).then((one) => answered.push(one));
    const first = submit('a');
    await turn();
    expect([stored(), answered, counts.started]).toEqual([['a'], [], 1]);
    const others = [submit('b'), submit('c')];
    await turn();
    expect([stored(), counts.started]).toEqual([['a'], 1]);
    next().resolve();
    await first;
    await turn();
    expect([stored(), answered, counts.started]).toEqual([['a', 'b', 'c'], ['a'], 2]);
    next().resolve();
    await Promise.all(others);
    expect(answered).toEqual(['a', 'b', 'c']);
    expect(queue.durableThrough()).toBe(2);
  });

  it('has nothing durable that is only committed (durable-waits)', async () => {
    const { sync, next } = heldSync();
    const queue = queueOf({ sync });
    await queue.apply(write('a'));
    await turn();
    let durable = false;
    const waited = queue.durable().then(() => {
      durable = true;
    });
    await turn();
    expect([stored(), durable, queue.durableThrough()]).toEqual([['a'], false, 0]);
    next().resolve();
    await waited;
    expect(queue.durableThrough()).toBe(1);
  });

  it('refuses for good once a sync has failed: nobody knows what is on the disk (sync-failed)', async () => {
    const { sync, next } = heldSync();
    const queue = queueOf({ sync });
    const first = queue.submit(write('a'));
    await turn();
    const second = queue.submit(write('b'));
    next().reject(new Error('EIO'));
    await expect(first).rejects.toMatchObject({ code: 'storage-failed' });
    await expect(second).rejects.toMatchObject({ code: 'storage-failed' });
    await expect(queue.submit(write('c'))).rejects.toMatchObject({ code: 'storage-failed' });
    await expect(queue.durable()).rejects.toMatchObject({ code: 'storage-failed' });
    expect(stored()).toEqual(['a']);
  });

  it('syncs what is committed when it is closed, and answers it (close)', async () => {
    const { sync, counts } = heldSync();
    const queue = queueOf({ sync });
    const first = queue.submit(write('a'));
    await turn();
    const second = queue.submit(write('b'));
    queue.close();
    expect(await Promise.all([first, second])).toEqual(['a', 'b']);
    expect([stored(), counts.now]).toEqual([['a', 'b'], 1]);
  });
});
