/**
 * CreateCertificateAuthorityAuditReport and DescribeCertificateAuthorityAuditReport. A report is a snapshot of the moment at
 * which it begins (`CreatedAt`): what was issued by then is in it, what is issued later, still pending or failed is not.
 */
import type {
  CreateCertificateAuthorityAuditReportRequest,
  DescribeCertificateAuthorityAuditReportRequest,
} from '@aws-sdk/client-acm-pca';
import type { EpochMs } from '../../../shared/pki/epoch.ts';
import { refuseState, requireAuthority, statusOf } from '../authority.ts';
import { isBucketName } from '../buckets.ts';
import type { Endpoint } from '../endpoint.ts';
import { refuse } from '../errors.ts';
import type { AuditReport, AuditReportFormat } from '../report-rows.ts';
import type { AuthorityRecord } from '../store.ts';
import { formatUuid } from '../uuid.ts';
import { timestamp } from './describe-authority.ts';

/** A CA has reports while ACTIVE or DISABLED (user guide, "CA status"). */
const statesWithReports: readonly string[] = ['ACTIVE', 'DISABLED'];

/** Status at `now`: a report is CREATING until its delay is over, even when it is written. */
export function reportStatus(report: AuditReport, now: EpochMs): AuditReport['status'] {
  return now < report.readyAt ? 'CREATING' : report.status;
}

/** One report at a time, and one in each interval; a report that failed does not count. */
function requireTurn(endpoint: Endpoint, record: AuthorityRecord, now: EpochMs): void {
  const { intervalMs, intervalError } = endpoint.switches.auditReports();
  const recent = endpoint.store.recentAuditReports(record.id, now - intervalMs, now);
  if (recent.some((report) => reportStatus(report, now) === 'CREATING')) {
    refuse('RequestInProgressException', 'An audit report of this certificate authority is being created.');
  }
  if (recent.some(({ status }) => status !== 'FAILED')) {
    refuse(intervalError, `An audit report can be created every ${intervalMs / 60_000} minutes.`);
  }
}

/**
 * CreateCertificateAuthorityAuditReport: id and key of a report that is being made. InvalidArgsException,
 * InvalidStateException, RequestInProgressException.
 */
export function createCertificateAuthorityAuditReport(
  endpoint: Endpoint,
  input: CreateCertificateAuthorityAuditReportRequest,
): { readonly AuditReportId: string; readonly S3Key: string } {
  const record = requireAuthority(endpoint, input.CertificateAuthorityArn ?? '');
  const bucket = input.S3BucketName ?? '';
  if (!isBucketName(bucket)) refuse('InvalidArgsException', 'The S3 bucket name is not valid.');
  const now = endpoint.clock();
  const status = statusOf(record, now);
  if (!statesWithReports.includes(status)) refuseState(record, status);
  requireTurn(endpoint, record, now);
  const format = input.AuditReportResponseFormat as AuditReportFormat;
  const id = formatUuid(endpoint.randomBytes(16));
  const failure = endpoint.switches.drawLateFailure(record.id, 'failAuditReport');
  const report = endpoint.store.insertAuditReport({
    id,
    authorityId: record.id,
    bucket,
    key: `audit-report/${record.id}/${id}.${format.toLowerCase()}`,
    format,
    createdAt: now,
    readyAt: now + endpoint.switches.auditReports().delayMs,
    ...(failure === undefined ? {} : { failure }),
  });
  endpoint.reports.begin(report);
  return { AuditReportId: report.id, S3Key: report.key };
}

/** DescribeCertificateAuthorityAuditReport. ResourceNotFoundException for a report that is not this CA's. */
export function describeCertificateAuthorityAuditReport(
  endpoint: Endpoint,
  input: DescribeCertificateAuthorityAuditReportRequest,
): object {
  const record = requireAuthority(endpoint, input.CertificateAuthorityArn ?? '');
  const report = endpoint.store.findAuditReport(record.id, input.AuditReportId ?? '');
  if (report === undefined) refuse('ResourceNotFoundException', `Could not find audit report ${input.AuditReportId}.`);
  return {
    AuditReportStatus: reportStatus(report, endpoint.clock()),
    S3BucketName: report.bucket,
    S3Key: report.key,
    CreatedAt: timestamp(report.createdAt),
  };
}
