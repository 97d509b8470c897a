import { CreateClusterCommand, DeleteClusterCommand } from '@aws-sdk/client-cloudhsm-v2';
import { describe, expect, it } from 'vitest';
import { createCloudHsmClient } from '../../shared/adapters/cloudhsm/client.ts';
import { describeCluster } from '../../shared/adapters/cloudhsm/describe-cluster.ts';

const endpoint = process.env.SEALWRIGHT_TEST_CLOUDHSM_ENDPOINT;
const credentials = { accessKeyId: 'emulator', secretAccessKey: 'emulator' };

function connect() {
  if (endpoint === undefined) throw new Error('SEALWRIGHT_TEST_CLOUDHSM_ENDPOINT names no emulator of CloudHSM (moto)');
  return createCloudHsmClient({ stage: 'dev', region: 'us-east-1', endpoint, credentials });
}

describe('an emulator of CloudHSM', () => {
  it('is described as an emulator, with its mode', async () => {
    const client = connect();
    const input = { HsmType: 'hsm2m.medium', SubnetIds: ['subnet-0a1b2c3d'] };
    const { Cluster: made } = await client.send(new CreateClusterCommand(input));
    const clusterId = made?.ClusterId ?? '';
    try {
      const described = await describeCluster(client, { clusterId, now: Date.now() });
      expect(described).toMatchObject({ source: 'emulator', clusterId, hsmType: 'hsm2m.medium' });
      // Not asked for, which CloudHSM takes for FIPS.
      expect(described.mode).toBe('FIPS');
      expect(described.state).not.toBe('gone');
    } finally {
      await client.send(new DeleteClusterCommand({ ClusterId: clusterId }));
    }
  });

  it('says of a cluster that it does not have that it is gone', async () => {
    const clusterId = 'cluster-aaaaaaaaaaa';
    expect(await describeCluster(connect(), { clusterId, now: Date.now() })).toMatchObject({ state: 'gone' });
  });
});
