/** Stores for the contract suites and unit tests: in memory, or in a file of a folder that the test run removes. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SqliteQueue } from '../../shared/adapters/sqlite/queue.ts';
import { openSqliteStore, type SqliteStore, type SqliteStoreOptions } from '../../shared/adapters/sqlite/store.ts';
import type { DeadLetterStore } from '../../shared/issuance/ports.ts';
import { ledgerTime } from './ledger-fixtures.ts';

export interface SqliteHarness extends Omit<SqliteStore, 'close'> {
  readonly path: string;
  /** Moves the store's clock. */
  elapse(ms: number): Promise<void>;
  reopen(): Promise<SqliteHarness>;
  /** Closes, and removes the files. */
  close(): Promise<void>;
}

type Options = Partial<Omit<SqliteStoreOptions, 'path' | 'clock'>>;

/** A store with a clock that stands still until it is moved. */
export async function openHarness(where: 'memory' | 'file', options: Options = {}): Promise<SqliteHarness> {
  const folder = where === 'file' ? mkdtempSync(join(tmpdir(), 'sealwright-sqlite-')) : undefined;
  const path = folder === undefined ? ':memory:' : join(folder, 'ledger.sqlite');
  let now = ledgerTime;

  function openAgain(): SqliteHarness {
    const store = openSqliteStore({ path, clock: () => now, ...options });
    return {
      ...store,
      path,
      async elapse(ms) {
        now += ms;
      },
      async reopen() {
        store.close();
        return openAgain();
      },
      async close() {
        store.close();
        if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
      },
    };
  }
  return openAgain();
}

export interface SqliteQueueHarness {
  readonly work: SqliteQueue;
  readonly dead: SqliteQueue;
  readonly deadLetters: DeadLetterStore;
  readonly store: SqliteHarness;
  elapse(ms: number): Promise<void>;
  reopen(): Promise<SqliteQueueHarness>;
  close(): Promise<void>;
}

/** Two queues of a store: one that gives up after `receiveCountMax` deliveries, and the one that takes those. */
export async function queueHarness(
  where: 'memory' | 'file',
  receiveCountMax: number,
  options: Options = {},
): Promise<SqliteQueueHarness> {
  return queuesOf(await openHarness(where, options), receiveCountMax);
}

function queuesOf(store: SqliteHarness, receiveCountMax: number): SqliteQueueHarness {
  const { elapse, close } = store;
  return {
    work: store.queue('work', { receiveCountMax, deadLetterQueue: 'work-dead' }),
    dead: store.queue('work-dead'),
    deadLetters: store.deadLetters,
    store,
    elapse,
    close,
    reopen: async () => queuesOf(await store.reopen(), receiveCountMax),
  };
}
