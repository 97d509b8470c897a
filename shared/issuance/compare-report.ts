import type { EpochMs } from '../pki/epoch.ts';
import {
  type AuditReportPorts,
  hasAuditReports,
  isReady,
  lastReport,
  newReport,
  pagesOf,
  type ReadyReport,
  reportMarginMs,
} from './audit-report.ts';
import type { AuthorityDirectory, IssuingAuthority } from './authority-directory.ts';
import { traitsOf, unboundOf } from './match-orphans.ts';
import type {
  AuditReportEntry,
  Comparison,
  IssuanceLedger,
  KnownReport,
  UnknownCertificate,
  UnknownIssuance,
} from './ports.ts';

/** Told what a person must see; each call is an alarm of docs/runbook.md. */
export interface ComparisonReport {
  unknownCertificate(caId: string, certificate: UnknownCertificate): void;
  unknownIssuance(caId: string, issuance: UnknownIssuance): void;
  failed(caId: string, cause: unknown): void;
}

export interface CompareReportPorts extends AuditReportPorts {
  readonly ledger: Pick<IssuanceLedger, 'knownSerials' | 'knownTickets' | 'issuedSerials' | 'stale' | 'getMany'>;
  readonly authorities: AuthorityDirectory;
  readonly comparisonReport: ComparisonReport;
}

export interface CompareOptions {
  /** A CA that was compared, or installed, more recently than this is left out; 0 for all. */
  readonly dueAfterMs: number;
  /** How long reports may take, for all CAs together. */
  readonly waitMsMax: number;
  /** Serials held at once (500,000: some 60 MB). A report with more of them is read again for each further part. */
  readonly serialsAtOnceMax?: number;
}

export interface WaitingAuthority {
  readonly caId: string;
  readonly generation: number;
  /** `report-not-ready`: it is being made. `no-report`: the CA gives none now. `failed`: it could not be made or read. */
  readonly reason: 'report-not-ready' | 'no-report' | 'failed';
}

export interface CompareResult {
  readonly compared: readonly Comparison[];
  readonly waiting: readonly WaitingAuthority[];
}

/** A report that is no older than this is as good as a new one, which the CA would not give yet. */
const reportAgeMsMax = 1_800_000;
/** Kept by name; beyond it they are counted. Of these the first are told: an alarm says that there are some, not all of them. */
const namedMax = 1_000;
const toldMax = 100;
const serialsAtOnceMaxDefault = 500_000;
const ledgerPage = 1_000;
const unsettledMax = 10_000;
const recordsAtOnce = 1_000;

/**
 * Compares what the CAs say they have issued with the ledger, both ways. A certificate that the ledger does not know is use
 * of the CA's key behind the ledger's back; an issuance that the CA does not know is a ledger that was tampered with, or a
 * certificate that this CA never made. For CAs of ACM PCA alone, the tiers above the issuing ones among them: other keys
 * leave no list (docs/security-model.md). Memory is bounded whatever the size of the report.
 */
export async function compareReports(ports: CompareReportPorts, options: CompareOptions): Promise<CompareResult> {
  const { serialsAtOnceMax = serialsAtOnceMaxDefault } = options;
  const deadline = ports.clock() + options.waitMsMax;
  const compared: Comparison[] = [];
  const waiting: WaitingAuthority[] = [];
  for (const issuer of await dueAuthorities(ports, options.dueAfterMs)) {
    const { caId, generation } = issuer;
    try {
      const report = await reportFor(ports, issuer, Math.max(0, deadline - ports.clock()));
      if (isReady(report)) compared.push(await compareOne(ports, issuer, report, serialsAtOnceMax));
      else waiting.push({ caId, generation, reason: reasonOf(report) });
    } catch (cause) {
      ports.comparisonReport.failed(caId, cause);
      waiting.push({ caId, generation, reason: 'failed' });
    }
  }
  return { compared, waiting };
}

function reasonOf(report: KnownReport | undefined): WaitingAuthority['reason'] {
  if (report === undefined) return 'no-report';
  return report.status.kind === 'failed' ? 'failed' : 'report-not-ready';
}

