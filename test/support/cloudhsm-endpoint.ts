/** CloudHSM's management API as raw HTTP: what is answered is the JSON a test gives, member for member. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

type Json = Readonly<Record<string, unknown>>;

export interface CloudHsmEndpoint {
  readonly url: string;
  /** Requests so far: the operation, and its body. */
  readonly calls: { readonly operation: string; readonly body: Json }[];
  /** What DescribeClusters and DescribeBackups answer; a status other than 200 with it, where that is given. */
  answers: Readonly<Record<string, (body: Json) => { readonly status?: number; readonly body: Json | string }>>;
  close(): Promise<void>;
}

/** On an ephemeral port of 127.0.0.1. */
export async function startCloudHsmEndpoint(): Promise<CloudHsmEndpoint> {
  const calls: { operation: string; body: Json }[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      // X-Amz-Target: BaldrApiService.DescribeClusters
      const operation = String(request.headers['x-amz-target']).split('.')[1] ?? '';
      const body = JSON.parse(Buffer.concat(chunks).toString('utf8')) as Json;
      calls.push({ operation, body });
      const answer = endpoint.answers[operation]?.(body) ?? { status: 400, body: { __type: 'UnknownOperation' } };
      response.writeHead(answer.status ?? 200, { 'content-type': 'application/x-amz-json-1.1' });
      response.end(typeof answer.body === 'string' ? answer.body : JSON.stringify(answer.body));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const endpoint: CloudHsmEndpoint = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    calls,
    answers: {},
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return endpoint;
}
