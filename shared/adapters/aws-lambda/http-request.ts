import type { APIGatewayProxyEventV2 } from 'aws-lambda';
import { SealwrightError } from '../../issuance/errors.ts';
import { decodeCertificationRequestBody } from '../../pki/pem.ts';

/** A body has at most this many bytes; a certification request this many as PEM, which is what ACM PCA takes. */
export const bodyBytesMax = 65_536;
export const csrPemBytesMax = 32_768;
export const waitMsMax = 10_000;

const binaryTypes: ReadonlySet<string> = new Set([
  'application/pkcs10',
  'application/x-pem-file',
  'text/plain',
  'application/octet-stream',
]);

/** The bytes of the body. Throws `body-too-large` before decoding anything that is. */
function bodyOf(event: APIGatewayProxyEventV2): Uint8Array {
  const { body, isBase64Encoded } = event;
  if (body === undefined) return new Uint8Array(0);
  // Base64 is a third longer than what it holds.
  if (body.length > (isBase64Encoded ? Math.ceil(bodyBytesMax / 3) * 4 : bodyBytesMax))
    throw new SealwrightError('body-too-large');
  const bytes = Buffer.from(body, isBase64Encoded ? 'base64' : 'utf8');
  if (bytes.length > bodyBytesMax) throw new SealwrightError('body-too-large');
  return bytes;
}

function mediaTypeOf(event: APIGatewayProxyEventV2): string {
  return (event.headers['content-type'] ?? '').split(';', 1)[0]!.trim().toLowerCase();
}

/** The JSON object of a body. Throws `media-type-not-supported`, `request-malformed`. */
export function readJsonBody(event: APIGatewayProxyEventV2): Readonly<Record<string, unknown>> {
  if (mediaTypeOf(event) !== 'application/json') throw new SealwrightError('media-type-not-supported');
  return parseJsonObject(bodyOf(event));
}

function parseJsonObject(body: Uint8Array): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
  } catch {
    throw new SealwrightError('request-malformed', { clientDetail: 'the body is not JSON' });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new SealwrightError('request-malformed', { clientDetail: 'the body is not a JSON object' });
  }
  return value as Readonly<Record<string, unknown>>;
}

export interface EnrollmentBody {
  readonly csrDer: Uint8Array;
  readonly profile: string;
}

/**
 * The request and the profile asked for: raw (PEM, base64 DER, DER) with `?profile=`, or JSON `{"csr","profile"}`.
 * Throws `MalformedError` for what is no certification request, `SealwrightError` for size, media type and parameters.
 */
export function readEnrollment(event: APIGatewayProxyEventV2): EnrollmentBody {
  const mediaType = mediaTypeOf(event);
  let body = bodyOf(event);
  let profile = event.queryStringParameters?.profile;
  if (mediaType === 'application/json') {
    const json = parseJsonObject(body);
    if (typeof json.csr !== 'string')
      throw new SealwrightError('request-malformed', { clientDetail: 'csr is missing: a string, PEM or base64 DER' });
    if (json.profile !== undefined && typeof json.profile !== 'string')
      throw new SealwrightError('request-malformed', { clientDetail: 'profile is not a string' });
    body = Buffer.from(json.csr, 'utf8');
    profile = json.profile ?? profile;
  } else if (mediaType !== '' && !binaryTypes.has(mediaType)) {
    throw new SealwrightError('media-type-not-supported');
  }
  if (profile === undefined || profile === '') {
    throw new SealwrightError('request-malformed', {
      clientDetail: 'profile is missing: POST /v1/enrollments?profile=NAME',
    });
  }
  const csrDer = decodeCertificationRequestBody(body);
  if (pemBytesOf(csrDer) > csrPemBytesMax) throw new SealwrightError('csr-too-large');
  return { csrDer, profile };
}

const pemFrameBytes = '-----BEGIN CERTIFICATE REQUEST-----\n-----END CERTIFICATE REQUEST-----\n'.length;

/** Length of a request as PEM with lines of 64 characters. */
function pemBytesOf(der: Uint8Array): number {
  const base64Bytes = Math.ceil(der.length / 3) * 4;
  return base64Bytes + Math.ceil(base64Bytes / 64) + pemFrameBytes;
}

/** `Prefer: wait=N` (RFC 7240, 4.3) in milliseconds, at most 10 s; 0 when not asked for. */
export function preferredWaitMs(event: APIGatewayProxyEventV2): number {
  const match = /(?:^|[,;\s])wait\s*=\s*"?([0-9]{1,5})"?(?:$|[,;\s])/i.exec(event.headers.prefer ?? '');
  return match === null ? 0 : Math.min(Number(match[1]) * 1000, waitMsMax);
}

export type CertificateFormat = 'json' | 'pem' | 'pkcs7';

const formats: Readonly<Record<string, CertificateFormat>> = {
  'application/json': 'json',
  'application/x-pem-file': 'pem',
  'application/pkcs7-mime': 'pkcs7',
  'application/*': 'json',
  '*/*': 'json',
};

/** What `Accept` asks for: the acceptable form with the highest weight, JSON when nothing fits. */
export function certificateFormatOf(event: APIGatewayProxyEventV2): CertificateFormat {
  let best: { readonly format: CertificateFormat; readonly weight: number } = { format: 'json', weight: 0 };
  for (const range of (event.headers.accept ?? '').split(',', 16)) {
    const [type = '', ...parameters] = range.split(';', 8).map((part) => part.trim().toLowerCase());
    const format = formats[type];
    const quality = parameters.find((parameter) => parameter.startsWith('q='));
    const weight = quality === undefined ? 1 : Number(quality.slice(2)) || 0;
    if (format !== undefined && weight > best.weight) best = { format, weight };
  }
  return best.format;
}

/** A path parameter that the route guarantees. */
export function pathParameter(event: APIGatewayProxyEventV2, name: string): string {
  const value = event.pathParameters?.[name];
  if (value === undefined) throw new Error(`the route has no parameter ${name}`);
  return value;
}
