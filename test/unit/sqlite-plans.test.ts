import { describe, expect, it } from 'vitest';
import { createCommitQueue } from '../../shared/adapters/sqlite/commit-queue.ts';
import { createCounters } from '../../shared/adapters/sqlite/counters.ts';
import { createCredentialCounts } from '../../shared/adapters/sqlite/credential-counts.ts';
import { openDatabase } from '../../shared/adapters/sqlite/database.ts';
import { createDrafts } from '../../shared/adapters/sqlite/drafts.ts';
import { createLateIndexes } from '../../shared/adapters/sqlite/late-indexes.ts';
import { createLedger } from '../../shared/adapters/sqlite/ledger.ts';
import { createRecordMemory } from '../../shared/adapters/sqlite/record-memory.ts';
import { listening, scansOf } from '../support/listening-database.ts';

describe('what the ledger asks SQLite', () => {
  it('goes by an index, whatever has been issued, and makes no table of its own to look something up (plans)', () => {
    const own = openDatabase({ path: ':memory:', walPagesMax: 1_000, integrityCheckBytesMax: 0 });
    const prepared: string[] = [];
    const database = listening(own, prepared);
    const late = createLateIndexes(database);
    const drafts = createDrafts(database, createRecordMemory(), late);
    const credentialCounts = createCredentialCounts(database);
    const counters = createCounters(database);
    const commits = createCommitQueue({ database, flushOperationsMax: 100, queuedOperationsMax: 1_000 });
    createLedger({
      ...{ database, commits, counters, credentialCounts, drafts, early: true, late },
      onSettled: () => undefined,
    });
    const asked = prepared.filter((sql) => /^\s*(SELECT|INSERT|UPDATE|DELETE)/.test(sql));
    expect(asked.length).toBeGreaterThan(30);
    for (const sql of asked) expect([sql, ...scansOf(own, sql)]).toEqual([sql]);
    // Rows are written for each certificate: no list in the condition of an index is made a table each time. RETURNING needs one.
    for (const sql of asked.filter((one) => /^\s*(INSERT|UPDATE)/.test(one) && !one.includes('RETURNING'))) {
      const steps = own.prepare(`EXPLAIN ${sql}`).all();
      expect([sql, steps.filter(({ opcode }) => opcode === 'OpenEphemeral')]).toEqual([sql, []]);
    }
    own.close();
  });
});
