/** What CloudHSM says of a cluster and its backups. The provider's word: nobody outside sees the HSMs. */
import {
  type Backup,
  type CloudHSMV2Client,
  type Cluster,
  DescribeBackupsCommand,
  DescribeClustersCommand,
} from '@aws-sdk/client-cloudhsm-v2';
import { evidenceAgeMsMax } from '../../custody/evaluate-custody.ts';
import type { ClusterBackup, ClusterDescription } from '../../custody/key-description.ts';
import { isAwsCloudHsmEndpoint } from '../../custody/stage.ts';
import type { Clock } from '../../issuance/ports.ts';
import type { EpochMs } from '../../pki/epoch.ts';

export interface DescribeClusterOptions {
  readonly clusterId: string;
  /** Hosts that the client library is configured with; undefined when that is not known. */
  readonly configuredServers?: readonly string[] | undefined;
  readonly now: EpochMs;
}

const callMsMax = 4_000;
const backupPageMax = 100;
const backupPagesMax = 10;
/** AWS's are `cluster-` and 11 to 16 characters; emulators have others. */
const clusterIdForm = /^[a-zA-Z0-9-]{8,64}$/;

type Mode = ClusterDescription['mode'];

/** What the SDK's types lack; `raw-members.ts` puts it there. */
function modeOf(described: { readonly Mode?: unknown }): Mode {
  const { Mode: mode } = described;
  return mode === 'FIPS' || mode === 'NON_FIPS' ? mode : 'unknown';
}

const call = () => ({ abortSignal: AbortSignal.timeout(callMsMax) });

/** True when the client reaches AWS's own CloudHSM. */
export async function isCloudHsmProvider(client: CloudHSMV2Client): Promise<boolean> {
  const endpoint = await client.config.endpoint?.();
  if (endpoint === undefined) return false;
  const port = endpoint.port === undefined ? '' : `:${endpoint.port}`;
  return isAwsCloudHsmEndpoint(`${endpoint.protocol}//${endpoint.hostname}${port}`);
}

/**
 * Reads afresh at every call. A cluster that is not there is `gone`. Rejects when CloudHSM cannot be asked, or answers
 * with something else than what was asked for, which is no evidence at all.
 */
export async function describeCluster(
  client: CloudHSMV2Client,
  options: DescribeClusterOptions,
): Promise<ClusterDescription> {
  const { clusterId, configuredServers, now } = options;
  if (!clusterIdForm.test(clusterId)) throw new RangeError(`${clusterId} is no id of a cluster`);
  const [provider, cluster] = await Promise.all([isCloudHsmProvider(client), readCluster(client, clusterId)]);
  const source = provider ? 'provider' : 'emulator';
  if (cluster === undefined) {
    return { source, clusterId, state: 'gone', hsmType: 'unknown', mode: 'unknown', hsms: [], readAt: now };
  }
  const hsms = (cluster.Hsms ?? []).map(({ HsmId, State, AvailabilityZone, EniIp }) => ({
    hsmId: HsmId ?? 'unknown',
    state: State ?? 'unknown',
    zone: AvailabilityZone ?? 'unknown',
    eniIp: EniIp ?? 'unknown',
  }));
  // Backups are for people to look at: that they cannot be listed is said, and stops no CA.
  const backups = await readBackups(client, clusterId).catch(() => undefined);
  const retentionDays = Number(cluster.BackupRetentionPolicy?.Value ?? Number.NaN);
  const addresses = new Set(hsms.map(({ eniIp }) => eniIp));
  return {
    source,
    clusterId,
    state: cluster.State ?? 'unknown',
    hsmType: cluster.HsmType ?? 'unknown',
    mode: modeOf(cluster as Cluster & { readonly Mode?: unknown }),
    hsms,
    ...(cluster.SourceBackupId === undefined ? {} : { sourceBackupId: cluster.SourceBackupId }),
    ...(Number.isInteger(retentionDays) ? { backupRetentionDays: retentionDays } : {}),
    ...(backups === undefined ? {} : { latestBackup: backups[0], backupCount: backups.length }),
    ...(configuredServers === undefined
      ? {}
      : { foreignServers: configuredServers.filter((server) => !addresses.has(server)) }),
    readAt: now,
  };
}

async function readCluster(client: CloudHSMV2Client, clusterId: string): Promise<Cluster | undefined> {
  const command = new DescribeClustersCommand({ Filters: { clusterIds: [clusterId] } });
  const { Clusters: clusters = [] } = await client.send(command, call());
  // What came back, not what was asked for: a filter that somebody ignores must not put another cluster in its place.
  return clusters.find((cluster) => cluster.ClusterId === clusterId);
}

/** Backups that can be restored, newest first. */
async function readBackups(client: CloudHSMV2Client, clusterId: string): Promise<readonly ClusterBackup[]> {
  const found: ClusterBackup[] = [];
  let token: string | undefined;
  for (let page = 0; page < backupPagesMax; page += 1) {
    const command = new DescribeBackupsCommand({
      Filters: { clusterIds: [clusterId], states: ['READY'] },
      SortAscending: false,
      MaxResults: backupPageMax,
      ...(token === undefined ? {} : { NextToken: token }),
    });
    const { Backups: backups = [], NextToken: next } = await client.send(command, call());
    found.push(...backups.filter((one) => isReadyOf(one, clusterId)).map(backupOf));
    token = next;
    if (token === undefined) break;
  }
  return found.sort((a, b) => b.createdAt - a.createdAt);
}

function isReadyOf(backup: Backup, clusterId: string): boolean {
  return backup.ClusterId === clusterId && backup.BackupState === 'READY' && backup.CreateTimestamp !== undefined;
}

function backupOf(backup: Backup): ClusterBackup {
  return {
    backupId: backup.BackupId ?? 'unknown',
    createdAt: backup.CreateTimestamp?.getTime() ?? 0,
    mode: modeOf(backup as Backup & { readonly Mode?: unknown }),
    neverExpires: backup.NeverExpires ?? false,
  };
}

/** A description is asked for again when it is as old as this, and used up to the age that custody policy accepts. */
const askedAgainAfterMs = 45_000;

/**
 * The description of one cluster, asked for at most every 45 s, by all that need it: the calls are the account's. Where it
 * cannot be had, the last one is evidence until it is as old as policy accepts, so that a call that fails once stops nothing;
 * each further call asks again. Rejects after that.
 */
export function createClusterWatch(options: {
  readonly client: CloudHSMV2Client;
  readonly clusterId: string;
  readonly configuredServers: () => readonly string[] | undefined;
  readonly clock: Clock;
}): () => Promise<ClusterDescription> {
  const { client, clusterId, configuredServers, clock } = options;
  let asked: { readonly at: EpochMs; readonly answer: Promise<ClusterDescription> } | undefined;
  let last: ClusterDescription | undefined;
  const isFresh = (at: EpochMs, now: EpochMs, ageMsMax: number) => now >= at && now - at < ageMsMax;
  return async () => {
    const now = clock();
    if (asked === undefined || !isFresh(asked.at, now, askedAgainAfterMs)) {
      asked = { at: now, answer: describeCluster(client, { clusterId, configuredServers: configuredServers(), now }) };
    }
    const { answer } = asked;
    try {
      last = await answer;
      return last;
    } catch (cause) {
      if (asked?.answer === answer) asked = undefined;
      if (last !== undefined && isFresh(last.readAt, clock(), evidenceAgeMsMax)) return last;
      throw cause;
    }
  };
}
