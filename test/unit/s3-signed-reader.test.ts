import { createHash, createHmac } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { createSignedReader } from '../../shared/adapters/s3/signed-reader.ts';

const region = 'eu-central-1';
const identity = { accessKeyId: 'AKIAEXAMPLE', secretAccessKey: 'secret', sessionToken: 'session' };
const object = Buffer.from('0123456789');

type Answer = (request: IncomingMessage, response: ServerResponse) => void;
const closings: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  vi.unstubAllGlobals();
  await Promise.all(closings.splice(0).map((close) => close()));
});

/** S3 by path on loopback: answers one after the other, the last for all that follow. */
async function serve(...answers: readonly Answer[]) {
  const seen: IncomingMessage[] = [];
  const server = createServer((request, response) => {
    seen.push(request);
    answers[Math.min(seen.length, answers.length) - 1]!(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closings.push(() => new Promise((resolve) => server.close(resolve).closeAllConnections()));
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const reader = createSignedReader({ region, endpoint, credentials: async () => identity });
  return { seen, read: (key = 'audit-report/a/b.json') => joined(reader('reports', key)) };
}

async function joined(chunks: AsyncIterable<Uint8Array>): Promise<string> {
  const parts: Uint8Array[] = [];
  for await (const chunk of chunks) parts.push(chunk);
  return Buffer.concat(parts).toString('utf8');
}

const startOf = ({ headers }: IncomingMessage) => Number(/^bytes=(\d+)-$/.exec(headers.range ?? 'bytes=0-')?.[1]);
const whole: Answer = (request, response) => {
  const rest = object.subarray(startOf(request));
  response.writeHead(startOf(request) === 0 ? 200 : 206, { 'content-length': rest.length, etag: '"v1"' }).end(rest);
};
/** Gives so many bytes, then breaks the connection. */
const breaking =
  (bytes: number): Answer =>
  (request, response) => {
    const rest = object.subarray(startOf(request));
    response.writeHead(200, { 'content-length': rest.length, etag: '"v1"' });
    response.write(rest.subarray(0, bytes), () => setTimeout(() => response.destroy(), 50));
  };
const refusal =
  (status: number, code: string): Answer =>
  (_request, response) =>
    void response.writeHead(status).end(`<?xml version="1.0"?><Error><Code>${code}</Code></Error>`);

const hmac = (key: string | Buffer, text: string) => createHmac('sha256', key).update(text).digest();
const hex = (text: string) => createHash('sha256').update(text).digest('hex');

/** The signature that AWS computes of a request (General Reference, "Create a signed AWS API request"). */
function signatureOf({ headers, url = '' }: IncomingMessage): string {
  const [, day, signedHeaders] =
    /Credential=AKIAEXAMPLE\/(\d{8})\/eu-central-1\/s3\/aws4_request, SignedHeaders=([a-z0-9;-]+),/.exec(
      headers.authorization ?? '',
    )!;
  const canonicalHeaders = signedHeaders!.split(';').map((name) => `${name}:${String(headers[name])}\n`);
  const canonical = ['GET', url, '', canonicalHeaders.join(''), signedHeaders, headers['x-amz-content-sha256']].join(
    '\n',
  );
  const text = ['AWS4-HMAC-SHA256', headers['x-amz-date'], `${day}/${region}/s3/aws4_request`, hex(canonical)].join(
    '\n',
  );
  const key = ['s3', 'aws4_request'].reduce(hmac, hmac(hmac(`AWS4${identity.secretAccessKey}`, day!), region));
  return hmac(key, text).toString('hex');
}

describe('an object of S3, read without the client of the SDK', () => {
  it('is asked for with the signature that AWS computes, host, session and range signed (SigV4)', async () => {
    const { read, seen } = await serve(breaking(4), whole);
    expect(await read("audit-report/a b/(1)'é.json")).toBe('0123456789');
    expect(seen[0]!.url).toBe('/reports/audit-report/a%20b/%281%29%27%C3%A9.json');
    for (const request of seen) {
      expect(request.headers['accept-encoding']).toBe('identity');
      const { authorization = '' } = request.headers;
      expect(/Signature=([0-9a-f]{64})$/.exec(authorization)?.[1]).toBe(signatureOf(request));
      expect(/SignedHeaders=([^,]+)/.exec(authorization)?.[1]?.split(';')).toEqual(
        expect.arrayContaining(['host', 'x-amz-content-sha256', 'x-amz-date', 'x-amz-security-token']),
      );
    }
    expect(seen[1]!.headers).toMatchObject({ range: 'bytes=4-', 'if-match': '"v1"' });
    expect(seen[1]!.headers.authorization).toContain('if-match');
  });

  it('is asked for again after what may pass, three times at most (5xx)', async () => {
    const slow = await serve(refusal(503, 'SlowDown'), refusal(500, 'InternalError'), whole);
    expect(await slow.read()).toBe('0123456789');
    const down = await serve(refusal(503, 'SlowDown'));
    await expect(down.read()).rejects.toMatchObject({ name: 'SlowDown', status: 503 });
    expect(down.seen).toHaveLength(3);
  });

  it.each([
    [404, 'NoSuchKey'],
    [403, 'AccessDenied'],
    [412, 'PreconditionFailed'],
  ])('is refused once and for all: %i %s', async (status, code) => {
    const { read, seen } = await serve(refusal(status, code));
    await expect(read()).rejects.toMatchObject({ name: code, status });
    expect(seen).toHaveLength(1);
  });

  it('is no object when another took its place while it was read (If-Match)', async () => {
    const { read } = await serve(breaking(4), refusal(412, 'PreconditionFailed'));
    await expect(read()).rejects.toMatchObject({ name: 'PreconditionFailed' });
  });

  it('is not looked for where an answer points (redirect)', async () => {
    const { read } = await serve(
      (_request, response) => void response.writeHead(307, { location: '/elsewhere' }).end(),
    );
    await expect(read()).rejects.toThrow();
  });

  it("is asked for at the bucket's host in its partition, a name with dots by path (endpoint)", async () => {
    const asked: string[] = [];
    vi.stubGlobal('fetch', async (url: URL) => {
      asked.push(String(url));
      return new Response(object, { headers: { 'content-length': '10', etag: '"v1"' } });
    });
    for (const [place, bucket] of [
      [region, 'reports'],
      ['cn-north-1', 'reports'],
      [region, 'reports.example'],
    ] as const)
      expect(await joined(createSignedReader({ region: place, credentials: async () => identity })(bucket, 'k'))).toBe(
        '0123456789',
      );
    expect(asked).toEqual([
      'https://reports.s3.eu-central-1.amazonaws.com/k',
      'https://reports.s3.cn-north-1.amazonaws.com.cn/k',
      'https://s3.eu-central-1.amazonaws.com/reports.example/k',
    ]);
  });
});
