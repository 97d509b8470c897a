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

/** Makes a cluster, in a mode that the pinned SDK cannot ask for, and describes it. */
async function describeNew(mode: string | undefined) {
  const client = connect();
  const command = new CreateClusterCommand({ HsmType: 'hsm2m.medium', SubnetIds: ['subnet-0a1b2c3d'] });
  command.middlewareStack.add(
    (next) => (args) => {
      const request = args.request as { body: string };
      if (mode !== undefined) request.body = JSON.stringify({ ...JSON.parse(request.body), Mode: mode });
      return next(args);
    },
    { step: 'serialize', priority: 'low' },
  );
  const { Cluster: made } = await client.send(command);
  const clusterId = made?.ClusterId ?? '';
  try {
    return { clusterId, described: await describeCluster(client, { clusterId, now: Date.now() }) };
  } finally {
    await client.send(new DeleteClusterCommand({ ClusterId: clusterId }));
  }
}

describe('an emulator of CloudHSM', () => {
  it.each(['FIPS', 'NON_FIPS'])('is described as an emulator, with the mode %s of its cluster', async (mode) => {
    const { clusterId, described } = await describeNew(mode);
    expect(described).toMatchObject({ source: 'emulator', clusterId, hsmType: 'hsm2m.medium', mode, hsms: [] });
    expect(described.state).not.toBe('gone');
  });

  it('has the mode unknown where it answers with a word that is no mode', async () => {
    // moto's own default, DEFAULT, is none of CloudHSM's.
    expect((await describeNew(undefined)).described.mode).toBe('unknown');
  });

  it('says of a cluster that it does not have that it is gone', async () => {
    const clusterId = 'cluster-aaaaaaaaaaa';
    expect(await describeCluster(connect(), { clusterId, now: Date.now() })).toMatchObject({ state: 'gone' });
  });
});
