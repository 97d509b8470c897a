import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createCommitQueue } from '../../shared/adapters/sqlite/commit-queue.ts';
import { createCounters } from '../../shared/adapters/sqlite/counters.ts';
import { createCredentialCounts } from '../../shared/adapters/sqlite/credential-counts.ts';
import { createCredentialStore } from '../../shared/adapters/sqlite/credential-store.ts';
import { openDatabase } from '../../shared/adapters/sqlite/database.ts';
import { createDrafts } from '../../shared/adapters/sqlite/drafts.ts';
import { createLateIndexes, type LateIndexes } from '../../shared/adapters/sqlite/late-indexes.ts';
import type { Named } from '../../shared/adapters/sqlite/late-lookups.ts';
import { createLedger } from '../../shared/adapters/sqlite/ledger.ts';
import { createRecordMemory } from '../../shared/adapters/sqlite/record-memory.ts';
import { StorageError } from '../../shared/adapters/sqlite/storage-error.ts';
import { gatheredTogether } from '../../shared/adapters/sqlite/transaction.ts';
import { issuanceIdOf } from '../../shared/issuance/ids.ts';
import type { NewIssuance } from '../../shared/issuance/issuance-record.ts';
import type { CertificateQuery } from '../../shared/issuance/search-certificates.ts';
import { createRandom, type Random } from '../crash/simulator/random.ts';
import { disposable } from '../support/disposable.ts';
import { guideTo, ledgerTime, moves, newCredential, newIssuance } from '../support/ledger-fixtures.ts';
import { openHarness } from '../support/sqlite-harness.ts';

let database: DatabaseSync;

beforeEach(() => {
  database = openDatabase({ path: ':memory:', walPagesMax: 2_000, integrityCheckBytesMax: 0 });
});
afterEach(() => database.close());

interface Made {
  readonly issuance: number;
  readonly request: string;
  readonly name: string;
  readonly key: string;
  readonly fingerprint: string;
}

/** Adds rows, as far as the indexes read them. */
function createRows() {
  const addIssuance = database.prepare(`INSERT INTO issuances (issuance, request_id, ordinal, state, state_at, ca_id,
    generation, policy_version) VALUES (?, ?, ?, 'issued', 0, 'c', 1, 'p')`);
  const addRequest = database.prepare(`INSERT INTO requests (issuance, principal, credential_id, owner, fleet, profile,
    key_type, scope, names, csr, csr_sha256, spki_sha256, received_at)
    VALUES (?, 'p', 'c', ?, 'f', 'device', 'P-256', '{}', ?, x'00', '', ?, 0)`);
  const addChange = database.prepare("INSERT INTO history (issuance, at, to_state, detail) VALUES (?, ?, ?, '{}')");
  return {
    issuance: (issuance: number, request: string, ordinal: number) => void addIssuance.run(issuance, request, ordinal),
    request: (issuance: number, { names, owner, spkiSha256 }: Named) =>
      void addRequest.run(issuance, owner, JSON.stringify(names), spkiSha256),
    change: (issuance: number, to: string) => void addChange.run(issuance, issuance, to),
  };
}

/** Issues by rows alone, as far as the indexes read them. */
function createIssuer() {
  const rows = createRows();
  const addCertificate = database.prepare(
    "INSERT INTO certificates (issuance, der, not_before, not_after, fingerprint, spki_sha256) VALUES (?, x'00', 0, 1, ?, ?)",
  );
  const made: Made[] = [];
  return {
    made,
    issue(late: LateIndexes, random: Random): void {
      const issuance = made.length + 1;
      const text = () => Buffer.from(random.bytes(8)).toString('hex');
      const one = { issuance, request: text(), name: `dns:${text()}.example`, key: text(), fingerprint: text() };
      const named = { owner: 'plant-7', names: [one.name], spkiSha256: one.key };
      rows.issuance(issuance, one.request, 1);
      rows.request(issuance, named);
      late.received(issuance, one.request, 1);
      rows.change(issuance, 'received');
      late.approved(issuance, named, named.names, issuance);
      rows.change(issuance, 'approved');
      addCertificate.run(issuance, one.fingerprint, one.key);
      late.issued(issuance, one.fingerprint);
      rows.change(issuance, 'issued');
      made.push(one);
    },
  };
}

