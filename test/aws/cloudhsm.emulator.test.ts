import { CloudHSMV2Client, DescribeClustersCommand } from '@aws-sdk/client-cloudhsm-v2';
import { describe, expect, it } from 'vitest';

const endpoint = process.env.SEALWRIGHT_TEST_CLOUDHSM_ENDPOINT ?? '';

describe('CloudHSM as moto has it', () => {
  it('answers DescribeClusters with what was created', async () => {
    const client = new CloudHSMV2Client({
      endpoint,
      region: 'us-east-1',
      credentials: { accessKeyId: 'emulator', secretAccessKey: 'emulator' },
    });
    const { Clusters } = await client.send(new DescribeClustersCommand({}));
    expect(Clusters).toEqual([]);
    client.destroy();
  });
});
