/** A plain HTTP client for tests of the service: sends what it is told, byte for byte, and holds every answer to the description. */
import { Agent, request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import { validateResponse } from './openapi.ts';

export interface Call {
  readonly method?: string;
  /** As it goes on the wire, with its query. */
  readonly path: string;
  readonly token?: string | undefined;
  readonly headers?: Readonly<Record<string, string>>;
  /** A list goes out in chunks, without a length. */
  readonly body?: string | Uint8Array | readonly Uint8Array[];
  /** False for a path or method that the description does not have. */
  readonly described?: boolean;
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  readonly text: string;
  /** The body as JSON; throws when it is none. */
  // biome-ignore lint/suspicious/noExplicitAny: answers of every shape are looked into by tests.
  json(): any;
}

export interface Violation {
  readonly code: string;
  readonly field: string;
  readonly message: string;
  readonly reference: string;
}

const agent = new Agent({ keepAlive: true, maxSockets: 64 });
/** Bodies of every answer so far, for one last look through them all. */
export const answersSeen: { readonly what: string; readonly text: string }[] = [];

export function createServiceClient(url: string) {
  const call = async (options: Call): Promise<Answer> => {
    const answer = await send(url, options);
    const what = `${options.method ?? 'GET'} ${options.path}`;
    answersSeen.push({ what, text: answer.text });
    expect(leaksIn(answer.text), `${what}: ${answer.text.slice(0, 500)}`).toEqual([]);
    if (options.described !== false && options.method !== 'HEAD') {
      expect(
        validateResponse(
          options.method ?? 'GET',
          options.path,
          answer.status,
          answer.headers['content-type'],
          answer.body,
          answer.headers as Readonly<Record<string, string>>,
        ),
      ).toEqual([]);
    }
    return answer;
  };
  const enroll = (csr: string | Uint8Array, profile: string, token: string, headers: Call['headers'] = {}) =>
    call({
      method: 'POST',
      path: `/v1/enrollments?profile=${encodeURIComponent(profile)}`,
      token,
      headers: { 'content-type': 'application/pkcs10', ...headers },
      body: csr,
    });
  return {
    call,
    enroll,
    /** POSTs until the issuance is settled, and asks for it then. */
    async settled(csr: string | Uint8Array, profile: string, token: string, headers: Call['headers'] = {}) {
      let answer = await enroll(csr, profile, token, { prefer: 'wait=10', ...headers });
      for (let tries = 0; answer.status === 202 && tries < 100; tries++) {
        await sleep(100);
        answer = await call({ path: answer.headers.location!, token, headers });
      }
      return answer;
    },
    async createCredential(operator: string, changes: Readonly<Record<string, unknown>> = {}) {
      const answer = await call({
        method: 'POST',
        path: '/v1/credentials',
        token: operator,
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ ...credentialBody, ...changes }),
      });
      expect(answer.status, answer.text).toBe(201);
      const { credential, secret } = answer.json();
      return { credential, secret: secret as string };
    },
  };
}

export type ServiceClient = ReturnType<typeof createServiceClient>;

export const credentialBody = {
  owner: 'plant-8',
  fleet: 'pumps',
  profiles: ['device', 'service', 'svid'],
  names: { dns: ['*.fleet.example'], spiffe: ['spiffe://fleet.example/*'], ip: [] },
  countMax: 1_000,
};

function send(url: string, options: Call): Promise<Answer> {
  const { method = 'GET', path, token, headers = {}, body } = options;
  const { hostname, port } = new URL(url);
  const chunked = Array.isArray(body);
  return new Promise((resolve, reject) => {
    const request = httpRequest(
      {
        agent,
        hostname,
        port,
        method,
        path,
        headers: {
          ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
          ...(body === undefined || chunked ? {} : { 'content-length': String(Buffer.byteLength(body as string)) }),
          ...headers,
        },
        timeout: 20_000,
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => {
          const bytes = Buffer.concat(chunks);
          const text = bytes.toString('utf8');
          resolve({
            status: response.statusCode!,
            headers: response.headers,
            body: bytes,
            text,
            json: () => JSON.parse(text),
          });
        });
      },
    );
    // A service that answers before it has read everything may close on the rest; the answer counts.
    request.on('error', reject);
    request.on('timeout', () => request.destroy(new Error(`${method} ${path}: no answer`)));
    if (chunked) for (const chunk of body) request.write(chunk);
    request.end(chunked || body === undefined ? undefined : body);
  });
}

const leaks: readonly RegExp[] = [
  /\bat [\w.<>]+ \(/,
  /\.(ts|mjs|js):\d+/,
  /node_modules|node:internal/,
  /\/(tmp|home|root|usr|var|work|etc|proc)\//,
  /SQLITE|SELECT |INSERT /,
  /sw_o_[A-Za-z0-9_-]{10}/,
  /PRIVATE KEY/,
  /"sha256"/,
];

/** What an answer must never carry: stacks, paths, SQL, secrets. */
function leaksIn(text: string): readonly string[] {
  return leaks.flatMap((leak) => leak.exec(text)?.[0] ?? []);
}

/** A problem document's code and status, for a short comparison. */
export function problemOf(answer: Answer): string {
  return `${answer.status} ${answer.headers['content-type'] === 'application/problem+json' ? answer.json().code : '-'}`;
}

export function violationsOf(answer: Answer): readonly Violation[] {
  return answer.json().violations ?? [];
}

export function violationCodes(answer: Answer): readonly string[] {
  return [...new Set(violationsOf(answer).map(({ code }) => code))].sort();
}
