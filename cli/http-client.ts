/**
 * A small HTTP client over node:http and node:https: keep-alive, every answer bounded in bytes and time, no redirects
 * followed. The fleet and the commands share it; neither is part of the service.
 */
import { Agent as HttpAgent, request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';

export interface HttpClientOptions {
  /** `http://host:port` or `https://host:port`; a path in front of `/v1` is kept. */
  readonly baseUrl: string;
  /** Connections held open at most. 1 by default. */
  readonly socketsMax?: number;
  /** From the first byte sent to the last received. 30 s by default. */
  readonly requestMsMax?: number;
  /** An answer longer than this is an error. 4 MiB by default. */
  readonly answerBytesMax?: number;
  /** Certificates (PEM) that an https server is checked against, instead of the system's. */
  readonly tlsAnchorsPem?: string;
}

export interface HttpRequest {
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** Begins with `/`, already percent-encoded. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | string;
  readonly signal?: AbortSignal;
  /** Repeating the request does no harm: a keep-alive connection that the server closed just then is replaced. */
  readonly repeatable?: boolean;
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

export interface HttpClient {
  readonly baseUrl: string;
  /** Rejects with `UnreachableError` when no answer came; any status is an answer. */
  send(request: HttpRequest): Promise<HttpAnswer>;
  /** Closes idle connections. */
  close(): void;
}

/** No answer: refused, reset, timed out, not HTTP, or longer than the bound. `code` is the system's or our own. */
export class UnreachableError extends Error {
  readonly code: string;
  constructor(code: string, message: string) {
    super(message);
    this.name = 'UnreachableError';
    this.code = code;
  }
}

const requestMsMaxDefault = 30_000;
const answerBytesMaxDefault = 4 * 1024 * 1024;

/** Throws `TypeError` when `baseUrl` is no http or https address. */
export function createHttpClient(options: HttpClientOptions): HttpClient {
  const base = new URL(options.baseUrl);
  if (base.protocol !== 'http:' && base.protocol !== 'https:') throw new TypeError('only http and https are spoken');
  const secure = base.protocol === 'https:';
  const socketsMax = options.socketsMax ?? 1;
  const agent = secure
    ? new HttpsAgent({
        keepAlive: true,
        maxSockets: socketsMax,
        ...(options.tlsAnchorsPem ? { ca: options.tlsAnchorsPem } : {}),
      })
    : new HttpAgent({ keepAlive: true, maxSockets: socketsMax });
  const context: SendContext = {
    base,
    agent,
    start: secure ? httpsRequest : httpRequest,
    requestMsMax: options.requestMsMax ?? requestMsMaxDefault,
    answerBytesMax: options.answerBytesMax ?? answerBytesMaxDefault,
  };
  return {
    baseUrl: base.href.replace(/\/+$/, ''),
    send: (request) => sendOnce(context, request, request.repeatable === true),
    close: () => agent.destroy(),
  };
}

interface SendContext {
  readonly base: URL;
  readonly agent: HttpAgent | HttpsAgent;
  readonly start: typeof httpRequest;
  readonly requestMsMax: number;
  readonly answerBytesMax: number;
}

function sendOnce(context: SendContext, request: HttpRequest, mayRepeat: boolean): Promise<HttpAnswer> {
  const { base } = context;
  const body = typeof request.body === 'string' ? Buffer.from(request.body) : request.body;
  return new Promise((resolve, reject) => {
    const outgoing = context.start({
      agent: context.agent,
      // URL keeps the brackets of an IPv6 address, node:http wants it without.
      hostname: base.hostname.replace(/^\[|\]$/g, ''),
      port: base.port,
      method: request.method,
      path: base.pathname.replace(/\/+$/, '') + request.path,
      headers: { ...request.headers, ...(body === undefined ? {} : { 'content-length': String(body.byteLength) }) },
      ...(request.signal ? { signal: request.signal } : {}),
    });
    const timer = setTimeout(
      () => outgoing.destroy(new UnreachableError('ETIMEDOUT', `no answer within ${context.requestMsMax} ms`)),
      context.requestMsMax,
    );
    const fail = (error: NodeJS.ErrnoException) => {
      clearTimeout(timer);
      // The server closed an idle connection while the request was on its way: nothing was processed on it.
      if (mayRepeat && outgoing.reusedSocket && (error.code === 'ECONNRESET' || error.code === 'EPIPE')) {
        resolve(sendOnce(context, request, false));
        return;
      }
      reject(request.signal?.aborted ? request.signal.reason : asUnreachable(error));
    };
    outgoing.on('error', fail);
    outgoing.on('response', (incoming) => {
      const chunks: Buffer[] = [];
      let bytes = 0;
      incoming.on('data', (chunk: Buffer) => {
        bytes += chunk.byteLength;
        if (bytes > context.answerBytesMax) {
          incoming.destroy(new UnreachableError('EMSGSIZE', `an answer of more than ${context.answerBytesMax} bytes`));
          return;
        }
        chunks.push(chunk);
      });
      incoming.on('error', fail);
      incoming.on('end', () => {
        clearTimeout(timer);
        resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, body: bodyOf(chunks) });
      });
    });
    outgoing.end(body);
  });
}

