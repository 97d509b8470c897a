/**
 * The endpoint as a server: AWS JSON 1.1 over HTTP on loopback. Requests must carry an Authorization header, as the service
 * asks; its signature is not verified.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as setTimer } from 'node:timers/promises';
import type { EpochMs } from '../../shared/pki/epoch.ts';
import { formatAuthorityArn, formatCertificateArn } from './arn.ts';
import { runCall } from './call.ts';
import { applyControl, type ControlChange, type ControlView, viewControl } from './control.ts';
import type { Endpoint, IssuanceAttempt } from './endpoint.ts';
import { AwsError, refuse } from './errors.ts';
import { createIdempotencyWindow, idempotencyWindowMs } from './idempotency.ts';
import { answerLocalPath, isLocalPath, type LocalPaths } from './local-paths.ts';
import { isOperation } from './operations/index.ts';
import { issueTokenKey } from './operations/issue-certificate.ts';
import { createQuotaMeter, type QuotaChoice } from './quotas.ts';
import { createReportWriter } from './report-writer.ts';
import { createStatistics } from './statistics.ts';
import { openStore } from './store.ts';
import { createSwitches } from './switches.ts';
import { formatUuid } from './uuid.ts';

/** A CertificateChain of 2,097,152 bytes in base64, and what goes with it. */
const bodyBytesMax = 3_145_728;
/** A body over its limit is read to here and thrown away, so that the client sees the answer and not a reset connection. */
const drainBytesMax = 6 * bodyBytesMax;
const connectionsMax = 1024;
const closeWaitMsMax = 2000;
const closeIdleIntervalMs = 20;
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
  /** Calls a second; `none` when absent. */
  readonly quotas?: QuotaChoice;
  /** Switches at the start; only CAs that the state folder already has can be named. */
  readonly switches?: ControlChange;
  /** Serves `/_control`; off when absent. The handle's `control` works either way. */
  readonly control?: boolean;
  /** How delayed calls wait: resolves after `delayMs`, or when `signal` is aborted. In real time when absent. */
  readonly sleep?: (delayMs: number, signal: AbortSignal) => Promise<void>;
  /** Where an unexpected error goes; its text never reaches a client. */
  readonly log?: (message: string) => void;
}

/** A running endpoint. */
export interface AcmPcaEndpoint {
  readonly url: string;
  /** Changes the switches, as `POST /_control` does. Throws AwsError, having changed nothing. */
  control(change: ControlChange): void;
  /** Reads switches and counts, as `GET /_control` does. */
  view(): ControlView;
  /** Answers what is under way, then closes the state. */
  close(): Promise<void>;
}

async function sleepInRealTime(delayMs: number, signal: AbortSignal): Promise<void> {
  // The only rejection is that of the signal, after which there is nothing to wait for.
  await setTimer(delayMs, undefined, { signal }).catch(() => undefined);
}

function openEndpoint(options: AcmPcaEndpointOptions, closing: AbortSignal): Endpoint {
  const { clock, stateDir } = options;
  const delay = options.issueDelayMs ?? { min: 0, max: 20 };
  const scope = { account: options.account ?? '000000000000', region: options.region ?? 'us-east-1' };
  const log = options.log ?? (() => undefined);
  const store = openStore(stateDir);
  const endpoint: Endpoint = {
    scope,
    store,
    clock,
    randomBytes: options.randomBytes,
    issueDelayMs: typeof delay === 'number' ? { min: delay, max: delay } : delay,
    createDelayMs: options.createDelayMs ?? 50,
    failIssuance: options.failIssuance ?? (() => undefined),
    createTokens: createIdempotencyWindow(),
    issueTokens: createIdempotencyWindow(),
    stateDir,
    quotas: createQuotaMeter(options.quotas ?? 'none', clock),
    switches: createSwitches(),
    statistics: createStatistics(),
    reports: createReportWriter({ stateDir, scope, rows: store, closing, log }),
    sleep: options.sleep ?? sleepInRealTime,
    closing,
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

/** What to answer; undefined to close the connection without an answer. */
async function answer(endpoint: Endpoint, request: IncomingMessage): Promise<object | undefined> {
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
  return runCall(endpoint, name, () => parseJson(body));
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

function createHttpServer(paths: LocalPaths, log: (message: string) => void): Server {
  const { endpoint } = paths;
  const server = createServer(async (request, response) => {
    const requestId = formatUuid(endpoint.randomBytes(16));
    try {
      if (isLocalPath(paths, request)) {
        await answerLocalPath(paths, request, response);
        return;
      }
      const payload = await answer(endpoint, request);
      if (payload === undefined) response.destroy();
      else send(response, requestId, 200, payload);
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
  // A client may have its answer before the server has noticed that the connection is idle, so once is not enough.
  const idle = setInterval(() => server.closeIdleConnections(), closeIdleIntervalMs);
  const timer = setTimeout(() => server.closeAllConnections(), closeWaitMsMax);
  await closed;
  clearInterval(idle);
  clearTimeout(timer);
}

async function listen(server: Server, port: number): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
}

/**
 * Starts the endpoint on 127.0.0.1. Rejects when the port is taken, the state folder is in use or of a later version, or the
 * switches cannot be set.
 */
export async function startAcmPcaEndpoint(options: AcmPcaEndpointOptions): Promise<AcmPcaEndpoint> {
  const closer = new AbortController();
  const endpoint = openEndpoint(options, closer.signal);
  const paths: LocalPaths = { endpoint, control: options.control === true, readBody };
  const server = createHttpServer(paths, options.log ?? (() => undefined));
  const closeState = async (): Promise<void> => {
    await endpoint.reports.close();
    endpoint.store.close();
  };
  try {
    if (options.switches !== undefined) applyControl(endpoint, options.switches);
    await listen(server, options.port);
  } catch (error) {
    closer.abort();
    await closeState();
    throw error;
  }
  const { port } = server.address() as AddressInfo;
  let closing: Promise<void> | undefined;
  return {
    url: `http://127.0.0.1:${port}`,
    control: (change) => applyControl(endpoint, change),
    view: () => viewControl(endpoint),
    close(): Promise<void> {
      closer.abort();
      closing ??= closeServer(server).then(closeState);
      return closing;
    },
  };
}