async function dueAuthorities(
  { authorities, audits, clock }: CompareReportPorts,
  dueAfterMs: number,
): Promise<readonly IssuingAuthority[]> {
  const due: IssuingAuthority[] = [];
  for (const issuer of (await authorities.all()).filter(hasAuditReports)) {
    const last = await audits.comparison(issuer.caId, issuer.generation);
    if (clock() - (last?.comparedAt ?? issuer.installedAt) >= dueAfterMs) due.push(issuer);
  }
  return due;
}

/** The newest report there can be now: a new one, or the last when the CA gives none yet. */
async function reportFor(ports: CompareReportPorts, issuer: IssuingAuthority, waitMsMax: number) {
  const fresh = await newReport(ports, issuer, waitMsMax);
  if (fresh !== undefined) return fresh;
  const last = await lastReport(ports, issuer, waitMsMax);
  return last !== undefined && ports.clock() - last.askedAt <= reportAgeMsMax ? last : undefined;
}

async function compareOne(
  ports: CompareReportPorts,
  issuer: IssuingAuthority,
  report: ReadyReport,
  serialsAtOnceMax: number,
): Promise<Comparison> {
  const before = await ports.audits.comparison(issuer.caId, issuer.generation);
  const read = await readReport(ports, issuer, report, serialsAtOnceMax);
  const { unknown, undecided } = await decide(ports, issuer, read.strangers);
  const unknownIssuances = await findUnknownIssuances(ports, issuer, report, read);
  const comparison: Comparison = {
    caId: issuer.caId,
    generation: issuer.generation,
    comparedAt: ports.clock(),
    report: { reportId: report.reportId, askedAt: report.askedAt, begunAt: report.status.begunAt },
    entries: read.entries,
    undecided,
    unknownCertificates: { count: unknown.length + read.strangersBeyond, named: unknown },
    unknownIssuances,
  };
  await ports.audits.recordComparison(comparison);
  const named = new Set(before?.unknownCertificates.named.map(({ arn }) => arn));
  const news = unknown.filter((one) => !isOver(one, comparison.comparedAt) || !named.has(one.arn));
  for (const one of news.slice(0, toldMax)) ports.comparisonReport.unknownCertificate(issuer.caId, one);
  for (const one of unknownIssuances.named.slice(0, toldMax)) ports.comparisonReport.unknownIssuance(issuer.caId, one);
  return comparison;
}

/** Revoked or expired: named once, then it is history. */
function isOver({ revokedAt, notAfter }: UnknownCertificate, at: EpochMs): boolean {
  return revokedAt !== undefined || notAfter < at;
}

interface ReadReport {
  readonly entries: number;
  /** Certificates that are no issuance's, the first of them. */
  readonly strangers: readonly AuditReportEntry[];
  readonly strangersBeyond: number;
  /** All serials; undefined when they are more than are held at once. */
  readonly serials: ReadonlySet<string> | undefined;
  /** Passes over the ledger. */
  readonly parts: number;
}

async function readReport(
  ports: CompareReportPorts,
  issuer: IssuingAuthority,
  report: ReadyReport,
  serialsAtOnceMax: number,
): Promise<ReadReport> {
  const authorities = await certifiedBy(ports.authorities, issuer);
  const strangers: AuditReportEntry[] = [];
  let strangersBeyond = 0;
  let entries = 0;
  let serials: Set<string> | undefined = new Set();
  for await (const page of pagesOf(ports.auditReports.entries(issuer.backendRef, report.status.location))) {
    entries += page.length;
    for (const { serialHex } of page) serials?.add(serialHex);
    if (serials !== undefined && serials.size > serialsAtOnceMax) serials = undefined;
    for (const entry of await unboundOf(ports.ledger, issuer, page)) {
      if (authorities.has(entry.serialHex)) continue;
      if (strangers.length < namedMax) strangers.push(entry);
      else strangersBeyond += 1;
    }
  }
  // Parts are even only on average: each is meant to be a fifth below the bound.
  const parts = serials === undefined ? Math.ceil(entries / (0.8 * serialsAtOnceMax)) : 1;
  return { entries, strangers, strangersBeyond, serials, parts };
}

