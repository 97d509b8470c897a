import { DatabaseSync } from 'node:sqlite';
import type {
  CountedCertificate,
  CountedRow,
  RecountSource,
  RecountView,
  SumsRow,
} from '../../issuance/inventory-ports.ts';

const pageRows = 1_000;

/**
 * A view of the ledger for a recount: a read transaction of a connection of its own, which sees one instant while writes go on
 * (https://www.sqlite.org/isolation.html). The write-ahead log grows until it is closed. A ledger in memory has one connection
 * only, so that its view is not consistent.
 */
export function createRecountSource(database: DatabaseSync, path: string): RecountSource {
  return {
    async open() {
      if (path === ':memory:') return { consistent: false, view: createView(database, () => undefined) };
      return { consistent: true, view: openRecountView(path) };
    },
  };
}

/** A view of a ledger in a file, whether or not anybody has it open. */
export function openRecountView(path: string): RecountView {
  const own = new DatabaseSync(path, { readOnly: true, timeout: 2_000 });
  own.exec('BEGIN');
  return createView(own, () => own.close());
}

function createView(database: DatabaseSync, close: () => void): RecountView {
  // By the primary key of issuances: rows that do not count are passed over, and a page may be empty.
  const certificates = database.prepare(`SELECT i.issuance, i.ca_id AS caId, i.state, r.owner, r.fleet, r.profile,
      r.key_type AS keyType, r.credential_id AS credentialId, c.not_before AS notBefore, c.not_after AS notAfter
    FROM issuances i JOIN requests r ON r.issuance = i.issuance LEFT JOIN certificates c ON c.issuance = i.issuance
    WHERE i.issuance > ? ORDER BY i.issuance LIMIT ?`);
  const counters = database.prepare(`SELECT c.ca_id AS caId, c.dimension, c.value, c.bucket_ms AS bucketMs,
      c.bucket_start AS bucketStart, c.issued, c.revoked,
      m.ca_id IS NOT NULL AND (c.bucket_start, c.dimension, c.value) <= (m.bucket_start, m.dimension, m.value) AS taken
    FROM counters c LEFT JOIN counter_marks m ON m.ca_id = c.ca_id AND m.bucket_ms = c.bucket_ms
    WHERE (c.ca_id, c.dimension, c.value, c.bucket_ms, c.bucket_start) > (?, ?, ?, ?, ?)
    ORDER BY c.ca_id, c.dimension, c.value, c.bucket_ms, c.bucket_start LIMIT ?`);
  const sums = database.prepare(`SELECT ca_id AS caId, dimension, value, issued, revoked, standing FROM counted_values
    WHERE (ca_id, dimension, value) > (?, ?, ?) ORDER BY ca_id, dimension, value LIMIT ?`);
  const last = database.prepare('SELECT max(issuance) AS last FROM issuances').get()?.last;

  return {
    issuancesAbout: (last ?? 0) as number,
    async certificates(after) {
      const rows = certificates.all(Number(after ?? 0), pageRows);
      const counted = rows.filter(({ state }) => state === 'issued' || state === 'revoked');
      return {
        certificates: counted.map(
          ({ issuance: _, state, ...row }) =>
            ({ ...row, revoked: state === 'revoked' }) as unknown as CountedCertificate,
        ),
        next: rows.length < pageRows ? undefined : String(rows.at(-1)!.issuance),
      };
    },
    async counters(after) {
      const place = (after === undefined ? ['', '', '', -1, -1] : JSON.parse(after)) as (string | number)[];
      const rows = counters
        .all(...place, pageRows)
        .map((row) => ({ ...row, taken: row.taken === 1 }) as unknown as CountedRow);
      const end = rows.at(-1);
      const next = end && JSON.stringify([end.caId, end.dimension, end.value, end.bucketMs, end.bucketStart]);
      return { rows, next: rows.length < pageRows ? undefined : next };
    },
    async sums(after) {
      const place = (after === undefined ? ['', '', ''] : JSON.parse(after)) as string[];
      const rows = sums.all(...place, pageRows).map((row) => ({ ...row }) as unknown as SumsRow);
      const end = rows.at(-1);
      const next = end && JSON.stringify([end.caId, end.dimension, end.value]);
      return { rows, next: rows.length < pageRows ? undefined : next };
    },
    close: async () => close(),
  };
}
