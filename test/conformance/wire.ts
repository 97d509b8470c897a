/**
 * Calls of ACM PCA on the wire. The SDK signs and finds credentials as everywhere; body, headers and answer are bytes in the
 * hands of a case, so that it can send what the SDK would not, and sees what the SDK would hide.
 */
import { ACMPCAClient, DescribeCertificateAuthorityCommand } from '@aws-sdk/client-acm-pca';

/** Where the calls go; `url` undefined: AWS itself. */
export interface Target {
  readonly url?: string;
  readonly region: string;
}

export interface RawRequest {
  readonly target: string | undefined;
  readonly body: string | Uint8Array;
  readonly contentType?: string;
  /** Taken off after signing. */
  readonly unsigned?: boolean;
}

export interface RawAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** Parsed body; {} when there is none or it is no JSON object. */
  readonly json: Readonly<Record<string, unknown>>;
}

interface SignedRequest {
  protocol: string;
  hostname: string;
  port?: number;
  path: string;
  headers: Record<string, string>;
  body: unknown;
}

const answerWaitMsMax = 30_000;
const marker = 'x-amz-target';

function parseObject(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : {};
  } catch {
    return {};
  }
}

async function exchange(signed: SignedRequest, unsigned: boolean): Promise<RawAnswer> {
  const { host: _host, 'content-length': _length, ...headers } = signed.headers;
  if (unsigned) delete headers.authorization;
  const port = signed.port === undefined ? '' : `:${signed.port}`;
  const response = await fetch(`${signed.protocol}//${signed.hostname}${port}${signed.path}`, {
    method: 'POST',
    headers,
    body: signed.body as string | Uint8Array<ArrayBuffer>,
    signal: AbortSignal.timeout(answerWaitMsMax),
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, text, json: parseObject(text) };
}

/** Name of the error by the rule of AWS JSON 1.1: header or body, without namespace and address. */
export function errorCodeOf({ headers, json }: RawAnswer): string {
  const named = headers.get('x-amzn-errortype') ?? json.code ?? json.__type;
  if (typeof named !== 'string' && typeof named !== 'number') return '';
  return String(named).split(':')[0]?.split('#').at(-1) ?? '';
}

export interface Wire {
  raw(request: RawRequest): Promise<RawAnswer>;
  close(): void;
}

/** A wire to the target. Off AWS it has credentials of its own, so that no account's are sent to an emulator. */
export function openWire({ url, region }: Target): Wire {
  const own = { accessKeyId: 'AKIACONFORMANCE00000', secretAccessKey: 'conformance' };
  const client = new ACMPCAClient({
    region,
    maxAttempts: 1,
    ...(url === undefined ? {} : { endpoint: url, credentials: own }),
  });
  return {
    async raw({ target, body, contentType = 'application/x-amz-json-1.1', unsigned = false }) {
      const command = new DescribeCertificateAuthorityCommand({ CertificateAuthorityArn: 'replaced' });
      let answer: RawAnswer | undefined;
      command.middlewareStack.add(
        (next) => (args) => {
          const request = args.request as SignedRequest;
          request.body = body;
          request.headers['content-type'] = contentType;
          request.headers['content-length'] = String(Buffer.byteLength(body));
          if (target === undefined) delete request.headers[marker];
          else request.headers[marker] = target;
          return next(args);
        },
        { step: 'build', priority: 'low' },
      );
      // After the signature and instead of the SDK's own transport, so that nothing of the answer is interpreted.
      command.middlewareStack.add(
        () => async (args) => {
          answer = await exchange(args.request as SignedRequest, unsigned);
          return { output: { $metadata: {} }, response: answer } as never;
        },
        { step: 'finalizeRequest', priority: 'low' },
      );
      await client.send(command);
      if (answer === undefined) throw new Error('no answer');
      return answer;
    },
    close: () => client.destroy(),
  };
}