/** Serials of the CA certificates that this CA has signed, its own as a root among them: the registry knows them. */
async function certifiedBy(directory: AuthorityDirectory, issuer: IssuingAuthority): Promise<ReadonlySet<string>> {
  const name = issuer.certificate.tbs.subject.der;
  const own = (await directory.all()).filter(
    ({ certificate, parent, caId }) =>
      (parent ?? caId) === issuer.caId && Buffer.compare(certificate.tbs.issuer.der, name) === 0,
  );
  return new Set(own.map(({ certificate }) => certificate.tbs.serialHex));
}

/**
 * A second look at certificates that are no issuance's: one of an issuance under way may have got its ticket or its serial
 * since, or may be what an intent without an outcome has left. The intents are read first, since they come first.
 */
async function decide(
  ports: CompareReportPorts,
  issuer: IssuingAuthority,
  strangers: readonly AuditReportEntry[],
): Promise<{ readonly unknown: readonly UnknownCertificate[]; readonly undecided: number }> {
  if (strangers.length === 0) return { unknown: [], undecided: 0 };
  const intended = await traitsUnderWay(ports, issuer);
  const unbound: AuditReportEntry[] = [];
  for (let start = 0; start < strangers.length; start += 500)
    unbound.push(...(await unboundOf(ports.ledger, issuer, strangers.slice(start, start + 500))));
  const unknown = unbound.filter((entry) => !intended.has(traitsOf(entry)));
  return { unknown, undecided: unbound.length - unknown.length };
}

/** What intents without an outcome would look like in a report. */
async function traitsUnderWay({ ledger, clock }: CompareReportPorts, issuer: IssuingAuthority): Promise<Set<string>> {
  const traits = new Set<string>();
  for (const state of ['intended', 'orphan-suspected'] as const) {
    const open = await ledger.stale(state, clock() + 1, unsettledMax);
    const own = open.filter(({ caId }) => caId === issuer.caId).map(({ issuanceId }) => issuanceId);
    for (let start = 0; start < own.length; start += recordsAtOnce) {
      for (const record of await ledger.getMany(own.slice(start, start + recordsAtOnce))) {
        if (record?.intent?.kind === 'template') traits.add(traitsOf(record.intent));
      }
    }
  }
  return traits;
}

// ------------------------------------------------------------------------------------------------ the ledger's side

async function findUnknownIssuances(
  ports: CompareReportPorts,
  issuer: IssuingAuthority,
  report: ReadyReport,
  read: ReadReport,
): Promise<Comparison['unknownIssuances']> {
  const { parts } = read;
  const named: UnknownIssuance[] = [];
  let count = 0;
  for (let part = 0; part < parts; part++) {
    const serials = read.serials ?? (await serialsOfPart(ports, issuer, report, part, parts));
    for await (const one of issuedBefore(ports, issuer, report.askedAt - reportMarginMs)) {
      if (partOf(one.serial, parts) !== part || serials.has(one.serial)) continue;
      count += 1;
      if (named.length < namedMax) named.push(one);
    }
  }
  return { count, named };
}

/** Spreads serials evenly: their last bytes are as random as any. */
function partOf(serialHex: string, parts: number): number {
  return parts === 1 ? 0 : Number.parseInt(serialHex.slice(-8), 16) % parts;
}

async function serialsOfPart(
  { auditReports }: CompareReportPorts,
  issuer: IssuingAuthority,
  report: ReadyReport,
  part: number,
  parts: number,
): Promise<ReadonlySet<string>> {
  const serials = new Set<string>();
  for await (const { serialHex } of auditReports.entries(issuer.backendRef, report.status.location)) {
    if (partOf(serialHex, parts) === part) serials.add(serialHex);
  }
  return serials;
}

/** What the ledger has held long enough to be in the report. */
async function* issuedBefore(
  { ledger }: CompareReportPorts,
  { caId, generation }: IssuingAuthority,
  before: EpochMs,
): AsyncIterable<UnknownIssuance> {
  let after: string | undefined;
  do {
    const page = await ledger.issuedSerials(caId, generation, after, ledgerPage);
    yield* page.issued.filter(({ at }) => at <= before);
    after = page.next;
  } while (after !== undefined);
}
