import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CloudHSMV2Client, DescribeBackupsCommand, DescribeClustersCommand } from '@aws-sdk/client-cloudhsm-v2';
import { mockClient } from 'aws-sdk-client-mock';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createCloudHsmClient } from '../../shared/adapters/cloudhsm/client.ts';
import { createClusterWatch, describeCluster } from '../../shared/adapters/cloudhsm/describe-cluster.ts';
import { configuredServers } from '../../shared/adapters/cloudhsm/library-configuration.ts';
import { type CloudHsmEndpoint, startCloudHsmEndpoint } from '../support/cloudhsm-endpoint.ts';
import { clusterId } from '../support/clusters.ts';

const now = Date.parse('2026-11-23T12:00:00Z');
const credentials = { accessKeyId: 'a', secretAccessKey: 'b' };

/** As API_Cluster of the CloudHSM API reference has it. */
const cluster = {
  ClusterId: clusterId,
  State: 'ACTIVE',
  HsmType: 'hsm2m.medium',
  Mode: 'FIPS',
  BackupPolicy: 'DEFAULT',
  BackupRetentionPolicy: { Type: 'DAYS', Value: '90' },
  Hsms: [
    { HsmId: 'hsm-a', State: 'ACTIVE', AvailabilityZone: 'eu-central-1a', EniIp: '10.0.1.5', ClusterId: clusterId },
    { HsmId: 'hsm-b', State: 'ACTIVE', AvailabilityZone: 'eu-central-1b', EniIp: '10.0.2.5', ClusterId: clusterId },
  ],
};
const backup = (hour: number, changes: object = {}) => ({
  BackupId: `backup-${hour}`,
  BackupState: 'READY',
  ClusterId: clusterId,
  CreateTimestamp: now / 1_000 - hour * 3_600,
  Mode: 'FIPS',
  HsmType: 'hsm2m.medium',
  NeverExpires: false,
  ...changes,
});

let endpoint: CloudHsmEndpoint;
beforeAll(async () => {
  endpoint = await startCloudHsmEndpoint();
});
afterAll(() => endpoint.close());

function answer(clusters: readonly object[], backups: readonly object[] = [backup(3)]): void {
  endpoint.calls.length = 0;
  endpoint.answers = {
    DescribeClusters: () => ({ body: { Clusters: clusters } }),
    DescribeBackups: () => ({ body: { Backups: backups } }),
  };
}

const local = () => createCloudHsmClient({ stage: 'dev', region: 'eu-central-1', endpoint: endpoint.url, credentials });
const describeLocal = (servers?: readonly string[]) =>
  describeCluster(local(), { clusterId, configuredServers: servers, now });

describe('what CloudHSM answers over HTTP', () => {
  it('is the cluster with its mode, which the SDK drops, its HSMs, their zones and addresses', async () => {
    answer([cluster]);
    expect(await describeLocal()).toEqual({
      source: 'emulator',
      clusterId,
      state: 'ACTIVE',
      hsmType: 'hsm2m.medium',
      mode: 'FIPS',
      hsms: [
        { hsmId: 'hsm-a', state: 'ACTIVE', zone: 'eu-central-1a', eniIp: '10.0.1.5' },
        { hsmId: 'hsm-b', state: 'ACTIVE', zone: 'eu-central-1b', eniIp: '10.0.2.5' },
      ],
      backupRetentionDays: 90,
      backupCount: 1,
      latestBackup: { backupId: 'backup-3', createdAt: now - 3 * 3_600_000, mode: 'FIPS', neverExpires: false },
      readAt: now,
    });
    expect(endpoint.calls.map(({ operation }) => operation)).toEqual(['DescribeClusters', 'DescribeBackups']);
    expect(endpoint.calls[0]!.body).toEqual({ Filters: { clusterIds: [clusterId] } });
  });

  it.each<readonly [string, unknown, string]>([
    ['absent', undefined, 'unknown'],
    ['NON_FIPS', 'NON_FIPS', 'NON_FIPS'],
    ['of a word that is new', 'FIPS_140_4', 'unknown'],
    ['no text', true, 'unknown'],
  ])('has the mode unknown unless it is one of the two: %s', async (_, mode, expected) => {
    answer([{ ...cluster, Mode: mode }]);
    expect((await describeLocal()).mode).toBe(expected);
  });

  it('takes the mode of the cluster that was asked for, whatever else is answered', async () => {
    const other = { ...cluster, ClusterId: 'cluster-otherotheroth', Mode: 'FIPS', HsmType: 'hsm1.medium' };
    answer([other, { ...cluster, Mode: 'NON_FIPS' }]);
    expect(await describeLocal()).toMatchObject({ mode: 'NON_FIPS', hsmType: 'hsm2m.medium' });
    answer([other]);
    expect(await describeLocal()).toMatchObject({ state: 'gone', mode: 'unknown', hsms: [] });
  });

  it('says of which backup the cluster was made', async () => {
    answer([{ ...cluster, SourceBackupId: 'backup-abcdefghijk' }]);
    expect((await describeLocal()).sourceBackupId).toBe('backup-abcdefghijk');
  });

  it('takes for its newest backup one that is ready, its own, and the latest of all pages', async () => {
    answer([cluster]);
    const pages: Readonly<Record<string, object>> = {
      first: { Backups: [backup(40), backup(1, { BackupState: 'PENDING_DELETION' })], NextToken: 'second' },
      second: { Backups: [backup(2, { ClusterId: 'cluster-otherotheroth' }), backup(7), backup(30)] },
    };
    endpoint.answers = {
      ...endpoint.answers,
      DescribeBackups: ({ NextToken }) => ({ body: pages[String(NextToken ?? 'first')] as Record<string, unknown> }),
    };
    expect(await describeLocal()).toMatchObject({ latestBackup: { backupId: 'backup-7' }, backupCount: 3 });
  });

  it('has no newest backup when there is none', async () => {
    answer([cluster], []);
    const described = await describeLocal();
    expect(described.latestBackup).toBeUndefined();
    expect(described.backupCount).toBe(0);
  });

  it('names the servers of the library that are no HSM of the cluster', async () => {
    answer([cluster]);
    expect((await describeLocal(['10.0.1.5', '10.0.2.5'])).foreignServers).toEqual([]);
    expect((await describeLocal(['10.0.1.5', '192.0.2.1'])).foreignServers).toEqual(['192.0.2.1']);
    expect((await describeLocal()).foreignServers).toBeUndefined();
  });

  it.each([
    ['access denied', { status: 400, body: { __type: 'CloudHsmAccessDeniedException', Message: 'no' } }],
    ['no JSON', { status: 200, body: '<html>' }],
    ['a server error', { status: 503, body: { __type: 'CloudHsmInternalFailureException' } }],
  ])('is no evidence when it is %s', async (_, refusal) => {
    answer([cluster]);
    endpoint.answers = { ...endpoint.answers, DescribeClusters: () => refusal };
    await expect(describeLocal()).rejects.toThrow();
  });

  it('is evidence without its backups when those cannot be listed', async () => {
    answer([cluster]);
    endpoint.answers = {
      ...endpoint.answers,
      DescribeBackups: () => ({ status: 400, body: { __type: 'CloudHsmAccessDeniedException' } }),
    };
    const described = await describeLocal();
    expect(described).toMatchObject({ state: 'ACTIVE', mode: 'FIPS' });
    expect([described.backupCount, described.latestBackup]).toEqual([undefined, undefined]);
  });

  it('is asked for at most every 45 seconds, and stays evidence to the age of 60 where it cannot be had', async () => {
    answer([cluster]);
    let at = now;
    const watch = createClusterWatch({
      client: local(),
      clusterId,
      configuredServers: () => ['10.0.1.5', '10.0.2.5'],
      clock: () => at,
    });
    const [one, other] = await Promise.all([watch(), watch()]);
    expect(other).toBe(one);
    at = now + 44_999;
    expect(await watch()).toBe(one);
    expect(endpoint.calls).toHaveLength(2);

    const { answers } = endpoint;
    endpoint.answers = {};
    at = now + 45_000;
    expect(await watch()).toBe(one);
    expect(endpoint.calls.length).toBeGreaterThan(2);
    at = now + 59_999;
    expect(await watch()).toBe(one);
    at = now + 60_000;
    await expect(watch()).rejects.toThrow();

    endpoint.answers = answers;
    expect((await watch()).readAt).toBe(at);
  });
});

