import type { EpochMs } from '../pki/epoch.ts';
import type { IssuingAuthority } from './authority-directory.ts';
import { SealwrightError } from './errors.ts';
import { parseIssuanceId } from './ids.ts';
import type { IssuanceRecord } from './issuance-record.ts';
import { type Orphan, verifyOrphan } from './match-orphans.ts';
import type { KnownReport, OperatorLog } from './ports.ts';
import { absenceProvenFrom, approveAgain, type SettleOrphansPorts } from './settle-orphans.ts';

export type OrphanDecision =
  /** The certificate at this ARN is the issuance's. */
  | { readonly decision: 'adopt'; readonly certificateArn: string }
  /** An audit report begun late enough was read by a person, and the CA has no certificate for it. */
  | { readonly decision: 'absent' };

export type DecideOrphanPorts = Omit<SettleOrphansPorts, 'auditReports' | 'sleep'> & {
  readonly operatorLog: OperatorLog;
};

const arnCharactersMax = 256;

/** What an operator sent. Throws `request-malformed`, with every fault. */
export function parseOrphanDecision(body: Readonly<Record<string, unknown>>): OrphanDecision {
  const { decision, certificateArn, reportChecked, ...others } = body;
  const faults = Object.keys(others).length === 0 ? [] : ['decision, certificateArn and reportChecked only'];
  if (decision === 'adopt') {
    if (typeof certificateArn !== 'string' || certificateArn === '' || certificateArn.length > arnCharactersMax)
      faults.push('certificateArn: the ARN of the certificate to adopt');
    if (reportChecked !== undefined) faults.push('reportChecked: goes with absent');
  } else if (decision === 'absent') {
    if (reportChecked !== true) faults.push('reportChecked: true, once the audit report was checked');
    if (certificateArn !== undefined) faults.push('certificateArn: goes with adopt');
  } else faults.push('decision: adopt or absent');
  if (faults.length > 0) throw new SealwrightError('request-malformed', { clientDetail: faults.join('; ') });
  return decision === 'adopt' ? { decision, certificateArn: certificateArn as string } : { decision: 'absent' };
}

/**
 * Settles one orphan as an operator decided; written down whatever comes of it. A certificate is adopted only when it is in
 * everything what was intended, as without an operator; absence is taken from the operator, but never before a report could
 * have proven it. Throws `not-found`, `orphan-settled`, `settlement-refused`, `request-malformed`, `backend-unavailable`.
 */
export async function decideOrphan(
  ports: DecideOrphanPorts,
  operatorId: string,
  issuanceId: string,
  decision: OrphanDecision,
): Promise<'issued' | 'approved'> {
  const subject = decision.decision === 'adopt' ? `${issuanceId} ${decision.certificateArn}` : issuanceId;
  const write = (outcome: 'done' | 'refused') =>
    ports.operatorLog.append({
      at: ports.clock(),
      operatorId,
      action: `orphan:${decision.decision}`,
      subject,
      outcome,
    });
  try {
    const { orphan, issuer } = await findOrphan(ports, issuanceId);
    if (decision.decision === 'adopt') await adoptCertificate(ports, orphan, issuer, decision.certificateArn);
    else await declareAbsent(ports, orphan, issuer);
  } catch (cause) {
    if (cause instanceof SealwrightError) await write('refused');
    throw cause;
  }
  await write('done');
  return decision.decision === 'adopt' ? 'issued' : 'approved';
}

async function findOrphan(ports: DecideOrphanPorts, issuanceId: string) {
  const record = parseIssuanceId(issuanceId) === undefined ? undefined : await ports.ledger.get(issuanceId);
  if (record === undefined) throw new SealwrightError('not-found');
  if (record.state !== 'orphan-suspected' || record.intent?.kind !== 'template')
    throw new SealwrightError('orphan-settled', { clientDetail: `the issuance is ${record.state}` });
  const issuer = await ports.authorities.generation(record.caId, record.generation);
  if (issuer === undefined) throw new SealwrightError('backend-unavailable', { retryAfterMs: 60_000 });
  return { orphan: { record, intent: record.intent }, issuer };
}

function refused(detail: string): SealwrightError {
  return new SealwrightError('settlement-refused', { clientDetail: detail });
}

