/**
 * GetObject alone, signed by the SDK's own signer (Signature Version 4): what reads an audit report. The client of the SDK brings
 * 220 KiB into each bundle for it, most of them for operations that nobody calls.
 */
import { createHash, createHmac } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import { SignatureV4 } from '@smithy/signature-v4';
import type { AwsCredentialIdentity, Hash, Provider, SourceData } from '@smithy/types';
import { awsHost } from '../acm-pca/client.ts';
import { type OpenedObject, readResumed } from './resumed-read.ts';

export interface SignedReaderOptions {
  readonly region: string;
  /** Of an emulator, which is asked by path; AWS's own without one. */
  readonly endpoint?: string;
  readonly credentials: Provider<AwsCredentialIdentity>;
}

/** An answer of S3 that gives no object; `name` is its error code, as the SDK has it. */
export class S3Refusal extends Error {
  override readonly name: string;
  readonly status: number;
  constructor(key: string, status: number, code: string) {
    super(`the object ${key} was answered with status ${status} (${code})`);
    this.name = code;
    this.status = status;
  }
}

/** Until the answer begins; and then silence on its connection, after which it is taken for broken. */
const answerMsMax = 10_000;
const silenceMsMax = 30_000;
const attemptsMax = 3;
const backoffMs = 200;
const refusalBytesMax = 65_536;

/** SHA-256 and its HMAC, as the signer takes them. */
class Sha256 implements Hash {
  readonly #hash;
  constructor(secret?: SourceData) {
    this.#hash = secret === undefined ? createHash('sha256') : createHmac('sha256', bytesOf(secret));
  }
  update(data: SourceData): void {
    this.#hash.update(bytesOf(data));
  }
  async digest(): Promise<Uint8Array> {
    return this.#hash.digest();
  }
}

function bytesOf(data: SourceData): Uint8Array {
  if (typeof data === 'string') return Buffer.from(data, 'utf8');
  return ArrayBuffer.isView(data)
    ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
    : new Uint8Array(data);
}

/** Reads objects: what `ObjectStore.read` promises (object-store.ts), `S3Refusal` for what is not there or not allowed. */
export function createSignedReader(
  options: SignedReaderOptions,
): (bucket: string, key: string) => AsyncIterable<Uint8Array> {
  const { credentials, region } = options;
  // S3 alone wants a path that is escaped once (AWS General Reference, "Create a signed AWS API request", canonical URI).
  const signer = new SignatureV4({ service: 's3', region, credentials, sha256: Sha256, uriEscapePath: false });
  return (bucket, key) =>
    readResumed(key, (from, version) => {
      const ranged = {
        ...(from === 0 ? {} : { range: `bytes=${from}-` }),
        ...(version === undefined ? {} : { 'if-match': version }),
      };
      return open(signer, urlOf(options, bucket, key), key, ranged);
    });
}

/** By the bucket's own host; by path at an emulator and for a name with dots, which no certificate of AWS's covers. */
function urlOf({ endpoint, region }: SignedReaderOptions, bucket: string, key: string): URL {
  const path = key.split('/').map(escaped).join('/');
  if (endpoint !== undefined) return new URL(`/${escaped(bucket)}/${path}`, endpoint);
  const host = awsHost('s3', region);
  return new URL(
    bucket.includes('.') ? `https://${host}/${escaped(bucket)}/${path}` : `https://${bucket}.${host}/${path}`,
  );
}

/** RFC 3986 §2.3: all but the unreserved characters. */
function escaped(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
}

/** A refusal that may pass, or no answer, is asked again; what was begun is readResumed's. */
async function open(
  signer: SignatureV4,
  url: URL,
  key: string,
  ranged: Readonly<Record<string, string>>,
): Promise<OpenedObject> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await get(signer, url, key, ranged);
    } catch (cause) {
      const mayPass = !(cause instanceof S3Refusal) || cause.status >= 500 || cause.status === 429;
      if (!mayPass || attempt >= attemptsMax) throw cause;
      await wait(backoffMs * 2 ** attempt);
    }
  }
}

async function get(
  signer: SignatureV4,
  url: URL,
  key: string,
  ranged: Readonly<Record<string, string>>,
): Promise<OpenedObject> {
  const { host, hostname, pathname, port, protocol } = url;
  const { headers } = await signer.sign({
    method: 'GET',
    protocol,
    hostname,
    ...(port === '' ? {} : { port: Number(port) }),
    path: pathname,
    query: {},
    headers: { host, ...ranged },
  });
  const { host: _sentByFetch, ...signed } = headers;
  // Not signed, since fetch adds a second one where there is a range.
  const sent = ranged.range === undefined ? { ...signed, 'accept-encoding': 'identity' } : signed;
  const silence = new AbortController();
  const timer = setTimeout(() => silence.abort(new Error(`S3 is silent about ${key}`)), answerMsMax);
  try {
    const response = await fetch(url, { headers: sent, redirect: 'error', signal: silence.signal });
    if (response.status !== 200 && response.status !== 206) throw await refusalOf(response, key);
    const length = response.headers.get('content-length');
    return {
      body: response.body === null ? undefined : heard(response.body, silence, key),
      length: length === null ? undefined : Number(length),
      version: response.headers.get('etag') ?? undefined,
    };
  } finally {
    clearTimeout(timer);
  }
}

/** The chunks of a body, given up after too long a silence. */
async function* heard(
  body: ReadableStream<Uint8Array>,
  silence: AbortController,
  key: string,
): AsyncIterable<Uint8Array> {
  const giveUp = () => silence.abort(new Error(`S3 fell silent about ${key}`));
  let timer = setTimeout(giveUp, silenceMsMax);
  try {
    for await (const chunk of body) {
      clearTimeout(timer);
      yield chunk;
      timer = setTimeout(giveUp, silenceMsMax);
    }
  } finally {
    clearTimeout(timer);
  }
}

/** `<Error><Code>NoSuchKey</Code>…`: API reference of S3, "Error responses". */
async function refusalOf(response: Response, key: string): Promise<S3Refusal> {
  const length = Number(response.headers.get('content-length') ?? Number.NaN);
  const isSmall = length <= refusalBytesMax || response.headers.get('transfer-encoding') === 'chunked';
  const text = isSmall ? (await response.text()).slice(0, refusalBytesMax) : '';
  if (!isSmall) await response.body?.cancel();
  const code = /<Code>([A-Za-z0-9.]{1,64})<\/Code>/.exec(text)?.[1];
  return new S3Refusal(key, response.status, code ?? 'S3Refusal');
}