/** A short answer came in one piece: a copy of each would be garbage outside of the heap, which is collected late. */
function bodyOf(chunks: readonly Buffer[]): Buffer {
  return chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks);
}

function asUnreachable(error: NodeJS.ErrnoException): UnreachableError {
  if (error instanceof UnreachableError) return error;
  return new UnreachableError(
    error.code ?? 'EUNKNOWN',
    error.message === '' ? (error.code ?? 'no answer') : error.message,
  );
}

/** A header's value; the first where it was sent more than once. */
export function headerOf(answer: HttpAnswer, name: string): string | undefined {
  const value = answer.headers[name];
  return Array.isArray(value) ? value[0] : value;
}

/** The media type of an answer without its parameters, lower case; '' when it has none. */
export function mediaTypeOf(answer: HttpAnswer): string {
  return (headerOf(answer, 'content-type') ?? '').split(';')[0]!.trim().toLowerCase();
}

const retryAfterMsMax = 60_000;
const retryAfterMsMin = 50;

/**
 * Retry-After (RFC 9110, 10.2.3: seconds or a date) in milliseconds, within [50, 60,000]; undefined when absent or
 * unreadable. The lower bound keeps a server that says 0 from being asked in a tight loop.
 */
export function retryAfterMsOf(answer: HttpAnswer, now: number): number | undefined {
  const text = headerOf(answer, 'retry-after')?.trim();
  if (text === undefined || text === '') return undefined;
  const ms = /^\d{1,9}$/.test(text) ? Number(text) * 1000 : Date.parse(text) - now;
  return Number.isFinite(ms) ? Math.min(retryAfterMsMax, Math.max(retryAfterMsMin, ms)) : undefined;
}

export interface ProblemViolation {
  readonly code: string;
  readonly field: string;
  readonly message: string;
  readonly reference: string;
}

/** An RFC 9457 problem document. Every text in it came from outside: make it printable before showing it. */
export interface Problem {
  readonly status: number;
  readonly code: string;
  readonly title: string;
  readonly detail?: string;
  readonly violations: readonly ProblemViolation[];
}

const violationsMax = 5_000;

/** The problem document of an answer; undefined when its media type, its JSON or its `code` are not one's. */
export function problemOf(answer: HttpAnswer): Problem | undefined {
  if (mediaTypeOf(answer) !== 'application/problem+json') return undefined;
  const value = jsonOf(answer);
  if (!isObject(value) || typeof value.code !== 'string') return undefined;
  const violations = Array.isArray(value.violations) ? value.violations.slice(0, violationsMax).filter(isObject) : [];
  return {
    status: answer.status,
    code: value.code,
    title: textOf(value.title),
    ...(typeof value.detail === 'string' ? { detail: value.detail } : {}),
    violations: violations.map((v) => ({
      code: textOf(v.code),
      field: textOf(v.field),
      message: textOf(v.message),
      reference: textOf(v.reference),
    })),
  };
}

/** The JSON of an answer; undefined when it is none. */
export function jsonOf(answer: HttpAnswer): unknown {
  try {
    return JSON.parse(answer.body.toString('utf8'));
  } catch {
    return undefined;
  }
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Strings and numbers as text; anything else as ''. */
export function textOf(value: unknown): string {
  return typeof value === 'string'
    ? value
    : typeof value === 'number' || typeof value === 'boolean'
      ? String(value)
      : '';
}

const pemCertificate = /-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]{1,65536}-----END CERTIFICATE-----/g;
const certificatesMax = 16;

/** The certificates in a text, written again line by line: whatever stood between the blocks stays behind. */
export function certificateBlocks(text: string): readonly string[] {
  return (text.match(pemCertificate) ?? []).slice(0, certificatesMax).map((block) => {
    const base64 = block.replace(/-----(BEGIN|END) CERTIFICATE-----/g, '').replace(/\s+/g, '');
    return `-----BEGIN CERTIFICATE-----\n${(base64.match(/.{1,64}/g) ?? []).join('\n')}\n-----END CERTIFICATE-----\n`;
  });
}
