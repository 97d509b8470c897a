/** Audit reports in the state file, and the certificates that go into one. */
import type { DatabaseSync } from 'node:sqlite';
import type { EpochMs } from '../../shared/pki/epoch.ts';
import type { CommitQueue } from './commit-queue.ts';

export type AuditReportFormat = 'JSON' | 'CSV';

/** An audit report. What is in it is settled when it begins: rows up to `lastSeq`, as they were at `createdAt`. */
export interface AuditReport {
  readonly id: string;
  readonly authorityId: string;
  readonly bucket: string;
  readonly key: string;
  readonly format: AuditReportFormat;
  readonly createdAt: EpochMs;
  /** CREATING until then even when the file is written. */
  readonly readyAt: EpochMs;
  readonly lastSeq: number;
  readonly status: 'CREATING' | 'SUCCESS' | 'FAILED';
  /** Why it fails, or has failed. */
  readonly failure?: string;
}

/** A certificate as a report needs it. */
export interface ReportedCertificate {
  readonly seq: number;
  readonly serialHex: string;
  readonly templateName: string;
  /** When the certificate was there. */
  readonly readyAt: EpochMs;
  readonly notBefore: EpochMs;
  readonly notAfter: EpochMs;
  readonly der: Uint8Array;
  readonly revokedAt?: EpochMs;
  readonly revocationReason?: string;
}

export interface ReportRows {
  /** Durable on return. Every certificate that was given to the store before is among those the report may hold. */
  insertAuditReport(report: Omit<AuditReport, 'lastSeq' | 'status'>): AuditReport;
  findAuditReport(authorityId: string, id: string): AuditReport | undefined;
  /** Newest first: those that began after `since`, and those that are not finished at `now`. */
  recentAuditReports(authorityId: string, since: EpochMs, now: EpochMs): readonly AuditReport[];
  /** In the order in which they began: those that were under way when the process ended. */
  unfinishedAuditReports(): readonly AuditReport[];
  finishAuditReport(id: string, outcome: { readonly status: 'SUCCESS' | 'FAILED'; readonly failure?: string }): void;
  /** Certificates of a report in the order of issuance, at most `countMax` of them, after `afterSeq`. */
  reportedCertificates(report: AuditReport, afterSeq: number, countMax: number): readonly ReportedCertificate[];
}

export const auditReportSchema = `
  CREATE TABLE audit_report (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, authority_id TEXT NOT NULL, bucket TEXT NOT NULL, key TEXT NOT NULL,
    format TEXT NOT NULL, created_at INTEGER NOT NULL, ready_at INTEGER NOT NULL, last_seq INTEGER NOT NULL,
    status TEXT NOT NULL, failure TEXT
  ) STRICT;
  CREATE INDEX audit_report_of_authority ON audit_report (authority_id, created_at);
  CREATE INDEX certificate_of_authority ON certificate (authority_id);
`;

function readReport(row: Record<string, unknown>): AuditReport {
  return {
    id: String(row.id),
    authorityId: String(row.authority_id),
    bucket: String(row.bucket),
    key: String(row.key),
    format: String(row.format) as AuditReportFormat,
    createdAt: Number(row.created_at),
    readyAt: Number(row.ready_at),
    lastSeq: Number(row.last_seq),
    status: String(row.status) as AuditReport['status'],
    ...(typeof row.failure === 'string' ? { failure: row.failure } : {}),
  };
}

function readCertificate(row: Record<string, unknown>, at: EpochMs): ReportedCertificate {
  const revokedAt = row.revoked_at === null ? undefined : Number(row.revoked_at);
  const isRevoked = revokedAt !== undefined && revokedAt <= at;
  return {
    seq: Number(row.seq),
    serialHex: String(row.serial),
    templateName: String(row.template),
    readyAt: Number(row.ready_at),
    notBefore: Number(row.not_before),
    notAfter: Number(row.not_after),
    der: row.der as Uint8Array,
    ...(isRevoked ? { revokedAt, revocationReason: String(row.revocation_reason ?? 'UNSPECIFIED') } : {}),
  };
}

/** Audit reports of an open database whose certificates go through `queue`. */
export function openReportRows(db: DatabaseSync, queue: CommitQueue): ReportRows {
  const insert = db.prepare(
    `INSERT INTO audit_report (id, authority_id, bucket, key, format, created_at, ready_at, last_seq, status, failure)
     VALUES (?, ?, ?, ?, ?, ?, ?, (SELECT coalesce(max(seq), 0) FROM certificate), 'CREATING', ?) RETURNING *`,
  );
  const find = db.prepare('SELECT * FROM audit_report WHERE authority_id = ? AND id = ?');
  const recent = db.prepare(
    `SELECT * FROM audit_report WHERE authority_id = ? AND (created_at > ? OR ready_at > ? OR status = 'CREATING')
     ORDER BY seq DESC`,
  );
  const unfinished = db.prepare("SELECT * FROM audit_report WHERE status = 'CREATING' ORDER BY seq");
  const finish = db.prepare('UPDATE audit_report SET status = ?, failure = ? WHERE id = ?');
  const page = db.prepare(
    `SELECT seq, serial, template, ready_at, not_before, not_after, der, revoked_at, revocation_reason FROM certificate
     WHERE authority_id = ? AND seq > ? AND seq <= ? AND ready_at <= ? AND der IS NOT NULL ORDER BY seq LIMIT ?`,
  );

  return {
    insertAuditReport(report): AuditReport {
      queue.flush();
      const { id, authorityId, bucket, key, format, createdAt, readyAt, failure } = report;
      const row = insert.get(id, authorityId, bucket, key, format, createdAt, readyAt, failure ?? null);
      return readReport(row as Record<string, unknown>);
    },
    findAuditReport(authorityId, id): AuditReport | undefined {
      const row = find.get(authorityId, id);
      return row === undefined ? undefined : readReport(row);
    },
    recentAuditReports: (authorityId, since, now) => recent.all(authorityId, since, now).map(readReport),
    unfinishedAuditReports: () => unfinished.all().map(readReport),
    finishAuditReport(id, { status, failure }): void {
      finish.run(status, failure ?? null, id);
    },
    reportedCertificates: ({ authorityId, lastSeq, createdAt }, afterSeq, countMax) =>
      page.all(authorityId, afterSeq, lastSeq, createdAt, countMax).map((row) => readCertificate(row, createdAt)),
  };
}
