import type { Intent } from '../lints/prepared-issuance.ts';
import { parseCertificate } from '../pki/certificate.ts';
import type { EpochMs } from '../pki/epoch.ts';
import { MalformedError } from '../pki/malformed.ts';
import { pagesOf } from './audit-report.ts';
import type { IssuingAuthority } from './authority-directory.ts';
import { storedSubjectOf } from './build-intent.ts';
import type { IssuanceRecord, IssuedCertificate } from './issuance-record.ts';
import type { AuditReportEntry, IssuanceLedger, SigningBackend } from './ports.ts';
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
  /** Template and validity of candidates that could not be read now: no orphan with them is proven absent. */
  readonly unread: ReadonlySet<string>;
  /** The report had more than one run looks at: nothing is proven absent. */
  readonly truncated: boolean;
}

/** What a report shows of an intent: not its names, not its key. */
export function traitsOf(of: Pick<TemplateIntent, 'templateArn' | 'notBefore' | 'notAfter'>): string {
  return `${of.templateArn} ${of.notBefore} ${of.notAfter}`;
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

/** Certificates of a report that share an orphan's template and validity and are no issuance's, fetched from the CA. */
export async function findCandidates(
  ledger: Pick<IssuanceLedger, 'knownSerials' | 'knownTickets'>,
  backend: Pick<SigningBackend, 'collect'>,
  issuer: IssuingAuthority,
  entries: AsyncIterable<AuditReportEntry>,
  orphans: readonly Orphan[],
): Promise<Candidates> {
  const sought = new Map(orphans.map(({ record, intent }) => [traitsOf(intent), record.issuanceId]));
  const found: AuditReportEntry[] = [];
  let truncated = false;
  for await (const page of pagesOf(entries)) {
    const alike = page.filter((entry) => sought.has(traitsOf(entry)));
    for (const entry of await unboundOf(ledger, issuer, alike)) {
      if (found.length < candidatesMax) found.push(entry);
      else truncated = true;
    }
  }
  const read: Candidate[] = [];
  const unread = new Set<string>();
  for (let start = 0; start < found.length; start += fetchedAtOnceMax) {
    const some = found.slice(start, start + fetchedAtOnceMax);
    const answers = await backend.collect(
      some.map((entry) => ({ issuanceId: sought.get(traitsOf(entry))!, ticket: entry.arn })),
    );
    some.forEach((entry, index) => {
      const answer = answers[index]!;
      const candidate = answer.kind === 'issued' ? candidateOf(entry, answer.certificateDer) : undefined;
      if (candidate === undefined) unread.add(traitsOf(entry));
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
 * validity, extensions and signature as for any certificate that comes back, and that it is no older than the intent.
 */
export async function verifyOrphan(
  { record, intent }: Orphan,
  issuer: IssuingAuthority,
  der: Uint8Array,
  issuedAt?: EpochMs,
): Promise<Verdict> {
  if (issuedAt !== undefined && issuedAt < intent.at - clockDifferenceMsMax)
    return { kind: 'foreign', faults: ['it was issued before it was intended'] };
  const verdict = await verifyIssued(der, intent, storedSubjectOf(intent, record.profile, issuer));
  return verdict.kind === 'verified'
    ? { kind: 'own', certificate: verdict.certificate }
    : { kind: 'foreign', faults: verdict.faults };
}

/** Between the CA's clock and ours. */
const clockDifferenceMsMax = 300_000;
