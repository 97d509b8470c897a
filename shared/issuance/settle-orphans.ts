import { findAuthority, type Hierarchy } from '../hierarchy/hierarchy.ts';
import type { EpochMs } from '../pki/epoch.ts';
import {
  type AuditReportPorts,
  hasAuditReports,
  isReady,
  lastReport,
  newReport,
  type ReadyReport,
  reportMarginMs,
} from './audit-report.ts';
import type { AuthorityDirectory, IssuingAuthority } from './authority-directory.ts';
import {
  type Candidate,
  type Candidates,
  findCandidates,
  mayBeOf,
  type Orphan,
  type Verdict,
  verifyOrphan,
} from './match-orphans.ts';
import type { IssuanceLedger, SigningBackend, StaleIssuance, Transition, WorkQueue } from './ports.ts';
import { tokenReuseMsMax } from './signer-ports.ts';

/** Told what a person should know; each becomes an entry in the log, and an alarm where docs/runbook.md has one. */
export interface OrphanReport {
  adopted(issuanceId: string, arn: string): void;
  absent(issuanceId: string): void;
  /** A second certificate that is the issuance's in everything, and was not adopted. */
  duplicate(issuanceId: string, arn: string, serial: string): void;
  /** A certificate of the same key, and of its time or its template and validity, that is not what was intended. */
  mismatch(issuanceId: string, arn: string, faults: readonly string[]): void;
  /** Absence is proven, and a name or the key has gone to somebody else meanwhile. */
  blocked(issuanceId: string, reason: string): void;
  failed(caId: string, cause: unknown): void;
}

export interface SettleOrphansPorts extends AuditReportPorts {
  readonly hierarchy: Hierarchy;
  readonly ledger: IssuanceLedger;
  readonly authorities: AuthorityDirectory;
  /** Reads certificates at a CA; undefined when this process has no way to it. */
  readonly backendOf: (issuer: IssuingAuthority) => Pick<SigningBackend, 'collect'> | undefined;
  readonly signingQueue: (backend: string) => WorkQueue | undefined;
  readonly orphanReport: OrphanReport;
}

export interface SettleOrphansResult {
  readonly adopted: number;
  /** Proven absent and approved again. */
  readonly absent: number;
  /** What is `orphan-suspected` still. */
  readonly left: number;
}

/** Orphans that one run finds; of one CA it looks at fewer. */
const orphansMax = 10_000;
/** More than the reconciler suspects at one instant (1,000), so that a run never stops within one. */
const orphansOfAuthorityMax = 2_000;
/** A report of a small CA is there within moments; a large one is looked at by the next run. */
const reportWaitMsMax = 3_000;

/** From when on a report has to have begun to prove that an intent left no certificate. */
export function absenceProvenFrom({ intent }: Pick<Orphan, 'intent'>): EpochMs {
  // No submit begins later than its token may be used (signer-ports.ts), whoever made it.
  return intent.at + tokenReuseMsMax + reportMarginMs;
}

/**
 * Settles issuances whose IssueCertificate has no known outcome, from what the CA itself reports. A certificate that is one's
 * in everything is adopted; an issuance that is in no report begun late enough goes back to `approved`, for a new intent.
 * What is neither stays. Nothing is ever signed because something is not known.
 *
 * A report is asked for as soon as there is an orphan and the CA gives one; it can adopt at once. Only a later one, begun
 * `reportMarginMs` after the last possible submit, can prove absence.
 */
export async function settleOrphans(ports: SettleOrphansPorts): Promise<SettleOrphansResult> {
  const suspected = await ports.ledger.stale('orphan-suspected', ports.clock() + 1, orphansMax);
  const total = { adopted: 0, absent: 0, left: suspected.length };
  for (const [caId, stale] of Map.groupBy(suspected, (one) => one.caId)) {
    try {
      const settled = await settleForCa(ports, firstOf(stale));
      total.adopted += settled.adopted;
      total.absent += settled.absent;
    } catch (cause) {
      // One CA that cannot be asked must not keep the others' orphans waiting.
      ports.orphanReport.failed(caId, cause);
    }
  }
  return { ...total, left: total.left - total.adopted - total.absent };
}

/** The oldest, without a part of those that were suspected at one instant: a report is marked by such an instant. */
function firstOf(stale: readonly StaleIssuance[]): readonly StaleIssuance[] {
  const first = stale.slice(0, orphansOfAuthorityMax);
  const beyond = stale[orphansOfAuthorityMax]?.stateAt;
  const whole = first.filter(({ stateAt }) => stateAt !== beyond);
  return whole.length > 0 ? whole : first;
}

