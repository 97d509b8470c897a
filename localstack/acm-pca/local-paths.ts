/**
 * Paths that are the emulator's own and no part of the service: `GET /_s3/<bucket>/<key>` reads an object, `GET` and `POST
 * /_control` read and change the switches. The service's requests all go to `/`.
 */
import { open } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { objectPath } from './buckets.ts';
import { applyControl, viewControl } from './control.ts';
import type { Endpoint } from './endpoint.ts';
import { AwsError } from './errors.ts';
import { reportStatus } from './operations/audit-report.ts';

const controlPath = '/_control';
const objectsPath = '/_s3/';
const reportKey = /^audit-report\/([0-9a-f-]{36})\/([0-9a-f-]{36})\.(?:json|csv)$/;
const loopbackHost = /^(?:127\.0\.0\.1|localhost)(?::[0-9]{1,5})?$/;
const loopbackAddress = /^(?:::ffff:)?127\./;

/** What a request for one of these paths is served with. */
export interface LocalPaths {
  readonly endpoint: Endpoint;
  /** Whether `/_control` is there. */
  readonly control: boolean;
  readonly readBody: (request: IncomingMessage) => Promise<Buffer>;
}

/** Whether the request is for one of these paths, `/_control` only when it is there. */
export function isLocalPath({ control }: LocalPaths, request: IncomingMessage): boolean {
  const url = request.url ?? '';
  return url.startsWith(objectsPath) || (control && url === controlPath);
}

function send(response: ServerResponse, status: number, payload: object): void {
  const body = Buffer.from(`${JSON.stringify(payload)}\n`);
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': body.length });
  response.end(body);
}

/** A web page in the user's browser reaches loopback as well: its requests bear an Origin, or another host's name. */
function isFromThisMachine({ headers, socket }: IncomingMessage): boolean {
  const isLoopback = loopbackAddress.test(socket.remoteAddress ?? '') && loopbackHost.test(headers.host ?? '');
  return isLoopback && headers.origin === undefined;
}

/** Path of an object that is there, as far as the state says: an audit report only when it is finished. */
function findObject(endpoint: Endpoint, url: string): string | undefined {
  const [bucket = '', ...rest] = url.slice(objectsPath.length).split('/');
  const key = rest.join('/');
  const [, authorityId, reportId] = reportKey.exec(key) ?? [];
  if (authorityId !== undefined && reportId !== undefined) {
    const report = endpoint.store.findAuditReport(authorityId, reportId);
    if (report === undefined || reportStatus(report, endpoint.clock()) !== 'SUCCESS') return undefined;
  }
  return objectPath(endpoint.stateDir, bucket, key);
}

async function sendObject(endpoint: Endpoint, url: string, response: ServerResponse): Promise<void> {
  const path = findObject(endpoint, url);
  const file = path === undefined ? undefined : await open(path, 'r').catch(() => undefined);
  const stat = await file?.stat();
  if (path === undefined || file === undefined || stat?.isFile() !== true) {
    await file?.close();
    send(response, 404, { error: 'NoSuchKey' });
    return;
  }
  const contentType = path.endsWith('.csv') ? 'text/csv; charset=utf-8' : 'application/json';
  response.writeHead(200, { 'content-type': contentType, 'content-length': stat.size });
  // A client that goes away ends the stream, which closes the file: nobody is left to be told.
  await pipeline(file.createReadStream(), response).catch(() => undefined);
}

async function answerControl(paths: LocalPaths, request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (request.method === 'POST') {
    // No browser sends this type to another origin without asking first.
    if (request.headers['content-type']?.split(';')[0]?.trim() !== 'application/json') {
      send(response, 415, { error: 'UnsupportedMediaType', message: 'The content type is application/json.' });
      return;
    }
    try {
      applyControl(paths.endpoint, JSON.parse((await paths.readBody(request)).toString()));
    } catch (error) {
      if (!(error instanceof AwsError || error instanceof SyntaxError)) throw error;
      send(response, 400, { error: error.name, message: error.message });
      return;
    }
  }
  send(response, 200, viewControl(paths.endpoint));
}

/** Answers a request for one of these paths; 403 unless it is from this machine and no web page made it. */
export async function answerLocalPath(
  paths: LocalPaths,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const url = request.url ?? '';
  const methods = url === controlPath ? ['GET', 'POST'] : ['GET'];
  if (!isFromThisMachine(request)) send(response, 403, { error: 'AccessDenied' });
  else if (!methods.includes(request.method ?? '')) send(response, 405, { error: 'MethodNotAllowed' });
  else if (url === controlPath) await answerControl(paths, request, response);
  else await sendObject(paths.endpoint, url, response);
}
