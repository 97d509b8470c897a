/** An endpoint with a fault in it: a server before the real one, through which every call goes. */
import { createServer, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Answer, PlantedFault } from './faults.ts';

const prefix = 'ACMPrivateCA.';

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

async function forward(url: string, request: IncomingMessage, target: string, body: string): Promise<Response> {
  const names = ['authorization', 'content-type'] as const;
  const kept = names.flatMap((name) => {
    const value: IncomingHttpHeaders[string] = request.headers[name];
    return typeof value === 'string' ? [[name, value] as const] : [];
  });
  const headers = { ...Object.fromEntries(kept), ...(target === '' ? {} : { 'x-amz-target': target }) };
  const method = request.method ?? 'POST';
  return fetch(`${url}${request.url ?? '/'}`, { method, headers, ...(method === 'GET' ? {} : { body }) });
}

async function answerOf(response: Response): Promise<Answer> {
  return { status: response.status, json: JSON.parse(await response.text()) as Answer['json'] };
}

/** Starts it on loopback. What is no call of an operation goes through as it is; without a fault all does. */
export async function startFaultyEndpoint(url: string, fault: PlantedFault | undefined) {
  const server = createServer(async (request, response) => {
    const body = await bodyOf(request);
    const target = String(request.headers['x-amz-target'] ?? '');
    const operation = target.slice(prefix.length);
    const isCall = fault !== undefined && target.startsWith(prefix) && body.startsWith('{"');
    const ask = async (name: string, input: object): Promise<Answer> =>
      answerOf(await forward(url, request, `${prefix}${name}`, JSON.stringify(input)));
    if (isCall) {
      const { status, json } = await fault.apply({ operation, input: JSON.parse(body), forward: ask });
      response.writeHead(status, { 'content-type': 'application/x-amz-json-1.1', 'x-amzn-requestid': 'faulty' });
      response.end(JSON.stringify(json));
      return;
    }
    const passed = await forward(url, request, target, body);
    response.writeHead(passed.status, Object.fromEntries(passed.headers));
    response.end(await passed.text());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
