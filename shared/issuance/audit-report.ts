import type { IssuingAuthority } from './authority-directory.ts';
import type { AuditReports, AuditStore, Clock, KnownReport } from './ports.ts';

/** What keeps track of the audit reports of CAs; the orphans and the outside reconciliation share them. */
export interface AuditReportPorts {
  readonly auditReports: AuditReports;
  readonly audits: AuditStore;
  readonly clock: Clock;
  readonly sleep: (waitMs: number) => Promise<void>;
}

export type ReadyReport = KnownReport & { readonly status: { readonly kind: 'ready' } };

/** One report a CA in 30 minutes (quotas of ACM PCA), counted from the one before. */
const intervalMs = 1_800_000;
/** After a refusal: somebody else began one, and the service does not say when. */
const refusedMsMax = 300_000;
/** After a report that failed, which the service does not count. */
const failedMs = 60_000;
const firstPollMs = 50;
const pollMsMax = 5_000;

export function isReady(report: KnownReport | undefined): report is ReadyReport {
  return report?.status.kind === 'ready';
}

/** Whether a CA has audit reports at all: ACM PCA makes them, a module of our own keeps no list of what it signed. */
export function hasAuditReports(issuer: Pick<IssuingAuthority, 'backend'>): boolean {
  return issuer.backend === 'acm-pca';
}

/** The last report of a CA, looked at again while it is being made, for `waitMsMax` at most. */
export async function lastReport(
  ports: AuditReportPorts,
  issuer: IssuingAuthority,
  waitMsMax: number,
): Promise<KnownReport | undefined> {
  const report = await ports.audits.report(issuer.caId, issuer.generation);
  return report === undefined ? undefined : awaitReport(ports, issuer, report, waitMsMax);
}

/** A new report, ready or being made after `waitMsMax`; undefined when the CA gives none now. */
export async function newReport(
  ports: AuditReportPorts,
  issuer: IssuingAuthority,
  waitMsMax: number,
): Promise<KnownReport | undefined> {
  const { caId, generation } = issuer;
  const askedAt = ports.clock();
  if (askedAt < (await ports.audits.beginAfter(caId, generation))) return undefined;
  const outcome = await ports.auditReports.begin(issuer.backendRef);
  if (outcome.kind !== 'begun') {
    const retryAfterMs = outcome.kind === 'not-now' ? outcome.retryAfterMs : failedMs;
    await ports.audits.deferBegin(caId, generation, askedAt + Math.min(retryAfterMs, refusedMsMax));
    return undefined;
  }
  const report: KnownReport = {
    caId,
    generation,
    reportId: outcome.reportId,
    askedAt,
    status: { kind: 'creating' },
    consideredThrough: 0,
  };
  await ports.audits.recordReport(report);
  await ports.audits.deferBegin(caId, generation, askedAt + intervalMs);
  return awaitReport(ports, issuer, report, waitMsMax);
}

async function awaitReport(
  ports: AuditReportPorts,
  issuer: IssuingAuthority,
  report: KnownReport,
  waitMsMax: number,
): Promise<KnownReport> {
  if (report.status.kind !== 'creating') return report;
  const deadline = ports.clock() + waitMsMax;
  for (let pollMs = firstPollMs; ; pollMs = Math.min(pollMs * 2, pollMsMax)) {
    const status = await ports.auditReports.describe(issuer.backendRef, report.reportId);
    if (status.kind !== 'creating') return settled(ports, { ...report, status });
    if (ports.clock() + pollMs > deadline) return report;
    await ports.sleep(pollMs);
  }
}

async function settled(ports: AuditReportPorts, report: KnownReport): Promise<KnownReport> {
  await ports.audits.recordReport(report);
  if (report.status.kind === 'failed') {
    const { caId, generation } = report;
    await ports.audits.deferBegin(caId, generation, ports.clock() + failedMs);
  }
  return report;
}

/** How long a certificate may be on its way after its IssueCertificate: the longest that this pipeline reckons with. */
const issuanceDelayMsMax = 300_000;
/** As long as ACM PCA honours an idempotency token (IssueCertificate, IdempotencyToken). */
const idempotencyWindowMs = 300_000;

/**
 * From the last submit until what it did shows in every report that begins then. A call may be under way for as long as its
 * token holds, since repeating it means the same; then the certificate, which is issued apart from the call, takes its time.
 */
export const reportMarginMs = idempotencyWindowMs + issuanceDelayMsMax;

const pageEntries = 500;

/** The entries of a report, some at a time, so that the ledger is asked about many at once. */
export async function* pagesOf<T>(entries: AsyncIterable<T>): AsyncIterable<readonly T[]> {
  let page: T[] = [];
  for await (const entry of entries) {
    page.push(entry);
    if (page.length < pageEntries) continue;
    yield page;
    page = [];
  }
  if (page.length > 0) yield page;
}
