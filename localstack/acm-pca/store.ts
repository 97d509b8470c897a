/**
 * State of the endpoint: one SQLite file. Certificate authorities are few and held in memory as well; issued certificates are
 * many and only in the file, with columns for what an audit report shows and for revocation.
 *
 * The file holds the CA private keys as PEM: it is an emulator. It and its WAL are readable by their owner alone.
 */
import { chmodSync, closeSync, mkdirSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { CertificateAuthorityConfiguration, RevocationConfiguration, Tag } from '@aws-sdk/client-acm-pca';
import type { EpochMs } from '../../shared/pki/epoch.ts';
import { type CommitQueue, createCommitQueue } from './commit-queue.ts';
import { auditReportSchema, openReportRows, type ReportRows } from './report-rows.ts';

export const databaseFileName = 'acm-pca.sqlite';
/** `readyAt` of an issuance that is held: it stays pending until it is let go. */
export const heldReadyAt = Number.MAX_SAFE_INTEGER;

/**
 * One CA as stored. `status` is what was last set: CREATING lasts until `readyAt` and EXPIRED begins at the certificate's
 * notAfter, both without a write (authority.ts). Byte strings are base64 or PEM, since the record is one JSON column.
 */
export interface AuthorityRecord {
  readonly seq: number;
  readonly id: string;
  readonly arn: string;
  readonly type: 'ROOT' | 'SUBORDINATE';
  readonly status: 'PENDING_CERTIFICATE' | 'ACTIVE' | 'DISABLED' | 'DELETED';
  readonly statusBeforeDeletion?: AuthorityRecord['status'];
  readonly createdAt: EpochMs;
  readonly readyAt: EpochMs;
  readonly stateChangedAt: EpochMs;
  readonly restorableUntil?: EpochMs;
  readonly configuration: CertificateAuthorityConfiguration;
  readonly subject: string;
  readonly publicKey: string;
  readonly csr: string;
  readonly revocation: RevocationConfiguration;
  readonly keyStorageSecurityStandard: string;
  readonly usageMode: 'GENERAL_PURPOSE' | 'SHORT_LIVED_CERTIFICATE';
  readonly tags: readonly Tag[];
  readonly permissions?: readonly GrantedPermission[];
  /** Policy document. */
  readonly policy?: string;
  readonly idempotencyToken?: string;
  readonly certificate?: string;
  readonly chain?: string;
}

/** What CreatePermission gave to a principal. */
export interface GrantedPermission {
  readonly createdAt: EpochMs;
  readonly principal: string;
  readonly sourceAccount: string;
  readonly actions: readonly string[];
}

/** One issued certificate, or one issuance that failed after it was accepted (`failure` then says why and `der` is absent). */
export interface CertificateRow {
  readonly authorityId: string;
  /** Lower-case hex, whole octets, without leading zeros. */
  readonly serialHex: string;
  readonly templateName: string;
  readonly issuedAt: EpochMs;
  /** From when on GetCertificate answers it. */
  readonly readyAt: EpochMs;
  readonly notBefore: EpochMs;
  readonly notAfter: EpochMs;
  readonly der?: Uint8Array;
  readonly failure?: string;
  readonly idempotencyToken?: string;
  readonly csrSha256: string;
  readonly revokedAt?: EpochMs;
  readonly revocationReason?: string;
}

export interface Store extends ReportRows {
  authorities(): readonly AuthorityRecord[];
  findAuthority(id: string): AuthorityRecord | undefined;
  /** Durable on return. */
  insertAuthority(record: AuthorityRecord, privateKeyPem: string): void;
  /** Durable on return; the record replaces the one of its id. */
  saveAuthority(record: AuthorityRecord): void;
  /** Forgets the CA and its private key; its certificates stay. Durable on return. */
  removeAuthority(id: string): void;
  privateKeyPem(id: string): string;
  nextAuthoritySeq(): number;
  /** Durable when the promise resolves; rows of one turn of the loop share a transaction. */
  insertCertificate(row: CertificateRow): Promise<void>;
  findCertificate(authorityId: string, serialHex: string): CertificateRow | undefined;
  /** Durable on return. */
  revokeCertificate(authorityId: string, serialHex: string, at: EpochMs, reason: string): void;
  /** Rows issued after `since`, newest first: what the idempotency window needs after a restart. */
  certificatesSince(since: EpochMs): Iterable<CertificateRow>;
  /** Lets go every held issuance of the CA: its certificates are there from `at` on. Durable on return. */
  releaseHeld(authorityId: string, at: EpochMs): void;
  /** Counts of accepted issuances by CA, those of CAs that are gone among them. */
  certificateCounts(): ReadonlyMap<string, CertificateCounts>;
  close(): void;
}

/** Accepted issuances of a CA: `issued` are all that did not fail, `held` those of them that are pending until let go. */
export interface CertificateCounts {
  readonly issued: number;
  readonly failed: number;
  readonly held: number;
}

/** What each schema version adds to the one before; a state folder of an older version is brought up when it is opened. */
const schemas = [
  `
  CREATE TABLE authority (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, record TEXT NOT NULL, private_key TEXT NOT NULL
  ) STRICT;
  CREATE TABLE certificate (
    seq INTEGER PRIMARY KEY, authority_id TEXT NOT NULL, serial TEXT NOT NULL, template TEXT NOT NULL,
    issued_at INTEGER NOT NULL, ready_at INTEGER NOT NULL, not_before INTEGER NOT NULL, not_after INTEGER NOT NULL,
    der BLOB, failure TEXT, idempotency_token TEXT, csr_sha256 TEXT NOT NULL,
    revoked_at INTEGER, revocation_reason TEXT,
    UNIQUE (serial, authority_id)
  ) STRICT;
`,
  `${auditReportSchema}
  CREATE INDEX certificate_failed ON certificate (authority_id) WHERE failure IS NOT NULL;
  CREATE INDEX certificate_held ON certificate (authority_id) WHERE ready_at = ${heldReadyAt};
`,
];

function createFile(path: string): void {
  closeSync(openSync(path, 'a', 0o600));
  chmodSync(path, 0o600);
}

/** Held for the life of the process and let go by the kernel however it ends. */
function lockState(stateDir: string): DatabaseSync {
  const path = join(stateDir, 'lock.sqlite');
  createFile(path);
  const lock = new DatabaseSync(path);
  try {
    lock.exec('BEGIN EXCLUSIVE');
  } catch {
    lock.close();
    throw new Error(`another ACM PCA endpoint uses the state folder ${stateDir}`);
  }
  return lock;
}

function openDatabase(stateDir: string): DatabaseSync {
  const path = join(stateDir, databaseFileName);
  createFile(path);
  const db = new DatabaseSync(path);
  db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA busy_timeout = 5000;');
  const version = Number(db.prepare('PRAGMA user_version').get()?.user_version);
  if (version > schemas.length) throw new Error(`${path} has schema version ${version}, not ${schemas.length}`);
  for (const [index, schema] of schemas.entries()) {
    if (index >= version) db.exec(`BEGIN; ${schema} PRAGMA user_version = ${index + 1}; COMMIT;`);
  }
  return db;
}

type Row = Record<string, unknown>;

function readCertificateRow(row: Row): CertificateRow {
  return {
    authorityId: String(row.authority_id),
    serialHex: String(row.serial),
    templateName: String(row.template),
    issuedAt: Number(row.issued_at),
    readyAt: Number(row.ready_at),
    notBefore: Number(row.not_before),
    notAfter: Number(row.not_after),
    csrSha256: String(row.csr_sha256),
    ...(row.der instanceof Uint8Array ? { der: row.der } : {}),
    ...(typeof row.failure === 'string' ? { failure: row.failure } : {}),
    ...(typeof row.idempotency_token === 'string' ? { idempotencyToken: row.idempotency_token } : {}),
    ...(row.revoked_at === null ? {} : { revokedAt: Number(row.revoked_at) }),
    ...(typeof row.revocation_reason === 'string' ? { revocationReason: row.revocation_reason } : {}),
  };
}

function openCertificateRows(db: DatabaseSync, queue: CommitQueue) {
  const insert = db.prepare(
    `INSERT INTO certificate (authority_id, serial, template, issued_at, ready_at, not_before, not_after, der, failure,
       idempotency_token, csr_sha256) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  );
  const find = db.prepare('SELECT * FROM certificate WHERE serial = ? AND authority_id = ?');
  const newestFirst = db.prepare('SELECT * FROM certificate ORDER BY seq DESC');

  function insertCertificate(row: CertificateRow): Promise<void> {
    return queue.commit(() => {
      const { authorityId, serialHex, templateName, issuedAt, readyAt, notBefore, notAfter } = row;
      const optional = [row.der ?? null, row.failure ?? null, row.idempotencyToken ?? null] as const;
      insert.run(
        authorityId,
        serialHex,
        templateName,
        issuedAt,
        readyAt,
        notBefore,
        notAfter,
        ...optional,
        row.csrSha256,
      );
    });
  }

  function findCertificate(authorityId: string, serialHex: string): CertificateRow | undefined {
    const row = find.get(serialHex, authorityId);
    return row === undefined ? undefined : readCertificateRow(row);
  }

  function* certificatesSince(since: EpochMs): Iterable<CertificateRow> {
    for (const row of newestFirst.iterate()) {
      const certificate = readCertificateRow(row);
      if (certificate.issuedAt <= since) return;
      yield certificate;
    }
  }

  const revoke = db.prepare(
    'UPDATE certificate SET revoked_at = ?, revocation_reason = ? WHERE serial = ? AND authority_id = ?',
  );

  function revokeCertificate(authorityId: string, serialHex: string, at: EpochMs, reason: string): void {
    revoke.run(at, reason, serialHex, authorityId);
  }

  const release = db.prepare(
    `UPDATE certificate SET ready_at = ? WHERE authority_id = ? AND ready_at = ${heldReadyAt}`,
  );
  const countsOf = (condition: string) =>
    db.prepare(`SELECT authority_id, count(*) AS rows FROM certificate ${condition} GROUP BY authority_id`);
  const [all, failed, held] = [
    countsOf(''),
    countsOf('WHERE failure IS NOT NULL'),
    countsOf(`WHERE ready_at = ${heldReadyAt} AND failure IS NULL`),
  ];

  function releaseHeld(authorityId: string, at: EpochMs): void {
    queue.flush();
    release.run(at, authorityId);
  }

  function certificateCounts(): ReadonlyMap<string, CertificateCounts> {
    queue.flush();
    const read = (statement: typeof all) =>
      new Map(statement.all().map((row) => [String(row.authority_id), Number(row.rows)]));
    const [rows, failures, holds] = [read(all), read(failed), read(held)];
    const counts = [...rows].map(([id, total]) => {
      const failedHere = failures.get(id) ?? 0;
      return [id, { issued: total - failedHere, failed: failedHere, held: holds.get(id) ?? 0 }] as const;
    });
    return new Map(counts);
  }

  return { insertCertificate, findCertificate, revokeCertificate, certificatesSince, releaseHeld, certificateCounts };
}

function openAuthorities(db: DatabaseSync) {
  const records = new Map<string, AuthorityRecord>();
  for (const row of db.prepare('SELECT record FROM authority ORDER BY seq').all()) {
    const record = JSON.parse(String(row.record)) as AuthorityRecord;
    records.set(record.id, record);
  }
  const insert = db.prepare('INSERT INTO authority (seq, id, record, private_key) VALUES (?, ?, ?, ?)');
  const update = db.prepare('UPDATE authority SET record = ? WHERE id = ?');
  const remove = db.prepare('DELETE FROM authority WHERE id = ?');
  const key = db.prepare('SELECT private_key FROM authority WHERE id = ?');
  let lastSeq = Math.max(0, ...[...records.values()].map((record) => record.seq));

  return {
    authorities: (): readonly AuthorityRecord[] => [...records.values()],
    findAuthority: (id: string): AuthorityRecord | undefined => records.get(id),
    nextAuthoritySeq(): number {
      lastSeq += 1;
      return lastSeq;
    },
    insertAuthority(record: AuthorityRecord, privateKeyPem: string): void {
      insert.run(record.seq, record.id, JSON.stringify(record), privateKeyPem);
      records.set(record.id, record);
    },
    saveAuthority(record: AuthorityRecord): void {
      update.run(JSON.stringify(record), record.id);
      records.set(record.id, record);
    },
    removeAuthority(id: string): void {
      remove.run(id);
      records.delete(id);
    },
    privateKeyPem(id: string): string {
      const row = key.get(id);
      if (row === undefined) throw new Error('no private key for this certificate authority');
      return String(row.private_key);
    },
  };
}

/** Opens the state folder, making it (mode 700) when it is not there. Throws when another process has it open. */
export function openStore(stateDir: string): Store {
  mkdirSync(stateDir, { recursive: true, mode: 0o700 });
  const lock = lockState(stateDir);
  const db = openDatabase(stateDir);
  const queue = createCommitQueue(db);
  return {
    ...openAuthorities(db),
    ...openCertificateRows(db, queue),
    ...openReportRows(db, queue),
    close(): void {
      queue.flush();
      db.close();
      lock.close();
    },
  };
}

/**
 * Everything that a CA of this state folder has issued, oldest first, read without the endpoint and while it runs: for tests
 * that compare a ledger with the CA. Failed issuances are among them, with `failure` and no `der`.
 */
export function* readIssuedCertificates(stateDir: string): Iterable<CertificateRow> {
  const db = new DatabaseSync(join(stateDir, databaseFileName), { readOnly: true });
  try {
    for (const row of db.prepare('SELECT * FROM certificate ORDER BY seq').iterate()) yield readCertificateRow(row);
  } finally {
    db.close();
  }
}
