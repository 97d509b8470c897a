import { afterEach, describe, expect, it } from 'vitest';
import {
  certificateBlocks,
  createHttpClient,
  type HttpAnswer,
  problemOf,
  retryAfterMsOf,
  UnreachableError,
} from '../../cli/http-client.ts';
import { type FakeService, json, startFakeService } from '../support/fake-service.ts';

let service: FakeService | undefined;
afterEach(async () => {
  await service?.close();
  service = undefined;
});

const answer = (headers: Readonly<Record<string, string>>, body = '', status = 200): HttpAnswer => ({
  status,
  headers,
  body: Buffer.from(body),
});

describe('createHttpClient', () => {
  it('keeps the connection and sends the body with its length', async () => {
    service = await startFakeService((request) =>
      json(200, { length: request.headers['content-length'], connection: request.headers.connection }),
    );
    const client = createHttpClient({ baseUrl: service.url });
    for (const body of ['abc', 'defg']) {
      const { body: got } = await client.send({ method: 'POST', path: '/x', body });
      expect(JSON.parse(got.toString())).toEqual({ length: String(body.length), connection: 'keep-alive' });
    }
    client.close();
  });

  it('repeats a repeatable request on a new connection when the server closed the old one just then', async () => {
    service = await startFakeService((_, nth) => (nth === 2 ? 'hang up' : json(200, { nth })));
    const client = createHttpClient({ baseUrl: service.url });
    await client.send({ method: 'GET', path: '/', repeatable: true });
    expect(JSON.parse((await client.send({ method: 'GET', path: '/', repeatable: true })).body.toString())).toEqual({
      nth: 3,
    });
    client.close();
  });

  it('does not repeat what is not repeatable', async () => {
    service = await startFakeService((_, nth) => (nth === 2 ? 'hang up' : json(200, { nth })));
    const client = createHttpClient({ baseUrl: service.url });
    await client.send({ method: 'POST', path: '/' });
    await expect(client.send({ method: 'POST', path: '/' })).rejects.toBeInstanceOf(UnreachableError);
    expect(service.seen).toHaveLength(2);
    client.close();
  });

  it('gives up on an answer that is too long, and on one that does not come', async () => {
    service = await startFakeService(async (request) => {
      if (request.path === '/slow') await new Promise((resolve) => setTimeout(resolve, 500));
      return { status: 200, body: 'x'.repeat(2_000) };
    });
    const client = createHttpClient({ baseUrl: service.url, answerBytesMax: 1_000, requestMsMax: 100, socketsMax: 2 });
    await expect(client.send({ method: 'GET', path: '/' })).rejects.toMatchObject({ code: 'EMSGSIZE' });
    await expect(client.send({ method: 'GET', path: '/slow' })).rejects.toMatchObject({ code: 'ETIMEDOUT' });
    client.close();
  });

  it('says when nobody listens, and takes only http and https', async () => {
    service = await startFakeService(() => json(200, {}));
    const { url } = service;
    await service.close();
    await expect(createHttpClient({ baseUrl: url }).send({ method: 'GET', path: '/' })).rejects.toMatchObject({
      code: 'ECONNREFUSED',
    });
    expect(() => createHttpClient({ baseUrl: 'ftp://x' })).toThrow(TypeError);
    expect(() => createHttpClient({ baseUrl: 'nonsense' })).toThrow(TypeError);
  });
});

describe('retryAfterMsOf', () => {
  const now = Date.parse('2026-11-23T00:00:00Z');
  const of = (value: string) => retryAfterMsOf(answer({ 'retry-after': value }), now);

  it('reads seconds and dates within bounds (RFC 9110, 10.2.3)', () => {
    expect(of('3')).toBe(3_000);
    expect(of('Mon, 23 Nov 2026 00:00:05 GMT')).toBe(5_000);
    expect(of('0')).toBe(50);
    expect(of('Mon, 23 Nov 2026 00:00:00 GMT')).toBe(50);
    expect(of('999999999')).toBe(60_000);
  });

  it('is undefined when absent or unreadable', () => {
    for (const value of ['soon', '', '-1x', '1e99']) expect(of(value)).toBeUndefined();
    expect(retryAfterMsOf(answer({}), now)).toBeUndefined();
  });
});

describe('problemOf', () => {
  const type = { 'content-type': 'application/problem+json; charset=utf-8' };

  it('reads code and violations (RFC 9457)', () => {
    const violation = { code: 'name-out-of-scope', field: 'names[0]', message: 'outside', reference: 'scope' };
    const body = JSON.stringify({ title: 'Refused', status: 422, code: 'policy-refused', violations: [violation] });
    expect(problemOf(answer(type, body, 422))).toEqual({
      status: 422,
      code: 'policy-refused',
      title: 'Refused',
      violations: [violation],
    });
  });

  it('is none without the media type, the JSON or the code', () => {
    expect(problemOf(answer({ 'content-type': 'text/html' }, '{"code":"x"}'))).toBeUndefined();
    expect(problemOf(answer(type, 'no json'))).toBeUndefined();
    expect(problemOf(answer(type, '{"title":"x"}'))).toBeUndefined();
    expect(problemOf(answer(type, '[]'))).toBeUndefined();
  });
});

describe('certificateBlocks', () => {
  it('writes the blocks anew and leaves out what stands between them', () => {
    const text = `\u001b[2J-----BEGIN CERTIFICATE-----\r\n${'A'.repeat(70)}\r\n-----END CERTIFICATE-----\nnoise\n`;
    expect(certificateBlocks(text)).toEqual([
      `-----BEGIN CERTIFICATE-----\n${'A'.repeat(64)}\n${'A'.repeat(6)}\n-----END CERTIFICATE-----\n`,
    ]);
  });
});
