import { DatabaseSync } from 'node:sqlite';
import { parseIssuanceId } from '../../issuance/ids.ts';
import type { InstalledAuthority, IssuanceRecord } from '../../issuance/issuance-record.ts';
import type { CounterRow } from '../../issuance/ports.ts';
import { authorityOf } from './authority-registry.ts';
import { createCounters } from './counters.ts';
import { refuseForeign } from './database.ts';
import { type HistoryEntry, type HistoryRow, historyEntryOf, historyQuery } from './history.ts';
import { type IssuanceRow, recordOf, recordQuery } from './issuance-rows.ts';
import { requestStartOf, startOf } from './late-lookups.ts';
import { storageErrorOf } from './storage-error.ts';

/** A look at the state from outside, while a service runs or after it was killed: for checkers, exports and audits. */
export interface SqliteReader {
  /** Every issuance in the order they were received, one row in memory at a time. */
  issuances(): IterableIterator<IssuanceRecord>;
  get(issuanceId: string): IssuanceRecord | undefined;
  /** The changes of one issuance in the order they were committed. */
  history(issuanceId: string): readonly HistoryEntry[];
  /** Every issuance with its changes. */
  histories(): IterableIterator<{ readonly issuanceId: string; readonly changes: readonly HistoryEntry[] }>;
  byFingerprint(fingerprint: string): readonly IssuanceRecord[];
  byKey(spkiSha256: string): readonly IssuanceRecord[];
  byName(name: string): readonly IssuanceRecord[];
  counters(caId: string): readonly CounterRow[];
  /** CAs that are installed, every generation. */
  authorities(): readonly InstalledAuthority[];
  frozenAuthorities(): ReadonlySet<string>;
  /** Messages of each queue, visible or not. */
  queueCounts(): Readonly<Record<string, number>>;
  close(): void;
}

/** Opens the state read-only, with a view of its own at each call. Takes no lock and disturbs no writer. Throws `StorageError`. */
export function openSqliteReader(path: string): SqliteReader {
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(path, { readOnly: true, timeout: 2_000 });
    refuseForeign(database, path);
    return createReader(database);
  } catch (error) {
    if (database?.isOpen) database.close();
    throw storageErrorOf(error) ?? error;
  }
}

function createReader(database: DatabaseSync): SqliteReader {
  const inOrder = database.prepare(`${recordQuery} ORDER BY i.issuance`);
  // The indexes have all up to their mark, and more than is looked for; who is after it is asked one by one.
  const byId = database.prepare(`${recordQuery}
    WHERE i.issuance IN (
        SELECT issuance FROM issuances_by_request WHERE request_id_start = ${requestStartOf('?1')} AND ordinal = ?2
        UNION SELECT issuance FROM history
          WHERE change > (SELECT coalesce(max(change), 0) FROM index_mark) AND to_state = 'received')
      AND i.request_id = ?1 AND i.ordinal = ?2`);
  const found = (table: string, indexed: string, isIt: string) =>
    database.prepare(`${recordQuery}
      WHERE i.issuance IN (SELECT issuance FROM ${table} WHERE ${indexed} UNION SELECT issuance FROM unindexed)
        AND c.fingerprint IS NOT NULL AND ${isIt} ORDER BY i.issuance`);
  const byFingerprint = found(
    'issuances_by_fingerprint',
    `fingerprint_start = ${startOf(':is')}`,
    'c.fingerprint = :is',
  );
  const byKey = found('issuances_by_key', `spki_sha256_start = ${startOf(':is')}`, 'c.spki_sha256 = :is');
  const byName = found('issuances_by_name', 'name = :is', ':is IN (SELECT value FROM json_each(r.names))');
  const changesOf = database.prepare(historyQuery);
  const queueCounts = database.prepare(`SELECT q.name, count(m.message) AS n FROM queues q
    LEFT JOIN messages m ON m.queue = q.queue GROUP BY q.queue`);
  const counters = createCounters(database);
  const authorities = database.prepare('SELECT * FROM authorities ORDER BY ca_id, generation');
  const frozen = database.prepare('SELECT ca_id FROM authority_controls WHERE frozen = 1');

  const rowOf = (issuanceId: string) => {
    const id = parseIssuanceId(issuanceId);
    return (id === undefined ? undefined : byId.get(id.requestId, id.ordinal)) as unknown as IssuanceRow | undefined;
  };
  const records = (rows: readonly unknown[]) => (rows as readonly IssuanceRow[]).map(recordOf);
  const changes = (issuance: number) => (changesOf.all(issuance) as unknown as HistoryRow[]).map(historyEntryOf);

  return {
    *issuances() {
      for (const row of inOrder.iterate()) yield recordOf(row as unknown as IssuanceRow);
    },
    get(issuanceId) {
      const row = rowOf(issuanceId);
      return row === undefined ? undefined : recordOf(row);
    },
    history(issuanceId) {
      const row = rowOf(issuanceId);
      return row === undefined ? [] : changes(row.issuance);
    },
    *histories() {
      for (const row of inOrder.iterate() as unknown as Iterable<IssuanceRow>) {
        yield { issuanceId: recordOf(row).issuanceId, changes: changes(row.issuance) };
      }
    },
    byFingerprint: (fingerprint) => records(byFingerprint.all({ is: fingerprint })),
    byKey: (spkiSha256) => records(byKey.all({ is: spkiSha256 })),
    byName: (name) => records(byName.all({ is: name })),
    counters: counters.read,
    authorities: () => authorities.all().map(authorityOf),
    frozenAuthorities: () => new Set(frozen.all().map((row) => row.ca_id as string)),
    queueCounts: () => Object.fromEntries(queueCounts.all().map((row) => [row.name as string, row.n as number])),
    close: () => database.close(),
  };
}