interface Settled {
  readonly adopted: number;
  readonly absent: number;
}

async function settleForCa(ports: SettleOrphansPorts, stale: readonly StaleIssuance[]): Promise<Settled> {
  const records = await ports.ledger.getMany(stale.map(({ issuanceId }) => issuanceId));
  const orphans = records.flatMap((record): Orphan[] =>
    record?.state === 'orphan-suspected' && record.intent?.kind === 'template'
      ? [{ record, intent: record.intent }]
      : [],
  );
  let [adopted, absent] = [0, 0];
  for (const [generation, own] of Map.groupBy(orphans, ({ record }) => record.generation)) {
    const issuer = await ports.authorities.generation(own[0]!.record.caId, generation);
    const backend = issuer === undefined ? undefined : ports.backendOf(issuer);
    if (issuer === undefined || backend === undefined || !hasAuditReports(issuer)) continue;
    const settled = await settleForGeneration(ports, { issuer, backend, orphans: own });
    adopted += settled.adopted;
    absent += settled.absent;
  }
  return { adopted, absent };
}

interface Work {
  readonly issuer: IssuingAuthority;
  readonly backend: Pick<SigningBackend, 'collect'>;
  readonly orphans: readonly Orphan[];
}

/** With the report that is there, then with a new one when orphans are left and the CA gives one. */
async function settleForGeneration(ports: SettleOrphansPorts, work: Work): Promise<Settled> {
  const total = { adopted: 0, absent: 0 };
  let { orphans } = work;
  const look = async (report: ReadyReport) => {
    const concerned = orphans.filter(
      ({ record, intent }) => record.stateAt > report.consideredThrough && intent.at <= report.askedAt,
    );
    if (concerned.length === 0) return;
    const settled = await settleFrom(ports, { ...work, orphans: concerned }, report);
    total.adopted += settled.adopted;
    total.absent += settled.absent;
    orphans = orphans.filter(({ record }) => !settled.ids.has(record.issuanceId));
  };
  try {
    const report = await lastReport(ports, work.issuer, 0);
    if (isReady(report)) await look(report);
  } catch (cause) {
    // It may be unreadable for good; a new one is asked for when its time has come.
    ports.orphanReport.failed(work.issuer.caId, cause);
  }
  if (orphans.length === 0) return total;
  const report = await newReport(ports, work.issuer, reportWaitMsMax);
  if (isReady(report)) await look(report);
  return total;
}

interface Match {
  readonly orphan: Orphan;
  readonly candidate: Candidate;
  readonly certificate: Extract<Verdict, { kind: 'own' }>['certificate'];
}

/** What one report says of these orphans, all of whose intents are older than it. */
async function settleFrom(ports: SettleOrphansPorts, work: Work, report: ReadyReport) {
  const { issuer, backend, orphans } = work;
  const entries = ports.auditReports.entries(issuer.backendRef, report.status.location);
  const candidates = await findCandidates(ports.ledger, backend, issuer, entries, orphans);
  const { matches, doubtful } = await matchAll(ports, work, candidates);
  const ids = await adopt(ports, matches);
  const adopted = ids.size;
  const gone = orphans.filter((orphan) => {
    const { intent, record } = orphan;
    const { issuanceId } = record;
    const isDecided = matches.has(issuanceId) || doubtful.has(issuanceId);
    const isSeen = !candidates.truncated && !candidates.unread.some((entry) => mayBeOf(entry, orphan));
    return !isDecided && isSeen && report.askedAt >= absenceProvenFrom({ intent });
  });
  for (const id of await approveAgain(ports, issuer, gone)) ids.add(id);
  if (!candidates.truncated && candidates.unread.length === 0) {
    const consideredThrough = Math.max(report.consideredThrough, ...orphans.map(({ record }) => record.stateAt));
    await ports.audits.recordReport({ ...report, consideredThrough });
  }
  return { adopted, absent: ids.size - adopted, ids };
}

/**
 * One certificate for one orphan, the oldest of each first. Of an orphan with more than one, the others are reported; one
 * whose key has a certificate that is not as intended is left for a person, since that may be all that became of it.
 */