async function adoptCertificate(
  ports: DecideOrphanPorts,
  orphan: Orphan,
  issuer: IssuingAuthority,
  arn: string,
): Promise<void> {
  const { issuanceId } = orphan.record;
  const prefix = `${issuer.backendRef}/certificate/`;
  if (!arn.startsWith(prefix) || !/^[0-9]{1,49}$/.test(arn.slice(prefix.length)))
    throw new SealwrightError('request-malformed', {
      clientDetail: `certificateArn: not the ARN of a certificate of the CA ${issuer.caId}`,
    });
  const holder = (await ports.ledger.knownTickets([arn])).get(arn);
  if (holder !== undefined && holder.state !== 'failed') throw refused('the certificate is that of another issuance');
  const answer = (await ports.backendOf(issuer)?.collect([{ issuanceId, ticket: arn }]))?.[0];
  if (answer === undefined || answer.kind === 'pending')
    throw new SealwrightError('backend-unavailable', { retryAfterMs: answer?.retryAfterMs ?? 60_000 });
  if (answer.kind === 'failed') throw refused('the CA has no certificate of this ARN');
  const verdict = await verifyOrphan(orphan, issuer, answer.certificateDer);
  if (verdict.kind === 'foreign') {
    // A lint's own words may quote the certificate; its name says enough.
    const faults = verdict.faults.map((fault) => fault.split(':', 1)[0]);
    throw refused(`the certificate is not what was intended: ${faults.join('; ')}`);
  }
  const [moved] = await ports.ledger.advance([
    {
      to: 'issued',
      issuanceId,
      from: 'orphan-suspected',
      at: ports.clock(),
      certificate: verdict.certificate,
      ticket: arn,
      adopted: true,
    },
  ]);
  if (moved?.kind === 'serial-taken') throw refused('the certificate is that of another issuance');
  if (moved?.kind !== 'moved') throw new SealwrightError('orphan-settled');
  ports.orphanReport.adopted(issuanceId, arn);
}

async function declareAbsent(ports: DecideOrphanPorts, orphan: Orphan, issuer: IssuingAuthority): Promise<void> {
  const provenFrom = absenceProvenFrom(orphan);
  const leftMs = provenFrom - ports.clock();
  if (leftMs > 0)
    throw new SealwrightError('settlement-refused', {
      clientDetail: `no report begun before ${new Date(provenFrom).toISOString()} can prove that there is no certificate`,
      retryAfterMs: leftMs,
    });
  const { issuanceId } = orphan.record;
  const moved = await approveAgain(ports, issuer, [orphan]);
  if (moved.length > 0) return;
  const now = await ports.ledger.get(issuanceId);
  if (now?.state !== 'orphan-suspected') throw new SealwrightError('orphan-settled');
  throw refused('a name of it, or its key, has gone to somebody else meanwhile: release the name first');
}

export interface ListedOrphan {
  readonly record: IssuanceRecord;
  readonly intendedAt: EpochMs | undefined;
  /** Only a report begun after this can prove that there is no certificate. */
  readonly absenceProvenFrom: EpochMs | undefined;
  readonly lastReport: KnownReport | undefined;
}

/** Orphans, the longest suspected first. */
export async function listOrphans(
  ports: Pick<DecideOrphanPorts, 'ledger' | 'audits' | 'clock'>,
  countMax: number,
): Promise<readonly ListedOrphan[]> {
  const stale = await ports.ledger.stale('orphan-suspected', ports.clock() + 1, countMax);
  const records = await ports.ledger.getMany(stale.map(({ issuanceId }) => issuanceId));
  const reports = new Map<string, Promise<KnownReport | undefined>>();
  const listed = records.map(async (record): Promise<readonly ListedOrphan[]> => {
    if (record?.state !== 'orphan-suspected') return [];
    const { caId, generation, intent } = record;
    const key = `${caId}#${generation}`;
    if (!reports.has(key)) reports.set(key, ports.audits.report(caId, generation));
    const provenFrom = intent?.kind === 'template' ? absenceProvenFrom({ intent }) : undefined;
    const lastReport = await reports.get(key);
    return [{ record, intendedAt: intent?.at, absenceProvenFrom: provenFrom, lastReport }];
  });
  return (await Promise.all(listed)).flat();
}
