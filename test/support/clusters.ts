import type { ClusterDescription } from '../../shared/custody/key-description.ts';

export const clusterId = 'cluster-abcdefghijk';

/** A cluster as it should be, but for what is changed. */
export function clusterOf(changes: Partial<ClusterDescription>): ClusterDescription {
  const readAt = changes.readAt ?? 0;
  return {
    source: 'provider',
    clusterId,
    state: 'ACTIVE',
    hsmType: 'hsm2m.medium',
    mode: 'FIPS',
    hsms: [
      { hsmId: 'hsm-a', state: 'ACTIVE', zone: 'eu-central-1a', eniIp: '10.0.1.5' },
      { hsmId: 'hsm-b', state: 'ACTIVE', zone: 'eu-central-1b', eniIp: '10.0.2.5' },
    ],
    backupRetentionDays: 90,
    backupCount: 7,
    latestBackup: { backupId: 'backup-zyxwvutsrqp', createdAt: readAt - 3_600_000, mode: 'FIPS', neverExpires: false },
    foreignServers: [],
    readAt,
    ...changes,
  };
}
