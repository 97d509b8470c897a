import type { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createCommitQueue } from '../../shared/adapters/sqlite/commit-queue.ts';
import { createCounters } from '../../shared/adapters/sqlite/counters.ts';
import { createCredentialCounts } from '../../shared/adapters/sqlite/credential-counts.ts';
import { createCredentialStore } from '../../shared/adapters/sqlite/credential-store.ts';
import { openDatabase } from '../../shared/adapters/sqlite/database.ts';
import { createDrafts } from '../../shared/adapters/sqlite/drafts.ts';
import { createLateIndexes, type LateIndexes } from '../../shared/adapters/sqlite/late-indexes.ts';
import { createLedger } from '../../shared/adapters/sqlite/ledger.ts';
import { createRecordMemory } from '../../shared/adapters/sqlite/record-memory.ts';
import { StorageError } from '../../shared/adapters/sqlite/storage-error.ts';
import { gatheredTogether } from '../../shared/adapters/sqlite/transaction.ts';
import { issuanceIdOf } from '../../shared/issuance/ids.ts';
import type { NewIssuance } from '../../shared/issuance/issuance-record.ts';
import { createRandom, type Random } from '../crash/simulator/random.ts';
import { moves, newCredential, newIssuance } from '../support/ledger-fixtures.ts';

let database: DatabaseSync;

beforeEach(() => {
  database = openDatabase({ path: ':memory:', walPagesMax: 2_000, integrityCheckBytesMax: 0 });
});
afterEach(() => database.close());

interface Made {
  readonly issuance: number;
  readonly name: string;
  readonly key: string;
  readonly fingerprint: string;
}

/** Issues by rows alone, as far as the indexes read them. */
function createIssuer() {
  const addRequest = database.prepare(`INSERT INTO requests (issuance, principal, credential_id, owner, fleet, profile,
    key_type, scope, names, csr, csr_sha256, spki_sha256, received_at)
    VALUES (?, 'p', 'c', 'plant-7', 'f', 'device', 'P-256', '{}', ?, x'00', '', ?, 0)`);
  const addCertificate = database.prepare(
    "INSERT INTO certificates (issuance, der, not_before, not_after, fingerprint, spki_sha256) VALUES (?, x'00', 0, 1, ?, ?)",
  );
  const addChange = database.prepare("INSERT INTO history (issuance, at, to_state, detail) VALUES (?, ?, ?, '{}')");
  const made: Made[] = [];
  return {
    made,
    issue(late: LateIndexes, random: Random): void {
      const issuance = made.length + 1;
      const text = () => Buffer.from(random.bytes(8)).toString('hex');
      const one = { issuance, name: `dns:${text()}.example`, key: text(), fingerprint: text() };
      addRequest.run(issuance, JSON.stringify([one.name]), one.key);
      late.hold([one.name], { owner: 'plant-7', spkiSha256: one.key, heldAt: issuance });
      late.own(one.key, 'plant-7', issuance);
      addChange.run(issuance, issuance, 'approved');
      addCertificate.run(issuance, one.fingerprint, one.key);
      const named = { owner: 'plant-7', names: [one.name], spkiSha256: one.key, fingerprint: one.fingerprint };
      late.issued(issuance, named);
      addChange.run(issuance, issuance, 'issued');
      made.push(one);
    },
  };
}

const count = (table: string) => database.prepare(`SELECT count(*) AS n FROM ${table}`).get()!.n as number;
const tables = ['name_holds', 'public_keys', 'certificate_fingerprints', 'certificate_keys', 'certificate_names'];

function expectAllFound(late: LateIndexes, made: readonly Made[]): void {
  for (const { issuance, key, name } of made) {
    expect(late.holdOf(name)).toEqual({ owner: 'plant-7', spkiSha256: key, heldAt: issuance });
    expect(late.keyOf(key)).toEqual({ owner: 'plant-7', heldAt: issuance, compromised: false });
  }
}

