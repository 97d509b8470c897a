/** Many certificates at the endpoint, and their issuances in the ledger, without issuing them: rows copied from one that was. */
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { databaseFileName } from '../../localstack/acm-pca/store.ts';

function run(file: string, statements: readonly (readonly [sql: string, ...values: (string | number)[]])[]): void {
  const database = new DatabaseSync(file);
  try {
    database.exec('BEGIN');
    for (const [sql, ...values] of statements) database.prepare(sql).run(...values);
    database.exec('COMMIT');
  } finally {
    database.close();
  }
}

const numbers = 'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)';
/** 16 octets, as the serials of the endpoint are. */
const serial = "format('41%030x', i)";

/** Copies the last certificate of the endpoint, which is stopped, `count` times. */
export function seedEndpoint(stateDir: string, count: number): void {
  const columns = 'authority_id, template, issued_at, ready_at, not_before, not_after, der, csr_sha256';
  run(join(stateDir, databaseFileName), [
    [
      `INSERT INTO certificate (serial, ${columns}) ${numbers}
        SELECT ${serial}, ${columns} FROM n, certificate WHERE seq = (SELECT max(seq) FROM certificate) ORDER BY i`,
      count,
    ],
  ]);
}

/** The issuances of those certificates, as far as a comparison looks: the ledger is closed. */
export function seedLedger(file: string, caId: string, count: number, issuedAt: number): void {
  run(file, [
    [
      `INSERT INTO issuances (request_id, ordinal, state, state_at, ca_id, generation, policy_version, serial)
        ${numbers} SELECT format('%043d', i), 1, 'issued', ?, ?, 1, 'seeded', ${serial} FROM n`,
      count,
      issuedAt,
      caId,
    ],
    [
      "INSERT INTO serials (ca_id, serial, issuance) SELECT ca_id, serial, issuance FROM issuances WHERE policy_version = 'seeded'",
    ],
  ]);
}
