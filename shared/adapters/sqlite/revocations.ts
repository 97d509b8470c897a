import type { DatabaseSync } from 'node:sqlite';
import { crlShardCapacity } from '../../issuance/crl-shards.ts';
import { issuanceIdOf } from '../../issuance/ids.ts';
import {
  type CrlSource,
  type RevocationIntent,
  type RevocationStore,
  type RevokedSerial,
  unfinishedCountMax,
} from '../../issuance/revocation-ports.ts';
import { invariant } from '../ledger/ledger-fault.ts';
import type { CommitQueue } from './commit-queue.ts';
import type { Drafts } from './drafts.ts';
import type { LateIndexes } from './late-indexes.ts';
import { startOf } from './late-lookups.ts';

/** Intents to revoke, and what the CRLs of a CA are made from. */
export function createRevocations(
  database: DatabaseSync,
  commits: CommitQueue,
  drafts: Drafts,
  late: LateIndexes,
): RevocationStore & CrlSource {
  return { ...createIntents(database, commits, drafts, late), ...createCrlSource(database, commits) };
}

function createIntents(
  database: DatabaseSync,
  commits: CommitQueue,
  drafts: Drafts,
  late: LateIndexes,
): RevocationStore {
  const ofFingerprint = database.prepare(`SELECT i.request_id, i.ordinal FROM issuances_by_fingerprint f
    JOIN issuances i ON i.issuance = f.issuance JOIN certificates c ON c.issuance = f.issuance
    WHERE f.fingerprint_start = ${startOf('?1')} AND c.fingerprint = ?1 LIMIT 1`);
  const columns = 'issuance_id AS issuanceId, reason, at, by_operator AS "by"';
  const add = database.prepare(
    'INSERT INTO revocation_intents (issuance_id, reason, at, by_operator) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING',
  );
  const find = database.prepare(`SELECT ${columns} FROM revocation_intents WHERE issuance_id = ?`);
  const all = database.prepare(
    `SELECT ${columns} FROM revocation_intents WHERE issuance_id > ? ORDER BY issuance_id LIMIT ?`,
  );
  const remove = database.prepare('DELETE FROM revocation_intents WHERE issuance_id = ?');
  const intentOf = (row: unknown) => ({ ...(row as RevocationIntent) });
  return {
    async issuanceOfFingerprint(fingerprint) {
      await drafts.completed(commits);
      const row = ofFingerprint.get(fingerprint);
      return row === undefined ? undefined : issuanceIdOf(row.request_id as string, row.ordinal as number);
    },
    begin: ({ at, by, issuanceId, reason }) =>
      commits.submit(() => {
        add.run(issuanceId, reason, at, by);
        return intentOf(find.get(issuanceId));
      }),
    async unfinished(countMax, after = '') {
      invariant(countMax >= 1 && countMax <= unfinishedCountMax, 'out-of-bounds', `countMax ${countMax}`);
      return all.all(after, countMax).map(intentOf);
    },
    finish: (issuanceId) =>
      commits.submit(() => {
        remove.run(issuanceId);
      }),
    markCompromised: (spkiSha256, owner, at) => commits.submit(() => late.markCompromised(spkiSha256, owner, at)),
  };
}

function createCrlSource(database: DatabaseSync, commits: CommitQueue): CrlSource {
  const slots = database.prepare('SELECT slot_next FROM crl_slots WHERE ca_id = ? AND generation = ?');
  const revoked = database.prepare(`SELECT i.serial, i.revoked_at AS revokedAt, i.revocation_reason AS reason,
      c.not_after AS notAfter FROM issuances i JOIN certificates c ON c.issuance = i.issuance
    WHERE i.state = 'revoked' AND i.ca_id = ? AND i.generation = ? AND i.crl_shard = ? AND c.not_after >= ?
    ORDER BY i.serial`);
  const number = database.prepare(`INSERT INTO crl_numbers (ca_id, generation, number) VALUES (?, ?, ? + 1)
    ON CONFLICT DO UPDATE SET number = max(number + 1, excluded.number) RETURNING number`);
  return {
    async shardCount(caId, generation) {
      const row = slots.get(caId, generation);
      return Math.max(1, Math.ceil(((row?.slot_next as number | undefined) ?? 0) / crlShardCapacity));
    },
    async revokedOf(caId, generation, shard, notAfterMin) {
      return revoked.all(caId, generation, shard, notAfterMin).map((row) => ({ ...row }) as unknown as RevokedSerial);
    },
    nextCrlNumber: (caId, generation, above) =>
      commits.submit(() => number.get(caId, generation, above)!.number as number),
    ...createPublications(database, commits),
  };
}

/** Read at once; others when these are noted. */
const changesMax = 10_000;

function createPublications(
  database: DatabaseSync,
  commits: CommitQueue,
): Pick<CrlSource, 'changes' | 'publications' | 'notePublished'> {
  const ofGeneration = 'ca_id = ? AND generation = ?';
  const changed = database.prepare(
    `SELECT shard, issuance FROM crl_changes WHERE ${ofGeneration} ORDER BY shard, issuance LIMIT ?`,
  );
  const published = database.prepare(`SELECT shard, next_update FROM crl_publications WHERE ${ofGeneration}`);
  const note = database.prepare(`INSERT INTO crl_publications (ca_id, generation, shard, next_update)
    VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET next_update = excluded.next_update`);
  const forget = database.prepare(`DELETE FROM crl_changes WHERE ${ofGeneration} AND shard = ? AND issuance = ?`);
  return {
    async changes(caId, generation) {
      const rows = changed.all(caId, generation, changesMax);
      const byShard = Map.groupBy(rows, ({ shard }) => shard as number);
      return [...byShard].map(([shard, some]) => ({ shard, mark: some.map(({ issuance }) => String(issuance)) }));
    },
    async publications(caId, generation) {
      const rows = published.all(caId, generation);
      return new Map(rows.map((row) => [row.shard as number, row.next_update as number]));
    },
    notePublished: (caId, generation, shard, nextUpdate, change) =>
      commits.submit(() => {
        note.run(caId, generation, shard, nextUpdate);
        for (const issuance of change?.mark ?? []) forget.run(caId, generation, shard, Number(issuance));
      }),
  };
}
