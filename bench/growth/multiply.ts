import { hash } from 'node:crypto';
import { DatabaseSync, type SQLInputValue } from 'node:sqlite';
import { createCounters } from '../../shared/adapters/sqlite/counters.ts';

/**
 * Fills the ledger of a stopped service with issued records that are copies of those it has issued itself: every row of every
 * table that an issuance leaves behind, with digests, serials and names of their own, so that indexes are as large and as
 * scattered as if each had been issued. Bytes of requests and certificates are those of the one copied. Counters are
 * written by the ledger's own code.
 */
export async function multiplyIssued(path: string, rows: number, onProgress: (done: number) => void): Promise<void> {
  const database = new DatabaseSync(path);
  database.exec('PRAGMA synchronous = OFF; PRAGMA cache_size = -400000');
  try {
    const templates = readTemplates(database);
    if (templates.length === 0) throw new Error('there is nothing issued to copy');
    const first = 1 + Number(Object.values(database.prepare('SELECT max(issuance) FROM issuances').get()!)[0]);
    const writers = new Map<string, Writer>();
    const counters = createCounters(database);
    for (let from = 0; from < rows; from += batch) {
      const end = Math.min(rows, from + batch);
      database.exec('BEGIN');
      for (let n = from; n < end; n++) {
        const template = templates[n % templates.length]!;
        for (const { row, table } of template.rows) {
          const write = writers.get(table) ?? writerOf(database, table, row);
          writers.set(table, write);
          write(copyOf(row, { number: first + n, issuance: template.issuance }));
        }
        counters.count('issued', template.counted);
        counters.keep();
      }
      counters.write();
      counters.committed();
      database.exec('COMMIT');
      onProgress(end);
    }
    database.exec('UPDATE index_mark SET change = (SELECT max(change) FROM history)');
    database.exec('PRAGMA wal_checkpoint(TRUNCATE)');
  } finally {
    database.close();
  }
}

const batch = 25_000;
const templatesMax = 50;

type Row = Readonly<Record<string, SQLInputValue>>;
type Writer = (row: Row) => void;

interface Template {
  readonly issuance: number;
  readonly rows: readonly { readonly table: string; readonly row: Row }[];
  readonly counted: Parameters<ReturnType<typeof createCounters>['count']>[1];
}

/** Tables with a row or several of an issuance. */
const byIssuance = [
  'issuances',
  'requests',
  'intents',
  'certificates',
  'issuances_by_request',
  'issuances_by_name',
  'issuances_by_fingerprint',
  'issuances_by_key',
  'serials',
  'history',
];

function readTemplates(database: DatabaseSync): readonly Template[] {
  const issued = database
    .prepare("SELECT issuance FROM issuances WHERE state = 'issued' ORDER BY issuance DESC LIMIT ?")
    .all(templatesMax) as unknown as { readonly issuance: number }[];
  return issued.map(({ issuance }) => {
    const all = (sql: string, key: SQLInputValue) => database.prepare(sql).all(key) as Row[];
    const rows = byIssuance.flatMap((table) =>
      all(`SELECT * FROM ${table} WHERE issuance = ?`, issuance).map((row) => ({ table, row })),
    );
    return { issuance, rows, counted: countedOf(rows) };
  });
}

function countedOf(rows: Template['rows']): Template['counted'] {
  const of = (table: string) => rows.find((one) => one.table === table)!.row;
  const request = of('requests');
  const certificate = of('certificates');
  return {
    caId: String(of('issuances').ca_id),
    owner: String(request.owner),
    fleet: String(request.fleet),
    profile: String(request.profile),
    keyType: String(request.key_type),
    credentialId: String(request.credential_id),
    notBefore: Number(certificate.not_before),
    notAfter: Number(certificate.not_after),
  };
}

function writerOf(database: DatabaseSync, table: string, row: Row): Writer {
  // The number of a change in the history is the table's own to give.
  const columns = Object.keys(row).filter((column) => !(table === 'history' && column === 'change'));
  const statement = database.prepare(
    `INSERT INTO ${table} (${columns.join(', ')}) VALUES (${columns.map(() => '?').join(', ')})`,
  );
  return (values) => void statement.run(...columns.map((column) => values[column]!));
}

interface Copy {
  readonly number: number;
  readonly issuance: number;
}

/** Columns in which no two issuances are alike. */
const digests = new Set(['csr_sha256', 'spki_sha256', 'fingerprint']);

function copyOf(row: Row, { number }: Copy): Row {
  const copy: Record<string, SQLInputValue> = { ...row };
  for (const [column, value] of Object.entries(row)) {
    const digest = column.replace(/_start$/, '');
    if (column === 'issuance') copy[column] = number;
    else if (digests.has(digest) && value !== null) {
      const whole = hash('sha256', `${digest} ${number}`);
      copy[column] = digest === column ? whole : Buffer.from(whole.slice(0, 16), 'hex');
    } else if (column === 'serial' && value !== null) copy[column] = hash('sha256', `serial ${number}`).slice(0, 40);
    else if (digest === 'request_id') {
      const whole = hash('sha256', `request ${number}`, 'base64url');
      copy[column] = digest === column ? whole : whole.slice(0, 11);
    } else if (column === 'name') copy[column] = String(value).replace(/^dns:[^.]*/, `dns:grown-${number}`);
    else if (column === 'names') copy[column] = String(value).replace(/dns:[^.]*/, `dns:grown-${number}`);
  }
  return copy;
}
