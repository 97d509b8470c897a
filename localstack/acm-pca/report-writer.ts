/**
 * Makes audit reports, one after the other, beside the calls: a page of certificates at a time, so that neither the size of a
 * CA nor the number of reports asked for decides how much memory it takes or how long a call waits.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { type ArnScope, formatAuthorityArn } from './arn.ts';
import { objectPath, putObject } from './buckets.ts';
import { formatReport, type ReportEntry, reportEntry } from './report-content.ts';
import type { AuditReport, ReportRows } from './report-rows.ts';

const pageCertificatesMax = 500;

export interface ReportWriter {
  /** Makes this report when those before it are made. Never throws: a report that cannot be made is FAILED. */
  begin(report: AuditReport): void;
  /** Stops between two pages and resolves then; what is not finished stays CREATING, and begins anew at the next start. */
  close(): Promise<void>;
}

export interface ReportWriterOptions {
  readonly stateDir: string;
  readonly scope: ArnScope;
  readonly rows: ReportRows;
  readonly closing: AbortSignal;
  readonly log: (message: string) => void;
}

async function* readPages(options: ReportWriterOptions, report: AuditReport): AsyncIterable<readonly ReportEntry[]> {
  const { closing, rows, scope } = options;
  const authorityArn = formatAuthorityArn(scope, report.authorityId);
  let afterSeq = 0;
  for (;;) {
    closing.throwIfAborted();
    const page = rows.reportedCertificates(report, afterSeq, pageCertificatesMax);
    const last = page.at(-1);
    if (last === undefined) return;
    yield page.map((row) => reportEntry(scope.account, authorityArn, row));
    afterSeq = last.seq;
    await nextTurn();
  }
}

async function makeReport(options: ReportWriterOptions, report: AuditReport): Promise<void> {
  const { closing, rows, stateDir, log } = options;
  try {
    closing.throwIfAborted();
    if (report.failure !== undefined) {
      rows.finishAuditReport(report.id, { status: 'FAILED', failure: report.failure });
      return;
    }
    const path = objectPath(stateDir, report.bucket, report.key);
    if (path === undefined) throw new Error('the bucket or the key is none');
    await putObject(path, formatReport(report.format, readPages(options, report)));
    closing.throwIfAborted();
    rows.finishAuditReport(report.id, { status: 'SUCCESS' });
  } catch (error) {
    if (closing.aborted) return;
    const failure = error instanceof Error ? error.message : 'unknown error';
    log(`audit report ${report.id}: ${failure}`);
    rows.finishAuditReport(report.id, { status: 'FAILED', failure });
  }
}

/** A writer over `rows`; the reports that an earlier process left unfinished begin at once. */
export function createReportWriter(options: ReportWriterOptions): ReportWriter {
  let last: Promise<void> = Promise.resolve();
  const begin = (report: AuditReport): void => {
    last = last.then(() => makeReport(options, report));
  };
  for (const report of options.rows.unfinishedAuditReports()) begin(report);
  return { begin, close: () => last };
}
