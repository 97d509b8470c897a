import { randomBytes, randomUUID } from 'node:crypto';
import { CreateBucketCommand } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createS3Client } from '../../shared/adapters/s3/client.ts';
import { createS3ObjectStore } from '../../shared/adapters/s3/object-store.ts';
import { createSignedReader } from '../../shared/adapters/s3/signed-reader.ts';
import { emulatorCredentials, emulatorEndpoint, emulatorRegion } from '../support/emulators.ts';

const bucket = `sealwright-${randomUUID()}`;
const client = createS3Client({
  region: emulatorRegion,
  endpoint: emulatorEndpoint('S3'),
  credentials: emulatorCredentials,
});
const store = createS3ObjectStore(client);

const signed = createSignedReader({
  region: emulatorRegion,
  endpoint: emulatorEndpoint('S3'),
  credentials: async () => emulatorCredentials,
});

async function read(key: string, by = store.read): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of by(bucket, key)) chunks.push(chunk);
  return Buffer.concat(chunks);
}
const content = (bytes: Uint8Array) => ({ bytes, contentType: 'application/octet-stream' });

describe('objects of S3', () => {
  beforeAll(async () => {
    await client.send(new CreateBucketCommand({ Bucket: bucket }));
  });
  afterAll(() => client.destroy());

  it('are read byte for byte, in pieces', async () => {
    const bytes = randomBytes(3 * 1024 * 1024 + 17);
    await store.replace(bucket, 'audit-report/a/b.json', content(bytes));
    expect((await read('audit-report/a/b.json')).equals(bytes)).toBe(true);
    await store.replace(bucket, 'empty', content(Buffer.alloc(0)));
    expect(await read('empty')).toHaveLength(0);
  });

  it('are read the same without the client of the SDK (signed-reader)', async () => {
    const bytes = randomBytes(2 * 1024 * 1024 + 3);
    await store.replace(bucket, 'audit-report/a/c d.json', content(bytes));
    expect((await read('audit-report/a/c d.json', signed)).equals(bytes)).toBe(true);
    await store.replace(bucket, 'nil', content(Buffer.alloc(0)));
    expect(await read('nil', signed)).toHaveLength(0);
    await expect(read('nothing', signed)).rejects.toMatchObject({ name: 'NoSuchKey', status: 404 });
  });

  it('that are not there are not read (NoSuchKey)', async () => {
    await expect(read('nothing')).rejects.toMatchObject({ name: 'NoSuchKey' });
  });

  it('are replaced by one of two who saw the same version (If-Match)', async () => {
    const first = await store.replace(bucket, 'crl', content(Buffer.from('one')), 'absent');
    expect(first.kind).toBe('replaced');
    expect(await store.replace(bucket, 'crl', content(Buffer.from('two')), 'absent')).toEqual({ kind: 'conflict' });
    const { version } = first as Extract<typeof first, { kind: 'replaced' }>;
    expect((await store.replace(bucket, 'crl', content(Buffer.from('three')), version)).kind).toBe('replaced');
    expect(await store.replace(bucket, 'crl', content(Buffer.from('four')), version)).toEqual({ kind: 'conflict' });
    expect((await read('crl')).toString()).toBe('three');
  });
});
