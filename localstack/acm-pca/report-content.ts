/**
 * What an audit report says of a certificate, as the user guide's examples show it ("Use audit reports with your private CA"):
 * no SAN, no requester, no CSR. The members have the order of the CSV header; in JSON one without a value is absent, in CSV
 * its cell is empty.
 */
import type { EpochMs } from '../../shared/pki/epoch.ts';
import { formatCertificateArn, formatTemplateArn } from './arn.ts';
import type { AuditReportFormat, ReportedCertificate } from './report-rows.ts';
import { subjectText } from './subject-text.ts';

/** Columns of a CSV report. */
export const reportColumns = [
  'awsAccountId',
  'requestedByServicePrincipal',
  'certificateArn',
  'serial',
  'subject',
  'notBefore',
  'notAfter',
  'issuedAt',
  'revokedAt',
  'revocationReason',
  'templateArn',
] as const;

/** One certificate of a report. Instants are `2026-11-23T12:00:00+0000`. */
export type ReportEntry = Readonly<Partial<Record<(typeof reportColumns)[number], string>>>;

function instant(at: EpochMs): string {
  return `${new Date(at).toISOString().slice(0, 19)}+0000`;
}

/** The entry of a certificate; `requestedByServicePrincipal` has none, since no service of AWS issues here on its own. */
export function reportEntry(account: string, authorityArn: string, row: ReportedCertificate): ReportEntry {
  return {
    awsAccountId: account,
    certificateArn: formatCertificateArn(authorityArn, BigInt(`0x${row.serialHex}`)),
    serial: row.serialHex.replace(/..(?!$)/g, '$&:'),
    subject: subjectText(row.der),
    notBefore: instant(row.notBefore),
    notAfter: instant(row.notAfter),
    issuedAt: instant(row.readyAt),
    ...(row.revokedAt === undefined ? {} : { revokedAt: instant(row.revokedAt) }),
    ...(row.revocationReason === undefined ? {} : { revocationReason: row.revocationReason }),
    templateArn: formatTemplateArn(row.templateName),
  };
}

function csvLine(cells: readonly string[]): string {
  const quoted = cells.map((cell) => (/[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell));
  return `${quoted.join(',')}\n`;
}

/** A report's text, one piece a page of entries. JSON: one array, on one line. CSV: RFC 4180 with line feeds, and a header. */
export async function* formatReport(
  format: AuditReportFormat,
  pages: AsyncIterable<readonly ReportEntry[]>,
): AsyncIterable<string> {
  if (format === 'CSV') {
    yield csvLine(reportColumns);
    for await (const page of pages) {
      yield page.map((entry) => csvLine(reportColumns.map((column) => entry[column] ?? ''))).join('');
    }
    return;
  }
  yield '[';
  let separator = '';
  for await (const page of pages) {
    if (page.length === 0) continue;
    yield separator + page.map((entry) => JSON.stringify(entry)).join(',');
    separator = ',';
  }
  yield ']';
}
