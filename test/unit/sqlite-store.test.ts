import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createCommitQueue } from '../../shared/adapters/sqlite/commit-queue.ts';
import { createCredentialCounts } from '../../shared/adapters/sqlite/credential-counts.ts';
import { createCredentialStore } from '../../shared/adapters/sqlite/credential-store.ts';
import { openDatabase } from '../../shared/adapters/sqlite/database.ts';
import { migrations } from '../../shared/adapters/sqlite/schema.ts';
import { StorageError } from '../../shared/adapters/sqlite/storage-error.ts';
import { openSqliteStore, type SqliteStore } from '../../shared/adapters/sqlite/store.ts';
import { nothingGathered } from '../../shared/adapters/sqlite/transaction.ts';
import type { EnrolmentCredential } from '../../shared/issuance/issuance-record.ts';
import { guideTo, ledgerTime, newCredential } from '../support/ledger-fixtures.ts';

let folder: string;
let path: string;
const opened: SqliteStore[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sealwright store '));
  path = join(folder, 'ledger.sqlite');
});
afterEach(() => {
  for (const store of opened.splice(0)) store.close();
  rmSync(folder, { recursive: true, force: true });
});

function open(): SqliteStore {
  const store = openSqliteStore({ path, clock: () => ledgerTime });
  opened.push(store);
  return store;
}

describe('the state file', () => {
  it('is in WAL mode with every commit synchronous (durability)', () => {
    const database = openDatabase({ path, walPagesMax: 1_234, integrityCheckBytesMax: 0 });
    const pragma = (name: string) => Object.values(database.prepare(`PRAGMA ${name}`).get()!)[0];
    expect(pragma('journal_mode')).toBe('wal');
    expect(pragma('synchronous')).toBe(2);
    expect(pragma('wal_autocheckpoint')).toBe(1_234);
    expect(pragma('user_version')).toBe(migrations.length);
    database.close();
  });

  it('of a newer version is refused, and left as it is (state-newer)', () => {
    open().close();
    const database = new DatabaseSync(path);
    database.exec(`PRAGMA user_version = ${migrations.length + 1}`);
    database.close();
    const before = readFileSync(path);
    expect(open).toThrow(expect.objectContaining({ code: 'state-newer' }));
    expect(readFileSync(path)).toEqual(before);
  });

  it('of another program is refused, and left as it is (state-foreign)', () => {
    const database = new DatabaseSync(path);
    database.exec('CREATE TABLE recipes (title TEXT)');
    database.close();
    const before = readFileSync(path);
    expect(open).toThrow(expect.objectContaining({ code: 'state-foreign' }));
    expect(readFileSync(path)).toEqual(before);
  });

  it('that is no database is refused (state-corrupt)', () => {
    writeFileSync(path, 'not a database, by any means: '.repeat(400));
    expect(open).toThrow(expect.objectContaining({ code: 'state-corrupt' }));
  });

  it('that lost its second half is refused (state-corrupt)', async () => {
    const store = open();
    for (let n = 0; n < 5; n++) await guideTo('issued', store);
    store.close();
    truncateSync(path, 20 * 4096);
    expect(open).toThrow(expect.objectContaining({ code: 'state-corrupt' }));
  });

  it('whose first migration never finished is migrated again (migration-restart)', () => {
    const database = new DatabaseSync(path);
    database.exec(`PRAGMA journal_mode = WAL; BEGIN; ${migrations[0]}`);
    database.close();
    expect(() => open()).not.toThrow();
  });

  it('answers storage-full when it may not grow, and keeps what it had (storage-full)', async () => {
    const store = openSqliteStore({ path, clock: () => ledgerTime, pageCountMax: 70 });
    opened.push(store);
    const credential = newCredential();
    await store.credentials.create(credential);
    const names = { dns: ['x'.repeat(100_000)], spiffe: [], ip: [] };
    const refused = store.credentials.create(newCredential({ names: { ...names, ip: ['y'.repeat(200_000)] } }));
    await expect(refused).rejects.toMatchObject({ code: 'storage-full' });
    expect(await store.credentials.list(10)).toEqual([credential]);
    await store.credentials.create(newCredential());
  });
});