async function matchAll(ports: SettleOrphansPorts, { issuer, orphans }: Work, { read }: Candidates) {
  const inOrder = read.toSorted((a, b) => a.entry.issuedAt - b.entry.issuedAt);
  const byKey = Map.groupBy(inOrder, ({ spkiSha256 }) => spkiSha256);
  const matches = new Map<string, Match>();
  const taken = new Set<Candidate>();
  const spare: { readonly issuanceId: string; readonly candidate: Candidate; readonly verdict: Verdict }[] = [];
  for (const orphan of orphans) {
    const { issuanceId } = orphan.record;
    for (const candidate of byKey.get(orphan.intent.spkiSha256) ?? []) {
      if (taken.has(candidate) || !mayBeOf(candidate.entry, orphan)) continue;
      const verdict = await verifyOrphan(orphan, issuer, candidate.der, candidate.entry);
      if (verdict.kind === 'own' && !matches.has(issuanceId)) {
        matches.set(issuanceId, { orphan, candidate, certificate: verdict.certificate });
        taken.add(candidate);
      } else spare.push({ issuanceId, candidate, verdict });
    }
  }
  const doubtful = new Set<string>();
  // What another orphan took is accounted for.
  for (const { issuanceId, candidate, verdict } of spare.filter((one) => !taken.has(one.candidate))) {
    const { arn, serialHex } = candidate.entry;
    if (verdict.kind === 'own') ports.orphanReport.duplicate(issuanceId, arn, serialHex);
    else if (!matches.has(issuanceId)) {
      doubtful.add(issuanceId);
      ports.orphanReport.mismatch(issuanceId, arn, verdict.faults);
    }
  }
  return { matches, doubtful };
}

/** Adopts; answers the ids that moved. A serial that another issuance took meanwhile is that one's. */
async function adopt(ports: SettleOrphansPorts, matches: ReadonlyMap<string, Match>): Promise<Set<string>> {
  const at = ports.clock();
  const moves = [...matches.values()].map((match): Transition & { readonly to: 'issued' } => ({
    to: 'issued',
    issuanceId: match.orphan.record.issuanceId,
    from: 'orphan-suspected',
    at,
    certificate: match.certificate,
    ticket: match.candidate.entry.arn,
    adopted: true,
  }));
  const ids = new Set<string>();
  if (moves.length === 0) return ids;
  const answers = await ports.ledger.advance(moves);
  answers.forEach((answer, index) => {
    const { issuanceId, ticket } = moves[index]!;
    if (answer.kind !== 'moved') return;
    ids.add(issuanceId);
    ports.orphanReport.adopted(issuanceId, ticket!);
  });
  // Somebody who saw an unknown certificate may have revoked it at the CA: it is not handed out as if it were good.
  const revoked = [...matches.values()].filter(
    ({ orphan, candidate }) => ids.has(orphan.record.issuanceId) && candidate.entry.revokedAt !== undefined,
  );
  if (revoked.length > 0)
    await ports.ledger.advance(revoked.map(({ orphan }) => revocationOf(orphan.record.issuanceId, at)));
  return ids;
}

function revocationOf(issuanceId: string, at: EpochMs): Transition {
  return { to: 'revoked', issuanceId, from: 'issued', at, reason: 'unspecified' };
}

/** Back to `approved` and to the signer, who evaluates again and makes a new intent. Answers the ids that moved. */
export async function approveAgain(
  ports: Pick<SettleOrphansPorts, 'hierarchy' | 'ledger' | 'authorities' | 'signingQueue' | 'orphanReport' | 'clock'>,
  issuer: Pick<IssuingAuthority, 'caId' | 'generation' | 'backend'>,
  orphans: readonly Orphan[],
): Promise<readonly string[]> {
  if (orphans.length === 0) return [];
  const at = ports.clock();
  const newest = (await ports.authorities.newest(issuer.caId)) ?? issuer;
  const answers = await ports.ledger.advance(
    orphans.map(({ record }) => ({
      to: 'approved',
      issuanceId: record.issuanceId,
      from: 'orphan-suspected',
      at,
      policyVersion: record.policyVersion,
      caId: issuer.caId,
      generation: newest.generation,
      droppedExtensions: record.droppedExtensions,
    })),
  );
  const ids: string[] = [];
  answers.forEach((answer, index) => {
    const { issuanceId } = orphans[index]!.record;
    if (answer.kind === 'moved') {
      ids.push(issuanceId);
      ports.orphanReport.absent(issuanceId);
    } else if (answer.kind !== 'conflict') ports.orphanReport.blocked(issuanceId, answer.kind);
  });
  if (ids.length === 0) return ids;
  const backend = findAuthority(ports.hierarchy, issuer.caId)?.backend ?? newest.backend;
  // A send that fails loses nothing: the reconciler sends approved issuances again.
  await ports
    .signingQueue(backend)
    ?.send(ids)
    .catch((cause: unknown) => ports.orphanReport.failed(issuer.caId, cause));
  return ids;
}
