/**
 * The endpoint as a server: AWS JSON 1.1 over HTTP on loopback. Requests must carry an Authorization header, as the service
 * asks; its signature is not verified.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { EpochMs } from '../../shared/pki/epoch.ts';
import { formatAuthorityArn, formatCertificateArn } from './arn.ts';
import type { Endpoint, IssuanceAttempt } from './endpoint.ts';
import { AwsError, refuse } from './errors.ts';
import { createIdempotencyWindow, idempotencyWindowMs } from './idempotency.ts';
import { isOperation, runOperation } from './operations/index.ts';
import { issueTokenKey } from './operations/issue-certificate.ts';
import { openStore } from './store.ts';
import { formatUuid } from './uuid.ts';

const bodyBytesMax = 1_048_576;
/** A body over its limit is read to here and thrown away, so that the client sees the answer and not a reset connection. */
const drainBytesMax = 16 * bodyBytesMax;
const connectionsMax = 1024;
const closeWaitMsMax = 2000;
const targetPrefix = 'ACMPrivateCA.';
const contentType = 'application/x-amz-json-1.1';

/** How to start the endpoint. Instants are epoch milliseconds, delays milliseconds. */
export interface AcmPcaEndpointOptions {
  /** 0 for any free port. */
  readonly port: number;
  readonly stateDir: string;
  readonly clock: () => EpochMs;
  readonly randomBytes: (count: number) => Uint8Array;
  /** Twelve digits. */
  readonly account?: string;
  readonly region?: string;
  /** From IssueCertificate to the certificate: one delay for all, or the range one is drawn from; 0 to 20 when absent. */
  readonly issueDelayMs?: number | { readonly min: number; readonly max: number };
  /** How long a new CA is CREATING; 50 when absent. */
  readonly createDelayMs?: number;
  /** A reason makes that accepted issuance fail: GetCertificate answers RequestFailedException. */
  readonly failIssuance?: (attempt: IssuanceAttempt) => string | undefined;
  /** Where an unexpected error goes; its text never reaches a client. */
  readonly log?: (message: string) => void;
}

/** A running endpoint. */
export interface AcmPcaEndpoint {
  readonly url: string;
  /** Answers what is under way, then closes the state. */
  close(): Promise<void>;
}

function openEndpoint(options: AcmPcaEndpointOptions): Endpoint {
  const delay = options.issueDelayMs ?? { min: 0, max: 20 };
  const endpoint: Endpoint = {
    scope: { account: options.account ?? '000000000000', region: options.region ?? 'us-east-1' },
    store: openStore(options.stateDir),
    clock: options.clock,
    randomBytes: options.randomBytes,
    issueDelayMs: typeof delay === 'number' ? { min: delay, max: delay } : delay,
    createDelayMs: options.createDelayMs ?? 50,
    failIssuance: options.failIssuance ?? (() => undefined),
    createTokens: createIdempotencyWindow(),
    issueTokens: createIdempotencyWindow(),
  };
  restoreTokens(endpoint);
  return endpoint;
}

/** A restart does not shorten the five minutes: tokens come back from what they led to. */
function restoreTokens({ store, scope, clock, createTokens, issueTokens }: Endpoint): void {
  const since = clock() - idempotencyWindowMs;
  for (const { idempotencyToken, createdAt, arn } of store.authorities()) {
    if (idempotencyToken !== undefined && createdAt > since) createTokens.restore(idempotencyToken, createdAt, arn);
  }
  for (const row of [...store.certificatesSince(since)].reverse()) {
    if (row.idempotencyToken === undefined) continue;
    const arn = formatCertificateArn(formatAuthorityArn(scope, row.authorityId), BigInt(`0x${row.serialHex}`));
    issueTokens.restore(issueTokenKey(row.authorityId, row.idempotencyToken), row.issuedAt, arn);
  }
}

async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request) {
    bytes += (chunk as Buffer).length;
    if (bytes <= bodyBytesMax) chunks.push(chunk as Buffer);
    if (bytes > drainBytesMax) break;
  }
  if (bytes > bodyBytesMax) refuse('RequestEntityTooLargeException', `The body is larger than ${bodyBytesMax} bytes.`);
  return Buffer.concat(chunks);
}

function parseJson(body: Buffer): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
  } catch {
    refuse('SerializationException', 'The body is not JSON.');
  }
}

async function answer(endpoint: Endpoint, request: IncomingMessage): Promise<object> {
  const body = await readBody(request);
  const target = request.headers['x-amz-target'];
  const name = typeof target === 'string' && target.startsWith(targetPrefix) ? target.slice(targetPrefix.length) : '';
  const isJson = request.headers['content-type']?.split(';')[0]?.trim() === contentType;
  if (request.method !== 'POST' || !isJson || !isOperation(name)) {
    refuse('UnknownOperationException', 'The operation is not known.');
  }
  if (request.headers.authorization === undefined) {
    refuse('MissingAuthenticationTokenException', 'Missing Authentication Token');
  }
  return runOperation(endpoint, name, parseJson(body));
}

function send(response: ServerResponse, requestId: string, status: number, payload: object): void {
  const body = Buffer.from(JSON.stringify(payload));
  response.writeHead(status, {
    'content-type': contentType,
    'content-length': body.length,
    'x-amzn-requestid': requestId,
  });
  response.end(body);
}

function toAwsError(error: unknown, log: (message: string) => void, requestId: string): AwsError {
  if (error instanceof AwsError) return error;
  log(`request ${requestId}: ${error instanceof Error ? (error.stack ?? error.message) : 'unknown error'}`);
  return new AwsError('InternalFailure', 'An internal error occurred.');
}

function createHttpServer(endpoint: Endpoint, log: (message: string) => void): Server {
  const server = createServer(async (request, response) => {
    const requestId = formatUuid(endpoint.randomBytes(16));
    try {
      send(response, requestId, 200, await answer(endpoint, request));
    } catch (error) {
      if (request.destroyed && !request.complete) return;
      const { code, message, status } = toAwsError(error, log, requestId);
      send(response, requestId, status, { __type: code, message });
    }
  });
  server.maxConnections = connectionsMax;
  server.headersTimeout = 10_000;
  server.requestTimeout = 30_000;
  // Longer than what clients keep a connection for: else one is closed under a request that is on its way.
  server.keepAliveTimeout = 65_000;
  return server;
}

async function closeServer(server: Server): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeIdleConnections();
  const timer = setTimeout(() => server.closeAllConnections(), closeWaitMsMax);
  await closed;
  clearTimeout(timer);
}

/**
 * Starts the endpoint on 127.0.0.1. Rejects when the port is taken, or the state folder is in use or of another version.
 */
export async function startAcmPcaEndpoint(options: AcmPcaEndpointOptions): Promise<AcmPcaEndpoint> {
  const endpoint = openEndpoint(options);
  const server = createHttpServer(endpoint, options.log ?? (() => undefined));
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(options.port, '127.0.0.1', resolve);
    });
  } catch (error) {
    endpoint.store.close();
    throw error;
  }
  const { port } = server.address() as AddressInfo;
  let closing: Promise<void> | undefined;
  return {
    url: `http://127.0.0.1:${port}`,
    close(): Promise<void> {
      closing ??= closeServer(server).then(() => endpoint.store.close());
      return closing;
    },
  };
}