describe('what the SDK itself answers', () => {
  let mock: ReturnType<typeof mockClient>;
  beforeEach(() => {
    mock = mockClient(CloudHSMV2Client as never);
    mock.on(DescribeBackupsCommand as never).resolves({ Backups: [] } as never);
  });
  afterEach(() => mock.restore());
  const aws = () => createCloudHsmClient({ stage: 'prod', region: 'eu-central-1', credentials });

  it('is the word of the provider at an endpoint of AWS, with the mode unknown where it is dropped', async () => {
    const { Mode: _, ...dropped } = cluster;
    mock.on(DescribeClustersCommand as never).resolves({ Clusters: [dropped] } as never);
    expect(await describeCluster(aws(), { clusterId, now })).toMatchObject({ source: 'provider', mode: 'unknown' });
  });

  it('has the mode where a later SDK keeps it', async () => {
    mock.on(DescribeClustersCommand as never).resolves({ Clusters: [cluster] } as never);
    expect(await describeCluster(aws(), { clusterId, now })).toMatchObject({ source: 'provider', mode: 'FIPS' });
  });

  it('is not asked about what is no id of a cluster', async () => {
    await expect(describeCluster(aws(), { clusterId: 'cluster *', now })).rejects.toThrow(RangeError);
  });
});

describe('the client', () => {
  it('goes outside dev to AWS alone, and shows an emulator no real credentials', () => {
    const options = { region: 'eu-central-1', endpoint: endpoint.url };
    expect(() => createCloudHsmClient({ stage: 'prod', ...options, credentials })).toThrow(/not one of AWS's/);
    expect(() => createCloudHsmClient({ stage: 'dev', ...options })).toThrow(/credentials of its own/);
    expect(() => createCloudHsmClient({ stage: 'prod', region: 'moon', credentials })).toThrow(RangeError);
  });

  it('reads the hosts of the library from its configuration', () => {
    const folder = mkdtempSync(join(tmpdir(), 'sealwright-cloudhsm-'));
    const path = join(folder, 'cloudhsm-pkcs11.cfg');
    const servers = [
      { hostname: '10.0.1.5', port: 2223, enable: true },
      { hostname: '10.0.2.5', port: 2223 },
      { hostname: '10.0.3.5', enable: false },
    ];
    try {
      expect(configuredServers(path)).toBeUndefined();
      writeFileSync(path, JSON.stringify({ clusters: [{ type: 'hsm1', cluster: { servers } }] }));
      expect(configuredServers(path)).toEqual(['10.0.1.5', '10.0.2.5']);
      for (const text of ['no JSON', '[]', '{"clusters":{}}', '{"clusters":[{"cluster":{"servers":[]}}]}']) {
        writeFileSync(path, text);
        expect(configuredServers(path), text).toBeUndefined();
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
