import { again, done, type ItemOutcome, whenItStandsNoMore } from './batch.ts';
import { SealwrightError } from './errors.ts';
import { intend, resume } from './intend-issuance.ts';
import type { IssuanceRecord } from './issuance-record.ts';
import { noteDeferred } from './note-deferred.ts';
import { collect, submit } from './settle-issuance.ts';
import type { Group, IssueCertificatePorts, Outcomes } from './signer-ports.ts';

/**
 * Signs a batch of approved issuances, and takes up again those that an earlier attempt left `intended` or `submitted`.
 * The order is the guarantee: evaluated again from the ledger, custody of the key checked, linted with a throwaway signature,
 * `intended` durable, signed, what came back verified, `issued`. An id that is unknown or settled is acknowledged.
 */
export async function issueCertificates(
  ports: IssueCertificatePorts,
  issuanceIds: readonly string[],
): Promise<readonly ItemOutcome[]> {
  const ids = [...new Set(issuanceIds)];
  const outcomes: Outcomes = new Map(ids.map((id) => [id, done(id)]));
  const records = (await ports.ledger.getMany(ids)).filter((record) => record !== undefined);
  const groups = await groupByAuthority(ports, records, outcomes);
  // Of no CA that this signer has: nothing else is done with them.
  await noteDeferred(ports, outcomes, ids);
  await Promise.all(
    groups.map(async (group) => {
      try {
        await issueForAuthority(ports, group, outcomes);
      } catch (cause) {
        // The ledger or the backend failed as a whole. Where each issuance stands is in the ledger; deliver again.
        for (const { issuanceId } of group.records) {
          ports.report.itemFailed(issuanceId, cause);
          outcomes.set(issuanceId, again(issuanceId, 'signer-failed'));
        }
        await noteDeferred(ports, outcomes, idsOf(group));
      }
    }),
  );
  return issuanceIds.map((id) => outcomes.get(id) ?? done(id));
}

const idsOf = ({ records }: Group) => records.map(({ issuanceId }) => issuanceId);

async function groupByAuthority(
  ports: IssueCertificatePorts,
  records: readonly IssuanceRecord[],
  outcomes: Outcomes,
): Promise<readonly Group[]> {
  const groups = new Map<string, Group>();
  for (const record of records) {
    if (record.state !== 'approved' && record.state !== 'intended' && record.state !== 'submitted') continue;
    const key = `${record.caId}#${record.generation}`;
    let group = groups.get(key);
    if (group === undefined) {
      const issuer = await ports.authorities.generation(record.caId, record.generation);
      const backend = issuer === undefined ? undefined : ports.backendOf(issuer);
      if (issuer === undefined || backend === undefined) {
        outcomes.set(record.issuanceId, again(record.issuanceId, 'backend-unavailable'));
        continue;
      }
      group = { issuer, backend, records: [] };
      groups.set(key, group);
    }
    group.records.push(record);
  }
  return [...groups.values()];
}

async function issueForAuthority(ports: IssueCertificatePorts, group: Group, outcomes: Outcomes): Promise<void> {
  if (!(await custodyHolds(ports, group, outcomes))) return noteDeferred(ports, outcomes, idsOf(group));
  const inState = (state: IssuanceRecord['state']) => group.records.filter((record) => record.state === state);
  // Intents first: their time runs.
  const allowed = await withinReservation(ports, group, [...inState('intended'), ...inState('approved')], outcomes);
  const inStateAllowed = (state: IssuanceRecord['state']) => allowed.filter((record) => record.state === state);
  const fresh = await intend(ports, group, inStateAllowed('approved'), outcomes);
  const resumed = resume(ports, group, inStateAllowed('intended'), outcomes);
  // What is deferred from here on is noted with the words of the CA.
  await noteDeferred(ports, outcomes, idsOf(group));
  const submitted = await submit(ports, group, [...fresh, ...resumed], outcomes);
  const waiting = inState('submitted').map((record) => ({ record, ticket: record.ticket ?? '' }));
  await collect(ports, group, [...submitted, ...waiting], outcomes);
}

/** How long a batch waits for its turn, so that with submitting and collecting it stays within the signer's 30 s. */
const reserveWaitMsMax = 6_000;

/**
 * Those of a batch that may be submitted now; the others stay where they are and come again later. Asked before `intended`
 * is written: an issuance that has to wait does so without an intent whose time runs.
 */
async function withinReservation(
  ports: IssueCertificatePorts,
  { backend, issuer }: Group,
  records: readonly IssuanceRecord[],
  outcomes: Outcomes,
): Promise<readonly IssuanceRecord[]> {
  if (backend.reserve === undefined || records.length === 0) return records;
  const reservation = await backend.reserve(records.length, ports.clock() + reserveWaitMsMax);
  const { granted, code, retryAfterMs } = reservation;
  for (const { issuanceId } of records.slice(granted))
    outcomes.set(issuanceId, {
      kind: 'later',
      issuanceId,
      code,
      retryAfterMs,
      backend: issuer.backend,
      attempted: false,
    });
  return records.slice(0, granted);
}

async function custodyHolds(ports: IssueCertificatePorts, group: Group, outcomes: Outcomes): Promise<boolean> {
  const verdict = await ports.custody.check(group.issuer, group.backend);
  if (verdict.kind === 'holds') return true;
  if (verdict.kind === 'stopped') ports.report.custodyStopped(group.issuer.caId, verdict.findings);
  else ports.report.custodyUnknown(group.issuer.caId, verdict.cause);
  const code = verdict.kind === 'stopped' ? 'custody-stopped' : codeOfUnknown(verdict.cause);
  for (const record of group.records)
    outcomes.set(record.issuanceId, whenItStandsNoMore(record, code, group.issuer.backend));
  return false;
}

/** Where a module does not answer, its own code says more than that nobody knows. */
function codeOfUnknown(cause: unknown): string {
  const isUnavailable = cause instanceof SealwrightError && cause.code === 'backend-unavailable';
  const code = isUnavailable ? (cause.cause as { readonly code?: unknown } | undefined)?.code : undefined;
  return typeof code === 'string' ? code : 'custody-unknown';
}
