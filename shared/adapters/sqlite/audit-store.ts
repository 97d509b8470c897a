import type { DatabaseSync } from 'node:sqlite';
import type { AuditReportStatus, AuditStore, Comparison, KnownReport } from '../../issuance/ports.ts';
import type { CommitQueue } from './commit-queue.ts';

type Row = Readonly<Record<string, unknown>>;

function reportOf(row: Row): KnownReport {
  return {
    caId: row.ca_id as string,
    generation: row.generation as number,
    reportId: row.report_id as string,
    askedAt: row.asked_at as number,
    status: JSON.parse(row.status as string) as AuditReportStatus,
    consideredThrough: row.considered_through as number,
  };
}

/** Audit reports that were asked for, and what comparing them with the ledger found. */
export function createAuditStore(database: DatabaseSync, commits: CommitQueue): AuditStore {
  const find = database.prepare('SELECT * FROM audit_reports WHERE ca_id = ? AND generation = ?');
  const record = database.prepare(`
    INSERT INTO audit_reports (ca_id, generation, report_id, asked_at, status, considered_through)
      VALUES (?, ?, ?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET report_id = excluded.report_id, asked_at = excluded.asked_at, status = excluded.status,
      considered_through = excluded.considered_through WHERE excluded.asked_at >= audit_reports.asked_at`);
  const deferral = database.prepare('SELECT begin_after FROM audit_deferrals WHERE ca_id = ? AND generation = ?');
  const defer = database.prepare(`INSERT INTO audit_deferrals (ca_id, generation, begin_after) VALUES (?, ?, ?)
    ON CONFLICT DO UPDATE SET begin_after = excluded.begin_after`);
  const compared = database.prepare('SELECT document FROM audit_comparisons WHERE ca_id = ? AND generation = ?');
  const allCompared = database.prepare('SELECT document FROM audit_comparisons ORDER BY ca_id, generation');
  const recordCompared = database.prepare(`INSERT INTO audit_comparisons (ca_id, generation, document) VALUES (?, ?, ?)
    ON CONFLICT DO UPDATE SET document = excluded.document`);
  const comparisonOf = (row: Row) => JSON.parse(row.document as string) as Comparison;

  return {
    async report(caId, generation) {
      const row = find.get(caId, generation);
      return row === undefined ? undefined : reportOf(row);
    },
    recordReport: (r) =>
      commits.submit(() => {
        record.run(r.caId, r.generation, r.reportId, r.askedAt, JSON.stringify(r.status), r.consideredThrough);
      }),
    beginAfter: async (caId, generation) => (deferral.get(caId, generation)?.begin_after ?? 0) as number,
    deferBegin: (caId, generation, until) =>
      commits.submit(() => {
        defer.run(caId, generation, until);
      }),
    recordComparison: (c) =>
      commits.submit(() => {
        recordCompared.run(c.caId, c.generation, JSON.stringify(c));
      }),
    async comparison(caId, generation) {
      const row = compared.get(caId, generation);
      return row === undefined ? undefined : comparisonOf(row);
    },
    comparisons: async () => allCompared.all().map(comparisonOf),
  };
}
