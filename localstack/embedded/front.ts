import { randomUUID } from 'node:crypto';
import {
  createServer as createHttpServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { TLSSocket } from 'node:tls';
import type { APIGatewayProxyEventV2 } from 'aws-lambda';
import { bodyBytesMax } from '../../shared/adapters/aws-lambda/http-request.ts';
import { type HttpResponse, problemResponse } from '../../shared/adapters/aws-lambda/http-response.ts';

/**
 * The embedded front: HTTP or HTTPS in, API Gateway's event (payload format 2.0) to the same handlers that Lambda runs,
 * their answer out. Bounds what a client may send before any handler sees it.
 */
export type HttpHandler = (event: APIGatewayProxyEventV2, context: unknown) => Promise<HttpResponse>;

export interface Route {
  readonly method: string;
  /** As in serverless.yml: `/v1/enrollments/{issuanceId}`. */
  readonly path: string;
  readonly handler: HttpHandler;
}

export interface TlsMaterial {
  readonly certificatePem: string;
  readonly privateKeyPem: string;
  /** Client certificates are asked for when set, and must chain to these. */
  readonly clientCaPem?: string;
}

export interface FrontOptions {
  readonly address: string;
  /** 0: any free one. */
  readonly port: number;
  readonly tls?: TlsMaterial;
  readonly onError: (cause: unknown) => void;
}

export interface Front {
  readonly url: string;
  /** Refuses new connections, lets requests under way finish within `graceMs`. */
  close(graceMs: number): Promise<void>;
}

const headersBytesMax = 16 * 1024;
const requestMsMax = 30_000;
const connectionsMax = 2_000;
const pathBytesMax = 2_048;
const idleSweepMs = 50;

export async function startFront(routes: readonly Route[], options: FrontOptions): Promise<Front> {
  const table = compileRoutes(routes);
  const hasClientCertificates = options.tls?.clientCaPem !== undefined;
  const listener: RequestListener = (request, response) => {
    // Once closing, a client that keeps its connection busy must not keep the service: each answer ends its connection.
    if (!server.listening) response.setHeader('connection', 'close');
    serve(table, request, response, hasClientCertificates).catch((cause) => {
      options.onError(cause);
      send(response, problemResponse('internal'), request.method === 'HEAD');
    });
  };
  const limits = {
    maxHeaderSize: headersBytesMax,
    requestTimeout: requestMsMax,
    headersTimeout: 10_000,
    keepAliveTimeout: 65_000,
  };
  const server =
    options.tls === undefined ? createHttpServer(limits, listener) : createTlsServer(options.tls, limits, listener);
  server.maxConnections = connectionsMax;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, options.address, resolve);
  });
  server.on('error', options.onError);
  return { url: urlOf(server, options), close: (graceMs) => closeServer(server, graceMs) };
}

function createTlsServer(
  tls: TlsMaterial,
  limits: Parameters<typeof createHttpServer>[0] & object,
  listener: RequestListener,
): Server {
  const material = { cert: tls.certificatePem, key: tls.privateKeyPem, minVersion: 'TLSv1.2' as const };
  const client =
    tls.clientCaPem === undefined ? {} : { ca: tls.clientCaPem, requestCert: true, rejectUnauthorized: true };
  return createHttpsServer({ ...limits, ...material, ...client }, listener) as unknown as Server;
}

function urlOf(server: Server, options: FrontOptions): string {
  const bound = server.address();
  const port = typeof bound === 'object' && bound !== null ? bound.port : options.port;
  const host = options.address.includes(':') ? `[${options.address}]` : options.address;
  return `${options.tls === undefined ? 'http' : 'https'}://${host}:${port}`;
}

function closeServer(server: Server, graceMs: number): Promise<void> {
  return new Promise((resolve) => {
    const force = setTimeout(() => server.closeAllConnections(), graceMs);
    // A connection whose request was under way is idle after its answer, and would be kept until its time-out.
    const sweep = setInterval(() => server.closeIdleConnections(), idleSweepMs);
    server.close(() => {
      clearTimeout(force);
      clearInterval(sweep);
      resolve();
    });
    server.closeIdleConnections();
  });
}

interface CompiledRoute {
  readonly path: string;
  readonly form: RegExp;
  readonly names: readonly string[];
  readonly methods: Map<string, Route>;
}

function compileRoutes(routes: readonly Route[]): readonly CompiledRoute[] {
  const compiled = new Map<string, CompiledRoute>();
  for (const route of routes) {
    let entry = compiled.get(route.path);
    if (entry === undefined) {
      const names = [...route.path.matchAll(/\{(\w+)\}/g)].map((match) => match[1]!);
      const form = route.path.replaceAll('.', '\\.').replace(/\{\w+\}/g, '([^/]+)');
      entry = { path: route.path, form: new RegExp(`^${form}$`), names, methods: new Map() };
      compiled.set(route.path, entry);
    }
    entry.methods.set(route.method, route);
  }
  // The most specific path first, as API Gateway chooses.
  return [...compiled.values()].sort((one, other) => one.names.length - other.names.length);
}

