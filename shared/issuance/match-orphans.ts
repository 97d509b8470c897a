import type { Intent } from '../lints/prepared-issuance.ts';
import { parseCertificate } from '../pki/certificate.ts';
import type { EpochMs } from '../pki/epoch.ts';
import { MalformedError } from '../pki/malformed.ts';
import { pagesOf, reportMarginMs } from './audit-report.ts';
import type { IssuingAuthority } from './authority-directory.ts';
import type { IssuanceRecord, IssuedCertificate } from './issuance-record.ts';
import type { AuditReportEntry, IssuanceLedger, SigningBackend } from './ports.ts';
import { tokenReuseMsMax } from './signer-ports.ts';
import { verifyIssued } from './verify-issued.ts';

export type TemplateIntent = Extract<Intent, { kind: 'template' }>;

/** An issuance whose IssueCertificate has no known outcome. */
export interface Orphan {
  readonly record: IssuanceRecord;
  readonly intent: TemplateIntent;
}

/** A certificate at the CA that is no issuance's yet, and may be an orphan's. */
export interface Candidate {
  readonly entry: AuditReportEntry;
  readonly der: Uint8Array;
  readonly spkiSha256: string;
}

export interface Candidates {
  readonly read: readonly Candidate[];
  /** Candidates that could not be read now: no orphan that they may be of is proven absent. */
  readonly unread: readonly AuditReportEntry[];
  /** The report had more than one run looks at: nothing is proven absent. */
  readonly truncated: boolean;
}

/** What a report shows of an intent: not its names, not its key. */
export function traitsOf(of: Pick<TemplateIntent, 'templateArn' | 'notBefore' | 'notAfter'>): string {
  return `${of.templateArn} ${of.notBefore} ${of.notAfter}`;
}

/** Between the CA's clock and ours. */
const clockDifferenceMsMax = 300_000;

/** When an orphan's certificate came into being, if ever: from its intent until the last submit has surely taken effect. */
function timeOf({ intent }: Orphan): { readonly from: EpochMs; readonly to: EpochMs } {
  const { at } = intent;
  return { from: at - clockDifferenceMsMax, to: at + tokenReuseMsMax + reportMarginMs + clockDifferenceMsMax };
}

/**
 * Whether a certificate of nobody's may be what became of an orphan: it has its template and validity, or it came into being at
 * its time. A CA that did not do what it was asked for has issued all the same.
 */
export function mayBeOf(entry: AuditReportEntry, orphan: Orphan): boolean {
  const { from, to } = timeOf(orphan);
  return traitsOf(entry) === traitsOf(orphan.intent) || (entry.issuedAt >= from && entry.issuedAt <= to);
}

/** Whether a certificate may be that of any of these orphans, fast: reports are long, and their times overlap. */
function createSieve(orphans: readonly Orphan[]): (entry: AuditReportEntry) => boolean {
  const traits = new Set(orphans.map(({ intent }) => traitsOf(intent)));
  const spans: { from: EpochMs; to: EpochMs }[] = [];
  for (const span of orphans.map(timeOf).sort((a, b) => a.from - b.from)) {
    const last = spans.at(-1);
    if (last !== undefined && span.from <= last.to) last.to = Math.max(last.to, span.to);
    else spans.push({ ...span });
  }
  return (entry) =>
    traits.has(traitsOf(entry)) || spans.some(({ from, to }) => entry.issuedAt >= from && entry.issuedAt <= to);
}

/** Certificates fetched in one run; a flood of them takes several. */
const candidatesMax = 2_000;
const fetchedAtOnceMax = 50;

/** Whose tickets and serials are asked for: tickets first, since an issuance has its ticket before its serial. */
export async function unboundOf(
  ledger: Pick<IssuanceLedger, 'knownSerials' | 'knownTickets'>,
  issuer: Pick<IssuingAuthority, 'caId' | 'generation'>,
  entries: readonly AuditReportEntry[],
): Promise<readonly AuditReportEntry[]> {
  if (entries.length === 0) return [];
  const tickets = await ledger.knownTickets(entries.map(({ arn }) => arn));
  const serials = await ledger.knownSerials(
    issuer.caId,
    issuer.generation,
    entries.map(({ serialHex }) => serialHex),
  );
  // The certificate of an issuance that failed is nobody's: it should not be there.
  return entries.filter(({ arn, serialHex }) => {
    const ticket = tickets.get(arn);
    return (ticket === undefined || ticket.state === 'failed') && !serials.has(serialHex);
  });
}

/** Certificates of a report that may be those of orphans (`mayBeOf`) and are no issuance's, fetched from the CA. */
export async function findCandidates(
  ledger: Pick<IssuanceLedger, 'knownSerials' | 'knownTickets'>,
  backend: Pick<SigningBackend, 'collect'>,
  issuer: IssuingAuthority,
  entries: AsyncIterable<AuditReportEntry>,
  orphans: readonly Orphan[],
): Promise<Candidates> {
  const passes = createSieve(orphans);
  const found: AuditReportEntry[] = [];
  let truncated = false;
  for await (const page of pagesOf(entries)) {
    const alike = page.filter(passes);
    for (const entry of await unboundOf(ledger, issuer, alike)) {
      if (found.length < candidatesMax) found.push(entry);
      else truncated = true;
    }
  }
  const read: Candidate[] = [];
  const unread: AuditReportEntry[] = [];
  for (let start = 0; start < found.length; start += fetchedAtOnceMax) {
    const some = found.slice(start, start + fetchedAtOnceMax);
    // Whose it is will be seen; the backend names in its answers what it was given.
    const answers = await backend.collect(some.map(({ arn }) => ({ issuanceId: arn, ticket: arn })));
    some.forEach((entry, index) => {
      const answer = answers[index]!;
      const candidate = answer.kind === 'issued' ? candidateOf(entry, answer.certificateDer) : undefined;
      if (candidate === undefined) unread.push(entry);
      else read.push(candidate);
    });
  }
  return { read, unread, truncated };
}

/** Undefined for what is no certificate. */
function candidateOf(entry: AuditReportEntry, der: Uint8Array): Candidate | undefined {
  try {
    return { entry, der, spkiSha256: parseCertificate(der).tbs.publicKey.sha256 };
  } catch (cause) {
    if (cause instanceof MalformedError) return undefined;
    throw cause;
  }
}

export type Verdict =
  | { readonly kind: 'own'; readonly certificate: IssuedCertificate }
  | { readonly kind: 'foreign'; readonly faults: readonly string[] };

/**
 * Whether a certificate at the CA is what an orphan's intent asked for. Nothing less than everything decides: key, names,
 * validity, extensions and signature as for any certificate that comes back, and, where a report has it (`entry`), that it is no
 * older than the intent and of its template.
 */
export async function verifyOrphan(
  { record, intent }: Orphan,
  issuer: IssuingAuthority,
  der: Uint8Array,
  entry?: AuditReportEntry,
): Promise<Verdict> {
  if (entry !== undefined && entry.issuedAt < intent.at - clockDifferenceMsMax)
    return { kind: 'foreign', faults: ['it was issued before it was intended'] };
  if (entry !== undefined && entry.templateArn !== intent.templateArn)
    return { kind: 'foreign', faults: ['it was issued by another template'] };
  const verdict = await verifyIssued(der, intent, record.profile, issuer);
  return verdict.kind === 'verified'
    ? { kind: 'own', certificate: verdict.certificate }
    : { kind: 'foreign', faults: verdict.faults };
}
