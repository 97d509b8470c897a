import { randomUUID } from 'node:crypto';
import { CreateBucketCommand, HeadObjectCommand } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createS3Client } from '../../shared/adapters/s3/client.ts';
import { createS3CrlObjects } from '../../shared/adapters/s3/crl-objects.ts';
import { createCrlReader } from '../../shared/adapters/s3/crl-reader.ts';
import { createSignedReader } from '../../shared/adapters/s3/signed-reader.ts';
import { crlObjectsSuite } from '../contract/crl-objects-suite.ts';
import { emulatorCredentials, emulatorEndpoint, emulatorRegion } from '../support/emulators.ts';

const bucket = `sealwright-${randomUUID()}`;
const region = emulatorRegion;
const endpoint = emulatorEndpoint('S3');
const client = createS3Client({ region, endpoint, credentials: emulatorCredentials });
const objects = createS3CrlObjects(client, bucket);

beforeAll(async () => {
  await client.send(new CreateBucketCommand({ Bucket: bucket }));
});
afterAll(() => client.destroy());

crlObjectsSuite('S3', () => objects);

describe('CRLs in a bucket', () => {
  const served = createCrlReader(
    createSignedReader({ region, endpoint, credentials: async () => emulatorCredentials }),
    bucket,
  );

  it('are served under the path of their URL, as what they are, and kept by caches for minutes (crl-object-served)', async () => {
    await objects.replace('workloads/1-7', Buffer.from('a list'), undefined);
    const head = await client.send(new HeadObjectCommand({ Bucket: bucket, Key: 'v1/crls/workloads/1-7' }));
    expect(head).toMatchObject({ ContentType: 'application/pkix-crl', CacheControl: 'public, max-age=300' });
  });

  it('are handed out without the client of the SDK (crl-reader)', async () => {
    await objects.replace('workloads/1-8', Buffer.from('another'), undefined);
    expect(Buffer.from((await served.read('workloads/1-8'))!).toString()).toBe('another');
    for (const key of ['workloads/1-9', '../workloads/1-8', '']) expect(await served.read(key)).toBeUndefined();
  });
});