describe('indexes that are filled late', () => {
  it('find what is in memory and what is in the table alike, whatever is lost and opened anew (late-indexes)', () => {
    let unfinished = 0;
    for (const seed of [1, 2, 3, 4]) {
      for (const table of [...tables, 'requests', 'certificates', 'index_mark']) database.exec(`DELETE FROM ${table}`);
      database.exec('DROP TRIGGER IF EXISTS history_is_not_deleted; DELETE FROM history');
      const random = createRandom(seed);
      const issuer = createIssuer();
      let late = createLateIndexes(database, 16);
      for (let transaction = 0; transaction < 60; transaction++) {
        database.exec('BEGIN');
        const before = issuer.made.length;
        for (let n = random.between(0, 8); n > 0; n--) issuer.issue(late, random);
        late.write();
        if (random.chance(0.15)) {
          database.exec('ROLLBACK');
          issuer.made.length = before;
          late.lost();
        } else {
          database.exec('COMMIT');
          late.committed();
        }
        if (random.chance(0.1)) late = createLateIndexes(database, 16);
        expectAllFound(late, issuer.made);
      }
      const { made } = issuer;
      const inTable = count('certificate_names');
      expect(inTable).toBeGreaterThan(0);
      if (inTable < made.length) unfinished += 1;
      late.complete();
      expect(late.has()).toBe(false);
      for (const table of tables) expect([table, count(table)]).toEqual([table, made.length]);
      expect(count('unindexed')).toBe(0);
      for (const { issuance, fingerprint } of made)
        expect(
          database.prepare('SELECT issuance FROM certificate_fingerprints WHERE fingerprint = ?').get(fingerprint),
        ).toEqual({ issuance });
      expectAllFound(createLateIndexes(database, 16), made);
    }
    expect(unfinished).toBeGreaterThan(0);
  });

  it('keep in memory no more than two rounds, and insert little more at a time than has come (bound)', () => {
    const random = createRandom(5);
    const issuer = createIssuer();
    const late = createLateIndexes(database, 32);
    for (let transaction = 0; transaction < 100; transaction++) {
      for (let n = 0; n < 5; n++) issuer.issue(late, random);
      const before = count('certificate_names');
      late.write();
      // No COMMIT has to carry a whole round.
      expect(count('certificate_names') - before).toBeLessThanOrEqual(6);
      expect(issuer.made.length - count('certificate_names')).toBeLessThanOrEqual(2 * 32 + 10);
    }
  });

  it('end a round where only some of them get more: renewals hold no new name and no new key (renewals)', () => {
    const random = createRandom(6);
    const issuer = createIssuer();
    const late = createLateIndexes(database, 32);
    for (let n = 0; n < 40; n++) issuer.issue(late, random);
    late.write();
    for (let issuance = 1_000; issuance < 1_200; issuance++) {
      late.issued(issuance, {
        owner: 'plant-7',
        names: ['dns:a.example'],
        spkiSha256: 'aa',
        fingerprint: `${issuance}`,
      });
      late.write();
    }
    expect(count('name_holds')).toBe(40);
    expect(count('certificate_fingerprints')).toBeGreaterThan(140);
  });
});

describe('a transaction that is lost', () => {
  it('takes along who had come to hold a name and a key in it, written or not (lost-holds)', async () => {
    const late = createLateIndexes(database);
    const drafts = createDrafts(database, createRecordMemory(), late);
    const credentialCounts = createCredentialCounts(database);
    const counters = createCounters(database);
    const commits = createCommitQueue({
      database,
      flushOperationsMax: 100,
      queuedOperationsMax: 1_000,
      gathered: gatheredTogether([drafts, late, credentialCounts, counters]),
    });
    const parts = { database, commits, counters, credentialCounts, drafts, early: true, late };
    const ledger = createLedger({ ...parts, onSettled: () => undefined });
    const credentials = createCredentialStore(database, commits, credentialCounts);
    const [one, other] = [newCredential(), newCredential({ owner: 'plant-8' })];
    await credentials.create(one);
    await credentials.create(other);
    const approve = ({ requestId }: NewIssuance) => ledger.advance([moves.approve(issuanceIdOf(requestId, 1))]);

    const lost = newIssuance(one);
    expect(await ledger.receive(lost)).toMatchObject({ kind: 'received' });
    expect(await approve(lost)).toEqual([{ kind: 'moved' }]);
    expect((await ledger.holders(lost.names, lost.spkiSha256)).keyOwner).toBe('plant-7');
    // Their rows are written within the transaction, which SQLite does not end by itself.
    await commits.apply(drafts.write);
    const failed = commits.submit(() => {
      throw new StorageError('storage-failed', 'the disk is gone');
    });
    await expect(failed).rejects.toMatchObject({ code: 'storage-failed' });
    expect(await ledger.get(issuanceIdOf(lost.requestId, 1))).toBeUndefined();
    expect(await ledger.holders(lost.names, lost.spkiSha256)).toEqual({ names: [], keyCompromised: false });

    const next = newIssuance(other, { names: lost.names, spkiSha256: lost.spkiSha256 });
    expect(await ledger.receive(next)).toMatchObject({ kind: 'received' });
    expect(await approve(next)).toEqual([{ kind: 'moved' }]);
    await drafts.completed(commits);
    expect((await ledger.holders(lost.names, lost.spkiSha256)).keyOwner).toBe('plant-8');
    commits.close();
  });
});
