import { again, done, type ItemOutcome } from './batch.ts';
import { intend, resume } from './intend-issuance.ts';
import type { IssuanceRecord } from './issuance-record.ts';
import { collect, submit } from './settle-issuance.ts';
import type { Group, IssueCertificatePorts, Outcomes } from './signer-ports.ts';

/**
 * Signs a batch of approved issuances, and takes up again those that an earlier attempt left `intended` or `submitted`.
 * The order is the guarantee: evaluated again from the ledger, custody of the key checked, linted with a throwaway key,
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
      }
    }),
  );
  return issuanceIds.map((id) => outcomes.get(id) ?? done(id));
}

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
  if (!(await custodyHolds(ports, group, outcomes))) return;
  const inState = (state: IssuanceRecord['state']) => group.records.filter((record) => record.state === state);
  const fresh = await intend(ports, group, inState('approved'), outcomes);
  const resumed = resume(ports, group, inState('intended'), outcomes);
  const submitted = await submit(ports, group, [...fresh, ...resumed], outcomes);
  const waiting = inState('submitted').map((record) => ({ record, ticket: record.ticket ?? '' }));
  await collect(ports, group, [...submitted, ...waiting], outcomes);
}

async function custodyHolds(ports: IssueCertificatePorts, group: Group, outcomes: Outcomes): Promise<boolean> {
  const verdict = await ports.custody.check(group.issuer, group.backend);
  if (verdict.kind === 'holds') return true;
  if (verdict.kind === 'stopped') ports.report.custodyStopped(group.issuer.caId, verdict.findings);
  else ports.report.custodyUnknown(group.issuer.caId, verdict.cause);
  const code = verdict.kind === 'stopped' ? 'custody-stopped' : 'custody-unknown';
  for (const { issuanceId } of group.records) outcomes.set(issuanceId, again(issuanceId, code));
  return false;
}
