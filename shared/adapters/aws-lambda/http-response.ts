import type { APIGatewayProxyStructuredResultV2 } from 'aws-lambda';
import type { PolicyViolation } from '../../hierarchy/policy.ts';
import { type ErrorCode, errorDescriptions, SealwrightError } from '../../issuance/errors.ts';
import type { IssuanceRecord } from '../../issuance/issuance-record.ts';
import type { EpochMs } from '../../pki/epoch.ts';
import { oldestOut } from '../../pki/oldest-first.ts';
import { encodeJsonPem, encodePem } from '../../pki/pem.ts';
import { encodeCertsOnly } from '../../pki/pkcs7.ts';
import type { CertificateFormat } from './http-request.ts';

export type HttpResponse = APIGatewayProxyStructuredResultV2 & { readonly statusCode: number };

/** How soon a device is asked to come back for a pending issuance. */
const pendingRetryAfterSeconds = 1;

export function jsonResponse(
  statusCode: number,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): HttpResponse {
  return jsonTextResponse(statusCode, JSON.stringify(body), headers);
}

function jsonTextResponse(statusCode: number, body: string, headers: Readonly<Record<string, string>>): HttpResponse {
  return {
    statusCode,
    headers: { 'content-type': 'application/json', 'cache-control': 'no-store', ...headers },
    body,
  };
}

export function textResponse(statusCode: number, contentType: string, body: string): HttpResponse {
  return { statusCode, headers: { 'content-type': contentType }, body };
}

export function rfc3339(at: EpochMs): string {
  return new Date(at).toISOString();
}

/** A problem document (RFC 9457). `detail` and `violations` are prose of ours; nothing of the cause gets in. */
export function problemResponse(
  code: ErrorCode,
  options: {
    readonly clientDetail?: string | undefined;
    readonly violations?: readonly PolicyViolation[];
    readonly retryAfterMs?: number | undefined;
    readonly requestId?: string | undefined;
  } = {},
): HttpResponse {
  const { status, title, meaning } = errorDescriptions[code];
  const headers: Record<string, string> = { 'content-type': 'application/problem+json', 'cache-control': 'no-store' };
  if (status === 401) headers['www-authenticate'] = 'Bearer';
  if (options.retryAfterMs !== undefined)
    headers['retry-after'] = String(Math.max(1, Math.ceil(options.retryAfterMs / 1000)));
  const problem = {
    type: `urn:sealwright:error:${code}`,
    title,
    status,
    code,
    detail: options.clientDetail ?? meaning,
    ...(options.requestId === undefined ? {} : { instance: `urn:sealwright:request:${options.requestId}` }),
    ...(options.violations === undefined || options.violations.length === 0 ? {} : { violations: options.violations }),
  };
  return { statusCode: status, headers, body: JSON.stringify(problem) };
}

/** What a caller hears of an issuance as the ledger has it. `chain` is the issuer's, issuer first, with its own certificate. */
export function issuanceResponse(
  record: IssuanceRecord,
  options: { readonly format: CertificateFormat; readonly chain: readonly Uint8Array[]; readonly at: EpochMs },
): HttpResponse {
  switch (record.state) {
    case 'issued':
      return certificateResponse(record, options);
    case 'rejected':
      return problemResponse('policy-refused', { violations: record.violations ?? [] });
    case 'failed':
      throw new SealwrightError('issuance-failed', { message: record.lastError?.message ?? 'failed' });
    case 'misissued':
      throw new SealwrightError('issuance-misissued');
    case 'lapsed':
      throw new SealwrightError('issuance-lapsed', { retryAfterMs: 1_000 });
    case 'revoked':
      throw new SealwrightError('certificate-revoked');
    default:
      return jsonResponse(
        202,
        { issuanceId: record.issuanceId, status: record.state, retryAfterSeconds: pendingRetryAfterSeconds },
        { location: `/v1/enrollments/${record.issuanceId}`, 'retry-after': String(pendingRetryAfterSeconds) },
      );
  }
}

/** Certificates of CAs go out with every leaf: each is encoded once for as long as the registry's copy of it lives. */
const chainPems = new WeakMap<Uint8Array, { readonly pem: string; readonly json: string }>();

function chainPem(der: Uint8Array): { readonly pem: string; readonly json: string } {
  let known = chainPems.get(der);
  if (known === undefined) {
    known = { pem: encodePem('CERTIFICATE', der), json: encodeJsonPem('CERTIFICATE', der) };
    chainPems.set(der, known);
  }
  return known;
}

/** By second: certificates of one second begin together and, of one profile, end together. */
const validityEnds = new Map<EpochMs, string>();
const validityEndsMax = 64;
const oldestEndOut = oldestOut(validityEnds);

function endOfValidity(at: EpochMs): string {
  let text = validityEnds.get(at);
  if (text === undefined) {
    text = rfc3339(at);
    validityEnds.set(at, text);
    if (validityEnds.size > validityEndsMax) oldestEndOut();
  }
  return text;
}

function certificateResponse(
  record: IssuanceRecord,
  {
    format,
    chain,
    at,
  }: { readonly format: CertificateFormat; readonly chain: readonly Uint8Array[]; readonly at: EpochMs },
): HttpResponse {
  const { certificateDer, serial, notBefore, notAfter, fingerprint } = record;
  if (certificateDer === undefined || notBefore === undefined || notAfter === undefined)
    throw new Error('an issued record has its certificate');
  const location = { location: `/v1/enrollments/${record.issuanceId}` };
  if (format === 'pem') {
    const pem = encodePem('CERTIFICATE', certificateDer) + chain.map((der) => chainPem(der).pem).join('');
    return { statusCode: 200, headers: { 'content-type': 'application/x-pem-file', ...location }, body: pem };
  }
  if (format === 'pkcs7') {
    const der = encodeCertsOnly([certificateDer, ...chain]);
    const headers = { 'content-type': 'application/pkcs7-mime; smime-type=certs-only', ...location };
    return { statusCode: 200, headers, body: Buffer.from(der).toString('base64'), isBase64Encoded: true };
  }
  const status = at > notAfter ? 'expired' : 'issued';
  const rest = {
    serialNumber: serial,
    fingerprint,
    notBefore: endOfValidity(notBefore),
    notAfter: endOfValidity(notAfter),
    droppedExtensions: record.droppedExtensions,
  };
  // PEM is nearly all of it, and JSON's writer would look at every character.
  const certificate = encodeJsonPem('CERTIFICATE', certificateDer);
  const chainJson = chain.map((der) => chainPem(der).json).join(',');
  const head = JSON.stringify({ issuanceId: record.issuanceId, status }).slice(0, -1);
  const body = `${head},"certificate":${certificate},"chain":[${chainJson}],${JSON.stringify(rest).slice(1)}`;
  return jsonTextResponse(200, body, location);
}