async function serve(
  table: readonly CompiledRoute[],
  request: IncomingMessage,
  response: ServerResponse,
  hasClientCertificates: boolean,
): Promise<void> {
  const method = request.method ?? 'GET';
  const target = request.url ?? '/';
  const mark = target.indexOf('?');
  const path = mark < 0 ? target : target.slice(0, mark);
  const query = mark < 0 ? '' : target.slice(mark + 1);
  const found = target.length > pathBytesMax ? undefined : findRoute(table, path);
  if (found === undefined) return send(response, problemResponse('not-found'), method === 'HEAD');
  const route = found.route.methods.get(method === 'HEAD' ? 'GET' : method);
  if (route === undefined) {
    const allow = [...found.route.methods.keys()].join(', ');
    const refusal = problemResponse('method-not-allowed');
    return send(response, { ...refusal, headers: { ...refusal.headers, allow } }, method === 'HEAD');
  }
  const body = await readBody(request);
  if (body === undefined) {
    response.setHeader('connection', 'close');
    return send(response, problemResponse('body-too-large'), method === 'HEAD');
  }
  const clientCert = hasClientCertificates ? clientCertificate(request) : undefined;
  const event = toEvent(request, route, path, query, found.parameters, body, clientCert);
  send(response, await route.handler(event, context), method === 'HEAD');
}

/** What Lambda tells a function of its invocation, as far as handlers ask for it. */
const context = { functionName: 'embedded', getRemainingTimeInMillis: () => requestMsMax };

function findRoute(table: readonly CompiledRoute[], path: string) {
  for (const route of table) {
    if (route.names.length === 0) {
      if (route.path === path) return { route, parameters: {} };
      continue;
    }
    const match = route.form.exec(path);
    if (match === null) continue;
    try {
      const parameters = Object.fromEntries(
        route.names.map((name, index) => [name, decodeURIComponent(match[index + 1]!)]),
      );
      return { route, parameters };
    } catch {
      return undefined;
    }
  }
  return undefined;
}

/** The body, or undefined when it is longer than allowed: what is beyond the limit is never kept. */
function readBody(request: IncomingMessage): Promise<Buffer | undefined> {
  return new Promise((resolve) => {
    if (Number(request.headers['content-length'] ?? 0) > bodyBytesMax) {
      request.resume();
      resolve(undefined);
      return;
    }
    const chunks: Buffer[] = [];
    let bytes = 0;
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > bodyBytesMax) {
        chunks.length = 0;
        resolve(undefined);
      } else {
        chunks.push(chunk);
      }
    });
    request.on('end', () => resolve(chunks.length === 1 ? chunks[0] : Buffer.concat(chunks)));
    // A client that went away: there is nobody to answer, and nothing of ours is wrong.
    const gone = () => resolve(undefined);
    request.on('error', gone);
    request.on('close', gone);
  });
}

function toEvent(
  request: IncomingMessage,
  route: Route,
  path: string,
  query: string,
  pathParameters: Record<string, string>,
  body: Buffer,
  clientCert: ClientCert | undefined,
): APIGatewayProxyEventV2 {
  const headers: Record<string, string> = {};
  for (const name in request.headers) {
    const value = request.headers[name];
    if (value !== undefined) headers[name] = Array.isArray(value) ? value.join(', ') : value;
  }
  const routeKey = `${route.method} ${route.path}`;
  return {
    version: '2.0',
    routeKey,
    rawPath: path,
    rawQueryString: query,
    headers,
    ...(query === '' ? {} : { queryStringParameters: queryParameters(query) }),
    pathParameters,
    ...(body.length === 0 ? {} : { body: body.toString('base64') }),
    isBase64Encoded: body.length > 0,
    requestContext: {
      accountId: '000000000000',
      apiId: 'embedded',
      domainName: headers.host ?? '',
      domainPrefix: '',
      http: {
        method: route.method,
        path,
        protocol: 'HTTP/1.1',
        sourceIp: request.socket.remoteAddress ?? '',
        userAgent: headers['user-agent'] ?? '',
      },
      requestId: randomUUID(),
      routeKey,
      stage: '$default',
      time: '',
      timeEpoch: Date.now(),
      ...(clientCert === undefined ? {} : { authentication: { clientCert } }),
    },
  };
}

/** A parameter given twice has its values joined with commas, as in payload format 2.0. */
function queryParameters(query: string): Record<string, string> {
  const only = plainParameter.exec(query);
  if (only !== null) return { [only[1]!]: only[2]! };
  const parameters = new Map<string, string>();
  for (const [name, value] of new URLSearchParams(query)) {
    const before = parameters.get(name);
    parameters.set(name, before === undefined ? value : `${before},${value}`);
  }
  return Object.fromEntries(parameters);
}

/** A single parameter with nothing in it to decode, as enrolments have one. */
const plainParameter = /^([\w-]+)=([\w-]*)$/;

type ClientCert = NonNullable<NonNullable<APIGatewayProxyEventV2['requestContext']['authentication']>['clientCert']>;

/** The client certificate of a TLS connection in the form API Gateway gives it. */
function clientCertificate(request: IncomingMessage): ClientCert | undefined {
  const certificate = (request.socket as TLSSocket).getPeerX509Certificate?.();
  if (certificate === undefined) return undefined;
  return {
    clientCertPem: certificate.toString(),
    subjectDN: certificate.subject,
    issuerDN: certificate.issuer,
    serialNumber: certificate.serialNumber,
    validity: { notBefore: certificate.validFrom, notAfter: certificate.validTo },
  };
}

function send(response: ServerResponse, answer: HttpResponse, headOnly: boolean): void {
  if (response.headersSent || response.destroyed) return;
  // A text goes out in one write with the headers; bytes would take two.
  const body = answer.isBase64Encoded === true ? Buffer.from(answer.body ?? '', 'base64') : (answer.body ?? '');
  const headers: Record<string, string | number> = {
    'x-content-type-options': 'nosniff',
    'content-length': Buffer.byteLength(body),
  };
  for (const [name, value] of Object.entries(answer.headers ?? {})) headers[name] = String(value);
  if (answer.statusCode === 204) delete headers['content-length'];
  response.writeHead(answer.statusCode, headers);
  response.end(headOnly || answer.statusCode === 204 ? undefined : body);
}
