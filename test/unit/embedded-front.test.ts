import { createConnection } from 'node:net';
import type { APIGatewayProxyEventV2 } from 'aws-lambda';
import { afterEach, describe, expect, it } from 'vitest';
import { type Front, type HttpHandler, type Route, startFront } from '../../localstack/embedded/front.ts';

let front: Front | undefined;
const errors: unknown[] = [];

afterEach(async () => {
  await front?.close(100);
  front = undefined;
  errors.length = 0;
});

async function start(routes: readonly Partial<Route>[], handler: HttpHandler = echo): Promise<string> {
  const whole = routes.map((route) => ({ method: 'GET', path: '/', handler, ...route }));
  front = await startFront(whole, { address: '127.0.0.1', port: 0, onError: (cause) => errors.push(cause) });
  return front.url;
}

/** Answers the event it was given. */
const echo: HttpHandler = async (event) => ({
  statusCode: 200,
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(event),
});

async function eventOf(url: string, init: RequestInit = {}): Promise<APIGatewayProxyEventV2> {
  return (await (await fetch(url, init)).json()) as APIGatewayProxyEventV2;
}

describe('the front', () => {
  it('gives a handler the event of API Gateway, payload format 2.0', async () => {
    const url = await start([{ method: 'POST', path: '/v1/{kind}/{id}' }]);
    const event = await eventOf(`${url}/v1/a%2Fb/c%20d?x=1&y=%26&x=2`, {
      method: 'POST',
      body: 'text',
      headers: { 'X-Twice': 'a' },
    });
    expect(event).toMatchObject({
      version: '2.0',
      routeKey: 'POST /v1/{kind}/{id}',
      rawPath: '/v1/a%2Fb/c%20d',
      rawQueryString: 'x=1&y=%26&x=2',
      queryStringParameters: { x: '1,2', y: '&' },
      pathParameters: { kind: 'a/b', id: 'c d' },
      headers: { 'x-twice': 'a' },
      body: Buffer.from('text').toString('base64'),
      isBase64Encoded: true,
    });
    expect(event.requestContext.http).toMatchObject({ method: 'POST', sourceIp: '127.0.0.1' });
  });

  it.each([
    ['profile=service', { profile: 'service' }],
    ['profile=', { profile: '' }],
    ['a=b+c', { a: 'b c' }],
    ['a', { a: '' }],
    ['a=1&a=2', { a: '1,2' }],
    ['a=b=c', { a: 'b=c' }],
    ['constructor=x', { constructor: 'x' }],
  ])('reads the query %s as API Gateway does', async (query, parameters) => {
    const url = await start([{ path: '/x' }]);
    const { queryStringParameters } = await eventOf(`${url}/x?${query}`);
    expect(Object.entries(queryStringParameters ?? {})).toEqual(Object.entries(parameters));
  });

  it('leaves out what is not there', async () => {
    const url = await start([{ path: '/x' }]);
    const event = await eventOf(`${url}/x`);
    expect(event.queryStringParameters).toBeUndefined();
    expect(event.body).toBeUndefined();
    expect(event.isBase64Encoded).toBe(false);
  });

  it('gives every request an id of its own', async () => {
    const url = await start([{ path: '/x' }]);
    const ids = await Promise.all([1, 2, 3].map(async () => (await eventOf(`${url}/x`)).requestContext.requestId));
    expect(new Set(ids).size).toBe(3);
  });

  it('takes the more specific of two paths, in whatever order they come', async () => {
    const url = await start([{ path: '/v1/{id}' }, { path: '/v1/fixed' }, { path: '/v1/a.b' }]);
    expect((await eventOf(`${url}/v1/fixed`)).routeKey).toBe('GET /v1/fixed');
    expect((await eventOf(`${url}/v1/other`)).routeKey).toBe('GET /v1/{id}');
    expect((await eventOf(`${url}/v1/axb`)).routeKey).toBe('GET /v1/{id}');
  });

  it.each(['__proto__', 'constructor', 'toString'])(
    'has no parameter of a query that was not sent: %s',
    async (name) => {
      const url = await start([{ path: '/x' }], async (event) => ({
        statusCode: 200,
        body: JSON.stringify(Object.entries(event.queryStringParameters ?? {})),
      }));
      const text = await (await fetch(`${url}/x?${name}=1`)).text();
      expect(JSON.parse(text)).toEqual([[name, '1']]);
    },
  );

  it('answers 500 without a word of it when a handler throws, and tells it', async () => {
    const url = await start([{ path: '/x' }], async () => {
      throw new Error('at /srv/secret.ts:1');
    });
    const answer = await fetch(`${url}/x`);
    expect(answer.status).toBe(500);
    expect(await answer.text()).not.toContain('secret');
    expect(errors).toHaveLength(1);
  });

  it('sends bytes that a handler gives in base64, and no body with 204', async () => {
    const url = await start([
      {
        path: '/bytes',
        handler: async () => ({ statusCode: 200, body: Buffer.of(0, 255).toString('base64'), isBase64Encoded: true }),
      },
      { path: '/none', handler: async () => ({ statusCode: 204, body: 'nothing of this' }) },
    ]);
    expect([...new Uint8Array(await (await fetch(`${url}/bytes`)).arrayBuffer())]).toEqual([0, 255]);
    const none = await fetch(`${url}/none`);
    expect([none.status, none.headers.get('content-length'), await none.text()]).toEqual([204, null, '']);
  });

  it('has nothing to tell of a client that goes away, before or after its body', async () => {
    let called = 0;
    const url = await start([{ method: 'POST', path: '/x' }], async () => {
      called += 1;
      await new Promise((resolve) => setTimeout(resolve, 20));
      return { statusCode: 200, body: 'x' };
    });
    const { port } = new URL(url);
    const leave = (bytes: string) =>
      new Promise<void>((resolve) => {
        const socket = createConnection(Number(port), '127.0.0.1', () => {
          socket.write(bytes);
          setTimeout(() => socket.resetAndDestroy(), 10);
        });
        socket.on('close', () => resolve());
      });
    await leave('POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 50\r\n\r\nabc');
    await leave('POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab');
    expect(called).toBe(0);
    await leave('POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc');
    await new Promise((resolve) => setTimeout(resolve, 40));
    expect(called).toBe(1);
    expect(errors).toEqual([]);
  });

  it('closes without waiting for clients that keep their connections busy, and answers what is under way', async () => {
    const url = await start([{ path: '/x' }], async () => {
      await new Promise((resolve) => setTimeout(resolve, 30));
      return { statusCode: 200, body: 'x' };
    });
    const statuses: number[] = [];
    let going = true;
    const client = async () => {
      while (going) {
        try {
          statuses.push((await fetch(`${url}/x`)).status);
        } catch {
          return;
        }
      }
    };
    const clients = Promise.all([client(), client(), client()]);
    while (statuses.length < 6) await new Promise((resolve) => setTimeout(resolve, 5));
    // Far longer than the test may take: only a close that is not held up gets there.
    await front!.close(600_000);
    going = false;
    await clients;
    expect(new Set(statuses)).toEqual(new Set([200]));
  });

  it('ends connections that do not end themselves once its grace is over', async () => {
    const url = await start([{ path: '/x' }], () => new Promise(() => undefined));
    const hanging = fetch(`${url}/x`).then(
      () => 'answered',
      () => 'cut',
    );
    await new Promise((resolve) => setTimeout(resolve, 20));
    await front!.close(20);
    expect(await hanging).toBe('cut');
  });
});
