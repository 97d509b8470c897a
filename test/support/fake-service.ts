/** A tiny HTTP server that answers as it is told, and keeps what it was asked. */
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface SeenRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

export interface ScriptedAnswer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
}

export interface FakeService {
  readonly url: string;
  readonly seen: readonly SeenRequest[];
  close(): Promise<void>;
}

/** `answer` is called in the order requests come; 'hang up' closes the connection without an answer. */
export async function startFakeService(
  answer: (request: SeenRequest, nth: number) => ScriptedAnswer | 'hang up' | Promise<ScriptedAnswer>,
): Promise<FakeService> {
  const seen: SeenRequest[] = [];
  const server = createServer(async (incoming, outgoing) => {
    const chunks: Buffer[] = [];
    for await (const chunk of incoming) chunks.push(chunk as Buffer);
    const request = {
      method: incoming.method!,
      path: incoming.url!,
      headers: incoming.headers,
      body: Buffer.concat(chunks),
    };
    seen.push(request);
    const scripted = await answer(request, seen.length);
    if (scripted === 'hang up') {
      incoming.socket.destroy();
      return;
    }
    outgoing.writeHead(scripted.status, scripted.headers);
    outgoing.end(scripted.body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

export function json(status: number, value: unknown, headers: Readonly<Record<string, string>> = {}): ScriptedAnswer {
  return { status, headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(value) };
}

export function pem(text: string): ScriptedAnswer {
  return { status: 200, headers: { 'content-type': 'application/x-pem-file' }, body: text };
}

export function pending(issuanceId: string, retryAfterSeconds = 1): ScriptedAnswer {
  return json(
    202,
    { issuanceId, status: 'received', retryAfterSeconds },
    { location: `/v1/enrollments/${issuanceId}`, 'retry-after': String(retryAfterSeconds) },
  );
}

export function problem(
  status: number,
  code: string,
  more: Readonly<Record<string, unknown>> = {},
  headers: Readonly<Record<string, string>> = {},
): ScriptedAnswer {
  return {
    status,
    headers: { 'content-type': 'application/problem+json', ...headers },
    body: JSON.stringify({ type: `urn:sealwright:error:${code}`, title: 'A title', status, code, ...more }),
  };
}