const count = (table: string) => database.prepare(`SELECT count(*) AS n FROM ${table}`).get()!.n as number;
const tables = ['issuances_by_request', 'issuances_by_name', 'issuances_by_key', 'issuances_by_fingerprint'];

function expectAllFound(late: LateIndexes, made: readonly Made[]): void {
  for (const { issuance, key, name, request } of made) {
    expect(late.issuanceOf(request, 1)).toBe(issuance);
    expect([late.ordinalMax(request), late.issuanceOf(request, 2)]).toEqual([1, undefined]);
    expect(late.holdOf(name)).toEqual({ owner: 'plant-7', spkiSha256: key, heldAt: issuance });
    expect(late.keyOf(key)).toEqual({ owner: 'plant-7', compromised: false });
  }
}

describe('indexes that are filled late', () => {
  it('find what is in memory and what is in the table alike, whatever is lost and opened anew (late-indexes)', () => {
    let unfinished = 0;
    for (const seed of [1, 2, 3, 4]) {
      for (const table of [...tables, 'issuances', 'requests', 'certificates', 'index_mark'])
        database.exec(`DELETE FROM ${table}`);
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
      const inTable = count('issuances_by_name');
      expect(inTable).toBeGreaterThan(0);
      if (inTable < made.length) unfinished += 1;
      late.complete();
      expect(late.has()).toBe(false);
      for (const table of tables) expect([table, count(table)]).toEqual([table, made.length]);
      expect(count('unindexed')).toBe(0);
      for (const { issuance, fingerprint } of made)
        expect(
          database
            .prepare('SELECT issuance FROM issuances_by_fingerprint WHERE fingerprint_start = unhex(?)')
            .get(fingerprint.slice(0, 16)),
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
      const before = count('issuances_by_name');
      late.write();
      // No COMMIT has to carry a whole round.
      expect(count('issuances_by_name') - before).toBeLessThanOrEqual(6);
      expect(issuer.made.length - count('issuances_by_name')).toBeLessThanOrEqual(2 * 32 + 10);
    }
  });

  it('end a round where only some of them get more: what is approved before is issued now (outage)', () => {
    const random = createRandom(6);
    const issuer = createIssuer();
    const late = createLateIndexes(database, 32);
    for (let n = 0; n < 40; n++) issuer.issue(late, random);
    late.write();
    for (let issuance = 1_000; issuance < 1_200; issuance++) {
      late.issued(issuance, Buffer.from(random.bytes(8)).toString('hex'));
      late.write();
    }
    expect(count('issuances_by_name')).toBe(40);
    expect(count('issuances_by_fingerprint')).toBeGreaterThan(140);
  });

  it('keep the first holder of a name and of a key while others come, and let go of a released one (holder)', () => {
    const late = createLateIndexes(database, 4);
    const rows = createRows();
    const approve = (issuance: number, owner: string, spkiSha256: string) => {
      const named = { owner, names: ['dns:a.example'], spkiSha256 };
      rows.request(issuance, named);
      const free = late.holdOf('dns:a.example') === undefined ? ['dns:a.example'] : [];
      late.approved(issuance, named, free, issuance);
      late.write();
    };
    for (let issuance = 1; issuance <= 20; issuance++) {
      approve(issuance, 'plant-7', 'aa');
      expect(late.holdOf('dns:a.example')).toEqual({ owner: 'plant-7', spkiSha256: 'aa', heldAt: 1 });
      expect(late.keyOf('aa')).toEqual({ owner: 'plant-7', compromised: false });
    }
    late.complete();
    database.exec('UPDATE issuances_by_name SET held_at = NULL');
    for (let issuance = 21; issuance <= 40; issuance++) {
      approve(issuance, 'plant-8', 'bb');
      expect(late.holdOf('dns:a.example')).toEqual({ owner: 'plant-8', spkiSha256: 'bb', heldAt: 21 });
      expect(late.keyOf('aa')?.owner).toBe('plant-7');
    }
    // An issuance may be approved again: what it had is its own again only where nobody has it since.
    database.exec('UPDATE issuances_by_name SET held_at = NULL');
    late.complete();
    database.exec('UPDATE issuances_by_name SET held_at = NULL');
    late.approved(3, { owner: 'plant-7', names: ['dns:a.example'], spkiSha256: 'aa' }, ['dns:a.example'], 50);
    late.complete();
    expect(late.holdOf('dns:a.example')).toEqual({ owner: 'plant-7', spkiSha256: 'aa', heldAt: 50 });
    expect(count('issuances_by_name')).toBe(40);
  });

  it('know each ordinal of a request, and its highest, in memory and in the table (ordinals)', () => {
    let late = createLateIndexes(database, 4);
    const rows = createRows();
    // Two that begin alike, as far as the index goes.
    const requests = ['AAAAAAAAAAAone', 'AAAAAAAAAAAother'];
    for (let issuance = 1; issuance <= 41; issuance++) {
      const request = requests[issuance % 2]!;
      const ordinal = Math.ceil(issuance / 2);
      expect(late.ordinalMax(request)).toBe(ordinal - 1);
      rows.issuance(issuance, request, ordinal);
      rows.request(issuance, { owner: 'plant-7', names: [], spkiSha256: 'aa' });
      late.received(issuance, request, ordinal);
      rows.change(issuance, 'received');
      late.write();
      late.committed();
      if (issuance % 7 === 0) late = createLateIndexes(database, 4);
      for (let earlier = 1; earlier <= issuance; earlier++)
        expect(late.issuanceOf(requests[earlier % 2]!, Math.ceil(earlier / 2))).toBe(earlier);
      expect(late.issuanceOf(request, ordinal + 1)).toBeUndefined();
    }
    expect(count('issuances_by_request')).toBeGreaterThan(20);
    expect(late.has()).toBe(true);
  });

  it('tell digests apart that begin alike (collision)', () => {
    const late = createLateIndexes(database, 4);
    const alike = (end: string) => `${'ab'.repeat(8)}${end}`;
    const rows = createRows();
    for (const [issuance, owner, end] of [
      [1, 'plant-7', '01'],
      [2, 'plant-8', '02'],
    ] as const) {
      const named = { owner, names: [], spkiSha256: alike(end) };
      rows.request(issuance, named);
      late.approved(issuance, named, [], issuance);
    }
    late.complete();
    expect(late.keyOf(alike('01'))?.owner).toBe('plant-7');
    expect(late.keyOf(alike('02'))?.owner).toBe('plant-8');
    expect(late.keyOf(alike('03'))).toBeUndefined();
  });
});

describe('who waits for all that there is', () => {
  it('waits for several transactions, between which others have theirs, and not for what comes meanwhile (stretches)', async () => {
    const random = createRandom(8);
    const issuer = createIssuer();
    const late = createLateIndexes(database);
    const drafts = createDrafts(database, createRecordMemory(), late);
    const gathered = gatheredTogether([drafts, late]);
    const commits = createCommitQueue({ database, flushOperationsMax: 100, queuedOperationsMax: 1_000, gathered });
    for (let n = 0; n < 1_500; n++) issuer.issue(late, random);
    let isOver = false;
    const over = drafts.completed(commits).then(() => {
      isOver = true;
    });
    let others = 0;
    while (!isOver) {
      await commits.submit(() => issuer.issue(late, random), { plain: true });
      others += 1;
    }
    await over;
    expect(others).toBeGreaterThanOrEqual(3);
    for (const { fingerprint, issuance } of issuer.made.slice(0, 1_500))
      expect(
        database
          .prepare('SELECT issuance FROM issuances_by_fingerprint WHERE fingerprint_start = unhex(?)')
          .get(fingerprint.slice(0, 16)),
      ).toEqual({ issuance });
    expect(late.has()).toBe(true);
    commits.close();
  });

  it('finds what was issued a moment ago, and a search by owner leaves the indexes to their rounds (search)', async () => {
    await using h = disposable(await openHarness('file'));
    const { certificate, issuance } = await guideTo('issued', h);
    const find = async (query: CertificateQuery) =>
      (await h.search.find(query, ledgerTime, undefined, 10)).found.length;
    const inTable = () => {
      const own = new DatabaseSync(h.path, { readOnly: true });
      const { n } = own.prepare('SELECT count(*) AS n FROM issuances_by_fingerprint').get()!;
      own.close();
      return n;
    };
    expect(await find({ owner: issuance.owner })).toBe(1);
    expect(inTable()).toBe(0);
    expect(await find({ fingerprint: certificate.fingerprint })).toBe(1);
    expect(inTable()).toBe(1);
    expect(await find({ key: issuance.spkiSha256 })).toBe(1);
    expect(await find({ name: issuance.names[0]! })).toBe(1);
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