describe('one process at a time', () => {
  it('refuses a second opener with the process id of the first (state-in-use)', () => {
    const store = open();
    expect(open).toThrow(
      expect.objectContaining({ code: 'state-in-use', message: expect.stringContaining(String(process.pid)) }),
    );
    store.close();
    expect(open).not.toThrow();
  });

  it('refuses while another process has it, and takes over when that one is killed (lock-after-kill)', async () => {
    const script = `
      import { openSqliteStore } from ${JSON.stringify(new URL('../../shared/adapters/sqlite/store.ts', import.meta.url).href)};
      openSqliteStore({ path: process.argv[1], clock: () => 0 });
      console.log('open');
      setInterval(() => {}, 1000);`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script, path], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await new Promise((resolve) => child.stdout.once('data', resolve));
    expect(open).toThrow(
      expect.objectContaining({ code: 'state-in-use', message: expect.stringContaining(String(child.pid)) }),
    );
    const exited = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await exited;
    expect(existsSync(`${path}.pid`)).toBe(true);
    expect(open).not.toThrow();
  });

  it('closes twice, and then answers nothing (storage-closed)', async () => {
    const store = open();
    const work = store.queue('work');
    const waiting = store.credentials.create(newCredential());
    store.close();
    store.close();
    await waiting;
    await expect(store.credentials.get('x')).rejects.toMatchObject({ code: 'storage-closed' });
    await expect(store.credentials.create(newCredential())).rejects.toMatchObject({ code: 'storage-closed' });
    await expect(work.depth()).rejects.toMatchObject({ code: 'storage-closed' });
    expect(() => store.queue('another')).toThrow(expect.objectContaining({ code: 'storage-closed' }));
  });
});

describe('the statistics of the store', () => {
  it('tell how many writes shared how many commits, and how long the log is (stats)', async () => {
    const store = open();
    const before = store.stats();
    await Promise.all(Array.from({ length: 20 }, () => store.credentials.create(newCredential())));
    const after = store.stats();
    expect(after.operations - before.operations).toBe(20);
    expect(after.flushes - before.flushes).toBe(1);
    expect(after.walBytes).toBeGreaterThan(0);
  });
});

describe('what a store remembers', () => {
  it('is no credential that was revoked meanwhile, or never became durable (credential-memory)', async () => {
    const store = openSqliteStore({ path, clock: () => ledgerTime, early: true });
    try {
      const kept = newCredential();
      await store.credentials.create(kept);
      expect((await store.credentials.findBySha256(kept.sha256))?.id).toBe(kept.id);
      await store.credentials.revoke(kept.id, ledgerTime);
      expect((await store.credentials.findBySha256(kept.sha256))?.revokedAt).toBe(ledgerTime);
    } finally {
      store.close();
    }
    const database = openDatabase({ path: ':memory:', walPagesMax: 2_000, integrityCheckBytesMax: 0 });
    const remembered = new Map<string, EnrolmentCredential>();
    const commits = createCommitQueue({
      database,
      flushOperationsMax: 100,
      queuedOperationsMax: 1_000,
      gathered: { ...nothingGathered, lost: () => remembered.clear() },
    });
    const credentials = createCredentialStore(database, commits, createCredentialCounts(database), remembered);
    const lost = newCredential();
    const created = credentials.create(lost);
    expect(await credentials.findBySha256(lost.sha256)).toBeDefined();
    const full = commits.submit(() => {
      throw new StorageError('storage-full', 'no space');
    });
    await expect(created).rejects.toMatchObject({ code: 'storage-full' });
    await expect(full).rejects.toMatchObject({ code: 'storage-full' });
    expect(await credentials.findBySha256(lost.sha256)).toBeUndefined();
    commits.close();
    database.close();
  });

  it('is as many credentials as there is room for, and the rest is read (credential-memory-bound)', async () => {
    const database = openDatabase({ path: ':memory:', walPagesMax: 2_000, integrityCheckBytesMax: 0 });
    const commits = createCommitQueue({ database, flushOperationsMax: 2_000, queuedOperationsMax: 10_000 });
    const remembered = new Map<string, EnrolmentCredential>();
    const credentials = createCredentialStore(database, commits, createCredentialCounts(database), remembered);
    const all = Array.from({ length: 1_030 }, () => newCredential());
    await Promise.all(all.map((one) => credentials.create(one)));
    for (const { id, sha256 } of all) expect((await credentials.findBySha256(sha256))?.id).toBe(id);
    expect(remembered.size).toBe(1_024);
    // What is known stays known when it is asked for: a full memory is not emptied by whoever is in it.
    await credentials.findBySha256(all.at(-1)!.sha256);
    expect(remembered.size).toBe(1_024);
    commits.close();
    database.close();
  });
});
