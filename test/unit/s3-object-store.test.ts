import { Readable } from 'node:stream';
import { GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { mockClient } from 'aws-sdk-client-mock';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createS3Client } from '../../shared/adapters/s3/client.ts';
import { createS3ObjectStore } from '../../shared/adapters/s3/object-store.ts';

const bytes = (text: string) => new TextEncoder().encode(text);

describe('an object of S3', () => {
  let mock: ReturnType<typeof mockClient>;
  beforeEach(() => {
    mock = mockClient(S3Client as never);
  });
  afterEach(() => mock.restore());

  const on = (command: unknown) => mock.on(command as never);
  const inputs = (command: unknown) =>
    mock.commandCalls(command as never).map((call) => (call.args[0] as { readonly input: unknown }).input);
  const store = () => createS3ObjectStore(new S3Client({ region: 'eu-central-1' }));
  /** Gives these bytes; `breaks`: then the connection ends. */
  const answer = (text: string, length: number, breaks = false, ETag: string | undefined = '"v1"') =>
    ({
      Body: Readable.from(
        (async function* () {
          yield bytes(text);
          if (breaks) throw Object.assign(new Error('aborted'), { code: 'ECONNRESET' });
        })(),
      ),
      ContentLength: length,
      ETag,
    }) as never;
  async function read(): Promise<string> {
    const chunks: Uint8Array[] = [];
    for await (const chunk of store().read('b', 'k')) chunks.push(chunk);
    return Buffer.concat(chunks).toString('utf8');
  }

  it('is read to its end', async () => {
    on(GetObjectCommand).resolves(answer('0123456789', 10));
    expect(await read()).toBe('0123456789');
    expect(inputs(GetObjectCommand)).toEqual([{ Bucket: 'b', Key: 'k' }]);
  });

  it('is taken up where a connection broke, if it is the same object still (If-Match)', async () => {
    on(GetObjectCommand)
      .resolvesOnce(answer('0123', 10, true))
      .resolvesOnce(answer('456', 6, true))
      .resolves(answer('789', 3));
    expect(await read()).toBe('0123456789');
    expect(inputs(GetObjectCommand).slice(1)).toEqual([
      { Bucket: 'b', Key: 'k', Range: 'bytes=4-', IfMatch: '"v1"' },
      { Bucket: 'b', Key: 'k', Range: 'bytes=7-', IfMatch: '"v1"' },
    ]);
  });

  it('is no object when it goes on ending early (truncated)', async () => {
    on(GetObjectCommand).callsFake(({ Range = 'bytes=0-' }: { Range?: string }) =>
      answer('0', 10 - Number(Range.slice(6, -1)), true),
    );
    await expect(read()).rejects.toThrow('aborted');
    expect(inputs(GetObjectCommand)).toHaveLength(5);
  });

  it('is no object when its end comes before its length without a word (truncated-quietly)', async () => {
    on(GetObjectCommand).callsFake(({ Range = 'bytes=0-' }: { Range?: string }) =>
      answer('0', 10 - Number(Range.slice(6, -1))),
    );
    await expect(read()).rejects.toThrow('ends before its length');
  });

  it('is not taken up when it was replaced meanwhile, or cannot be told from another', async () => {
    on(GetObjectCommand)
      .resolvesOnce(answer('0123', 10, true))
      .resolves(answer('45', 2));
    await expect(read()).rejects.toThrow('another length');
    mock.reset();
    on(GetObjectCommand).resolves({ ...(answer('0123', 10, true) as object), ETag: undefined } as never);
    await expect(read()).rejects.toThrow('aborted');
  });

  it('may be empty', async () => {
    on(GetObjectCommand).resolves(answer('', 0));
    expect(await read()).toBe('');
  });

  const content = { bytes: bytes('crl'), contentType: 'application/pkix-crl', cacheControl: 'max-age=60' };

  it('is replaced as a whole, under its version (PutObject)', async () => {
    on(PutObjectCommand).resolves({ ETag: '"v2"' } as never);
    expect(await store().replace('b', 'k', content, '"v1"')).toEqual({ kind: 'replaced', version: '"v2"' });
    await store().replace('b', 'k', content, 'absent');
    await store().replace('b', 'k', content);
    const common = {
      Bucket: 'b',
      Key: 'k',
      Body: content.bytes,
      ContentType: 'application/pkix-crl',
      CacheControl: 'max-age=60',
    };
    expect(inputs(PutObjectCommand)).toEqual([{ ...common, IfMatch: '"v1"' }, { ...common, IfNoneMatch: '*' }, common]);
  });

  it.each([
    ['PreconditionFailed', 412],
    ['ConditionalRequestConflict', 409],
    ['NoSuchKey', 404],
  ])('is left as it is when another was first: %s', async (name, httpStatusCode) => {
    on(PutObjectCommand).rejects(Object.assign(new Error('no'), { name, $metadata: { httpStatusCode } }));
    expect(await store().replace('b', 'k', content, '"v1"')).toEqual({ kind: 'conflict' });
  });

  it('throws for what is no conflict', async () => {
    const error = Object.assign(new Error('no'), { name: 'AccessDenied', $metadata: { httpStatusCode: 403 } });
    on(PutObjectCommand).rejects(error);
    await expect(store().replace('b', 'k', content, '"v1"')).rejects.toThrow(error);
  });
});

it('shows the real credentials of a developer to no emulator (endpoint-credentials)', () => {
  expect(() => createS3Client({ region: 'us-east-1', endpoint: 'http://127.0.0.1:1' })).toThrow(RangeError);
});
