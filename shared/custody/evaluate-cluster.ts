import type { EpochMs } from '../pki/epoch.ts';
import type { CustodyFinding, CustodyFindingCode } from './finding.ts';
import type { ClusterDescription } from './key-description.ts';

/** CloudHSM makes a backup at least every 24 hours; one that is twice as old says that it no longer does. */
export const backupAgeMsMax = 48 * 3_600_000;
/** AWS asks for two HSMs in two zones: a key made while there is one is lost with it. */
export const hsmCountMin = 2;

type Stage = 'dev' | 'prod';

/** Cluster states in which HSMs sign, and what of them is worth saying. */
const signingStates: Readonly<Record<string, string | undefined>> = {
  ACTIVE: undefined,
  DEGRADED: 'at least one HSM of the cluster does not work',
  UPDATE_IN_PROGRESS: 'the cluster is being changed',
};

/** Judges the cluster behind a key. What is not known counts as not being so. */
export function evaluateCluster(
  cluster: ClusterDescription,
  stage: Stage,
  now: EpochMs,
  ageMsMax: number,
): readonly CustodyFinding[] {
  const findings: CustodyFinding[] = [];
  const add = (severity: CustodyFinding['severity'], code: CustodyFindingCode, message: string) =>
    findings.push({ code, message, severity });
  const shortfall = stage === 'dev' ? 'advice' : 'stop';
  if (Math.abs(now - cluster.readAt) > ageMsMax) {
    const seconds = Math.ceil(Math.abs(now - cluster.readAt) / 1_000);
    add('stop', 'evidence-stale', `the description of the cluster is ${seconds} s old`);
  }
  if (!Object.hasOwn(signingStates, cluster.state)) {
    add(shortfall, 'cluster-not-active', `the cluster is ${shown(cluster.state)}`);
  } else if (signingStates[cluster.state] !== undefined) {
    add('advice', 'cluster-not-active', `the cluster is ${cluster.state}: ${signingStates[cluster.state]}`);
  }
  if (cluster.mode === 'unknown') {
    add(shortfall, 'cluster-mode-unknown', 'the provider does not say whether the cluster is in FIPS mode');
  } else if (cluster.mode !== 'FIPS') {
    add(shortfall, 'cluster-mode-not-fips', 'the cluster is not in FIPS mode: no validation holds for it');
  }
  const { foreignServers } = cluster;
  if (foreignServers === undefined) {
    add(shortfall, 'cluster-link-unknown', 'nothing shows that the client library is connected to this cluster');
  } else if (foreignServers.length > 0) {
    const named = foreignServers.slice(0, 4).map(shown).join(', ');
    add(
      shortfall,
      'cluster-foreign-server',
      `the client library is configured for what is no HSM of the cluster: ${named}`,
    );
  }
  return [...findings, ...evaluateRedundancy(cluster), ...evaluateBackups(cluster, now)];
}

function evaluateRedundancy({ hsms }: ClusterDescription): readonly CustodyFinding[] {
  const active = hsms.filter(({ state }) => state === 'ACTIVE');
  const zones = new Set(active.map(({ zone }) => zone)).size;
  if (active.length >= hsmCountMin && zones >= hsmCountMin) return [];
  const message = `active HSMs: ${active.length}, in zones: ${zones}; with fewer than ${hsmCountMin} the CA stops when one fails`;
  return [{ code: 'cluster-not-redundant', message, severity: 'advice' }];
}

function evaluateBackups(cluster: ClusterDescription, now: EpochMs): readonly CustodyFinding[] {
  if (cluster.backupCount === undefined) {
    return [
      { code: 'backup-missing', message: 'the provider did not say which backups there are', severity: 'advice' },
    ];
  }
  const { latestBackup } = cluster;
  if (latestBackup === undefined) {
    return [{ code: 'backup-missing', message: 'the cluster has no backup that can be restored', severity: 'advice' }];
  }
  const ageMs = now - latestBackup.createdAt;
  if (ageMs <= backupAgeMsMax) return [];
  const message = `the newest backup of the cluster is ${Math.floor(ageMs / 3_600_000)} h old; one is made every 24 h`;
  return [{ code: 'backup-old', message, severity: 'advice' }];
}

function shown(text: string): string {
  return text.slice(0, 60).replace(/[^\x20-\x7e]/g, '?');
}
