/** Audit reports of the simulated ACM PCA, in the local endpoint's own words. */
import { formatReport, reportEntry } from '../../../localstack/acm-pca/report-content.ts';
import type { Journal, PcaCertificate } from './journal.ts';
import type { Kernel } from './kernel.ts';
import type { CaKey } from './material.ts';
import { WorldError } from './processes.ts';
import type { Random } from './random.ts';

/** An error as the SDK throws it. Without a status there was no answer. */
export function serviceError(name: string, status?: number): Error {
  const error = new WorldError(`simulated ${name}`, name);
  return status === undefined ? error : Object.assign(error, { $metadata: { httpStatusCode: status } });
}

interface Report {
  readonly createdAt: number;
  readonly readyAt: number;
  /** What was there when it began. */
  readonly certificates: readonly PcaCertificate[];
}

/** One report of a CA in 30 minutes. */
const reportEveryMs = 1_800_000;

export interface SimulatedReports {
  begin(): object;
  describe(id: string | undefined): object;
  /** The object of a report. */
  read(reportKey: string): Promise<Uint8Array>;
}

export function createAuditReports(kernel: Kernel, random: Random, key: CaKey, journal: Journal): SimulatedReports {
  const reports: Report[] = [];
  const keyOf = (id: string) => `audit-report/devices/${id}.json`;

  function begin(): object {
    const last = reports.at(-1);
    if (last !== undefined && kernel.now - last.createdAt < reportEveryMs)
      throw serviceError('LimitExceededException', 400);
    const there = journal.certificates.filter(({ der, readyAt }) => der !== undefined && readyAt <= kernel.now);
    reports.push({ createdAt: kernel.now, readyAt: kernel.now + random.between(0, 5_000), certificates: there });
    return { AuditReportId: String(reports.length - 1), S3Key: keyOf(String(reports.length - 1)) };
  }

  function describe(id: string | undefined): object {
    const report = reports[Number(id)];
    if (report === undefined) throw serviceError('RequestFailedException', 400);
    const AuditReportStatus = kernel.now < report.readyAt ? 'CREATING' : 'SUCCESS';
    return { AuditReportStatus, S3Key: keyOf(id!), CreatedAt: new Date(report.createdAt) };
  }

  async function read(reportKey: string): Promise<Uint8Array> {
    const report = reports.find((_, index) => keyOf(String(index)) === reportKey);
    if (report === undefined) throw new WorldError('NoSuchKey');
    const rows = report.certificates.map((certificate, seq) => ({
      seq,
      serialHex: certificate.serial,
      templateName: certificate.templateArn.split('/')[1]!,
      readyAt: certificate.readyAt,
      notBefore: certificate.notBefore,
      notAfter: certificate.notAfter,
      der: certificate.der!,
    }));
    const pages = async function* () {
      yield rows.map((row) => reportEntry('000000000000', key.installed.backendRef, row));
    };
    let text = '';
    for await (const piece of formatReport('JSON', pages())) text += piece;
    return Buffer.from(text);
  }
  return { begin, describe, read };
}
