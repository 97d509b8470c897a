/**
 * Audit reports of ACM PCA. The service writes a report as one object to S3 (`audit-report/CA_ID/UUID.json`); how that object
 * is read is an argument. The credential needs CreateCertificateAuthorityAuditReport, DescribeCertificateAuthorityAuditReport
 * and the object's bucket.
 */
import {
  type ACMPCAClient,
  CreateCertificateAuthorityAuditReportCommand,
  DescribeCertificateAuthorityAuditReportCommand,
} from '@aws-sdk/client-acm-pca';
import type { AuditReportEntry, AuditReports, BeginReportOutcome } from '../../issuance/ports.ts';
import type { EpochMs } from '../../pki/epoch.ts';
import { type JsonArrayLimits, readJsonArray } from './json-array.ts';
import { describeError, ruleFor } from './service-errors.ts';

/** The bytes of an object, from the first to the last. Throws when it is not there, or ends before its length. */
export type ObjectReader = (bucket: string, key: string) => AsyncIterable<Uint8Array>;

export interface AcmPcaAuditReportsOptions {
  readonly client: ACMPCAClient;
  readonly bucket: string;
  readonly readObject: ObjectReader;
}

const callMsMax = 10_000;
/** A CA gives one report in 30 minutes (quotas of ACM PCA); the service does not say how much of that is over. */
export const reportIntervalMs = 1_800_000;
const throttledMs = 60_000;

/**
 * An entry is some 400 bytes; a subject may have 20 attributes of some hundred characters each. The service makes no reports
 * of a CA with more than 100 million certificates; this reader stops far below that, since it is one pass of one process.
 */
export const auditReportLimits: JsonArrayLimits = { elementBytesMax: 65_536, elementsMax: 10_000_000, depthMax: 4 };

/** What stands in a report is not what the service documents. Nothing is concluded from such a report. */
export class AuditReportError extends Error {
  override readonly name = 'AuditReportError';
}

/** The error names that say: not now. The documentation has no name of its own for the 30 minutes. */
const notNowNames: ReadonlySet<string> = new Set([
  'RequestInProgressException',
  'LimitExceededException',
  'RequestFailedException',
]);

/** The reports of the CAs of one account and Region. */
export function createAcmPcaAuditReports(options: AcmPcaAuditReportsOptions): AuditReports {
  const { client, bucket, readObject } = options;
  return {
    async begin(authorityRef): Promise<BeginReportOutcome> {
      const command = new CreateCertificateAuthorityAuditReportCommand({
        CertificateAuthorityArn: authorityRef,
        S3BucketName: bucket,
        AuditReportResponseFormat: 'JSON',
      });
      try {
        const { AuditReportId } = await client.send(command, { abortSignal: AbortSignal.timeout(callMsMax) });
        if (AuditReportId !== undefined) return { kind: 'begun', reportId: AuditReportId };
        return { kind: 'unavailable', code: 'pca-answer-without-report', message: 'no AuditReportId was answered' };
      } catch (error) {
        return beginFailure(error);
      }
    },
    async describe(authorityRef, reportId) {
      const command = new DescribeCertificateAuthorityAuditReportCommand({
        CertificateAuthorityArn: authorityRef,
        AuditReportId: reportId,
      });
      const { AuditReportStatus, CreatedAt, S3Key } = await client.send(command, {
        abortSignal: AbortSignal.timeout(callMsMax),
      });
      if (AuditReportStatus === 'CREATING') return { kind: 'creating' };
      if (AuditReportStatus === 'FAILED') return { kind: 'failed' };
      if (AuditReportStatus === 'SUCCESS' && CreatedAt !== undefined && S3Key !== undefined)
        return { kind: 'ready', begunAt: CreatedAt.getTime(), location: S3Key };
      throw new AuditReportError('the description of an audit report lacks its status, its time or its key');
    },
    entries: (authorityRef, location) => readEntries(authorityRef, readObject(bucket, location)),
  };
}

function beginFailure(error: unknown): BeginReportOutcome {
  const rule = ruleFor(error);
  const message = describeError(error);
  if (rule.throttled) return { kind: 'not-now', retryAfterMs: throttledMs, message };
  if (error instanceof Error && notNowNames.has(error.name))
    return { kind: 'not-now', retryAfterMs: reportIntervalMs, message };
  return { kind: 'unavailable', code: rule.code, message };
}

async function* readEntries(authorityRef: string, chunks: AsyncIterable<Uint8Array>): AsyncIterable<AuditReportEntry> {
  for await (const element of readJsonArray(chunks, auditReportLimits)) yield parseEntry(authorityRef, element);
}

const octets = /^[0-9a-f]{1,2}(?::[0-9a-f]{2}){0,19}$/i;
const decimal = /^[0-9]{1,49}$/;

/** One element of a report. Throws `AuditReportError`. */
export function parseEntry(authorityRef: string, element: unknown): AuditReportEntry {
  const fields = element as Readonly<Record<string, unknown>>;
  const text = (name: string, lengthMax: number): string => {
    const value = fields[name];
    if (typeof value !== 'string' || value.length > lengthMax)
      throw new AuditReportError(`an entry without ${name}, or with one that is too long`);
    return value;
  };
  const arn = text('certificateArn', 256);
  const prefix = `${authorityRef}/certificate/`;
  const inArn = arn.slice(prefix.length);
  const serial = text('serial', 64);
  if (!arn.startsWith(prefix) || !decimal.test(inArn) || !octets.test(serial))
    throw new AuditReportError('an entry whose ARN or serial is none of this CA');
  // Hex with colons here, decimal in the ARN: the number is what they have in common.
  const number = BigInt(`0x${serial.replaceAll(':', '')}`);
  if (number !== BigInt(inArn)) throw new AuditReportError('an entry whose serial is not that of its ARN');
  const hex = number.toString(16);
  return {
    arn,
    serialHex: hex.length % 2 === 0 ? hex : `0${hex}`,
    subject: text('subject', auditReportLimits.elementBytesMax),
    notBefore: instantOf(text('notBefore', 40)),
    notAfter: instantOf(text('notAfter', 40)),
    issuedAt: instantOf(text('issuedAt', 40)),
    templateArn: text('templateArn', 256),
    ...(typeof fields.revokedAt === 'string' && fields.revokedAt !== ''
      ? { revokedAt: instantOf(fields.revokedAt) }
      : {}),
  };
}

const instantForm = /^(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2})(?:\.\d{1,9})?(?:\+00:?00|Z)$/;

/** `2026-11-23T12:00:00+0000`: always UTC, in whole seconds. */
function instantOf(text: string): EpochMs {
  const at = Date.parse(`${instantForm.exec(text)?.[1] ?? ''}Z`);
  if (Number.isNaN(at)) throw new AuditReportError('an entry with a time that is none');
  return at;
}
