import { generateKeyPairSync } from 'node:crypto';
import { request as httpRequest } from 'node:http';
import {
  type ACMPCAClient,
  DescribeCertificateAuthorityCommand,
  GetCertificateAuthorityCsrCommand,
  GetCertificateCommand,
  type IssueCertificateRequest,
  UpdateCertificateAuthorityCommand,
} from '@aws-sdk/client-acm-pca';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readIssuedCertificates } from '../../localstack/acm-pca/store.ts';
import {
  createAuthority,
  errorNameOf,
  issue,
  issueAndGet,
  newCsr,
  newRoot,
  startTestEndpoint,
  type TestEndpoint,
} from '../support/acm-pca-endpoint.ts';

let endpoint: TestEndpoint;
let client: ACMPCAClient;
let root: string;

beforeAll(async () => {
  endpoint = await startTestEndpoint({
    failIssuance: ({ idempotencyToken }) => (idempotencyToken === 'fail' ? 'simulated' : undefined),
  });
  client = endpoint.client;
  root = await newRoot(client);
});
afterAll(() => endpoint.dispose());

function get(CertificateArn: string, CertificateAuthorityArn = root, from = client): Promise<unknown> {
  return from.send(new GetCertificateCommand({ CertificateAuthorityArn, CertificateArn }));
}

describe('certification requests', () => {
  const refused = (csr: Uint8Array) => errorNameOf(issue(client, root, { Csr: csr }));

  it('refuses what is not PEM of one CSR (csr)', async () => {
    const csr = Buffer.from(newCsr()).toString();
    const der = Buffer.from(csr.replace(/-----[A-Z ]+-----|\s/g, ''), 'base64');
    expect(await refused(Buffer.from('hello'))).toBe('MalformedCSRException');
    expect(await refused(der)).toBe('MalformedCSRException');
    expect(await refused(Buffer.from(csr + csr))).toBe('MalformedCSRException');
    expect(await refused(Buffer.from(csr.replace('\nM', '\nN')))).toBe('MalformedCSRException');
    expect(await refused(Buffer.from(csr))).toBe('no error');
  });

  it('refuses a signature that does not verify and keys of other types and sizes (csr)', async () => {
    const csr = Buffer.from(newCsr()).toString().split('\n');
    const der = Buffer.from(csr.slice(1, -2).join(''), 'base64');
    der[der.length - 1] = der[der.length - 1]! ^ 1;
    const broken = `${csr[0]}\n${der.toString('base64')}\n${csr.at(-2)}\n`;
    expect(await refused(Buffer.from(broken))).toBe('MalformedCSRException');
    for (const namedCurve of ['secp256k1', 'P-224']) {
      const key = generateKeyPairSync('ec', { namedCurve }).privateKey;
      expect(await refused(newCsr({ key }))).toBe('MalformedCSRException');
    }
    const [small, good] = [1024, 2048].map((modulusLength) => generateKeyPairSync('rsa', { modulusLength }).privateKey);
    expect(await refused(newCsr({ key: small! }))).toBe('MalformedCSRException');
    expect(await refused(newCsr({ key: good! }))).toBe('no error');
  });

  it('refuses a blob over 32768 bytes as the service model does (limits)', async () => {
    const padded = Buffer.concat([Buffer.alloc(32_768, ' '), newCsr()]);
    expect(await refused(padded)).toBe('ValidationException');
  });
});

describe('idempotency of IssueCertificate', () => {
  it('answers one ARN to one token for five minutes and issues again after them (issue-idempotency)', async () => {
    const more = { Csr: newCsr(), IdempotencyToken: 'device-1' };
    const [first, atOnce] = await Promise.all([issue(client, root, more), issue(client, root, more)]);
    expect(atOnce).toBe(first);
    endpoint.advance(299_999);
    expect(await issue(client, root, more)).toBe(first);
    endpoint.advance(1);
    expect(await issue(client, root, more)).not.toBe(first);
    expect(await issue(client, root, { Csr: newCsr() })).not.toBe(await issue(client, root, { Csr: newCsr() }));
  });

  it('answers the first ARN when the token comes with another CSR, and keeps CAs apart (issue-idempotency)', async () => {
    const token = { IdempotencyToken: 'device-2' };
    const first = await issue(client, root, { ...token, Csr: newCsr({ subject: 'CN=first' }) });
    expect(await issue(client, root, { ...token, Csr: newCsr({ subject: 'CN=second' }) })).toBe(first);
    const other = await newRoot(client);
    expect(await issue(client, other, token)).toContain(other);
  });

  it('keeps no token of a request that was refused (issue-idempotency)', async () => {
    const token = { IdempotencyToken: 'device-3' };
    expect(await errorNameOf(issue(client, root, { ...token, Csr: Buffer.from('x') }))).toBe('MalformedCSRException');
    expect(await errorNameOf(issue(client, root, token))).toBe('no error');
  });

  it('takes tokens of 1 to 36 characters (limits)', async () => {
    expect(await errorNameOf(issue(client, root, { IdempotencyToken: 'x'.repeat(36) }))).toBe('no error');
    expect(await errorNameOf(issue(client, root, { IdempotencyToken: 'x'.repeat(37) }))).toBe('ValidationException');
    expect(await errorNameOf(issue(client, root, { IdempotencyToken: '' }))).toBe('ValidationException');
  });
});

describe('asynchronous issuance', () => {
  it('answers RequestInProgress until the delay is over (asynchronous)', async () => {
    const slow = await startTestEndpoint({ issueDelayMs: { min: 500, max: 1000 } });
    try {
      const ca = await createAuthority(slow.client);
      const { Csr } = await slow.client.send(new GetCertificateAuthorityCsrCommand({ CertificateAuthorityArn: ca }));
      const arn = await issue(slow.client, ca, { Csr: Buffer.from(Csr!), template: 'RootCACertificate' });
      slow.advance(499);
      expect(await errorNameOf(get(arn, ca, slow.client))).toBe('RequestInProgressException');
      slow.advance(501);
      expect(await errorNameOf(get(arn, ca, slow.client))).toBe('no error');
    } finally {
      await slow.dispose();
    }
  });

  it('answers RequestFailed for an accepted issuance that failed, for good (asynchronous)', async () => {
    const arn = await issue(client, root, { IdempotencyToken: 'fail' });
    expect(await errorNameOf(get(arn))).toBe('RequestFailedException');
    endpoint.advance(3_600_000);
    expect(await errorNameOf(get(arn))).toBe('RequestFailedException');
    const rows = [...readIssuedCertificates(endpoint.stateDir)].filter(({ failure }) => failure !== undefined);
    expect(rows.map(({ failure, der }) => [failure, der])).toEqual([['simulated', undefined]]);
  });

  it('tells a certificate it does not have from an ARN that is none (arn)', async () => {
    const other = await newRoot(client);
    const { arn } = await issueAndGet(client, root);
    expect(await errorNameOf(get(`${root}/certificate/1`))).toBe('ResourceNotFoundException');
    expect(await errorNameOf(get(`${root}/certificate/0a`))).toBe('InvalidArnException');
    expect(await errorNameOf(get(arn, other))).toBe('InvalidArnException');
    expect(await errorNameOf(get(arn, `${root.slice(0, -1)}x`))).toBe('InvalidArnException');
    const unknown = root.replace(/.{36}$/, '00000000-0000-4000-8000-000000000000');
    expect(await errorNameOf(get(`${unknown}/certificate/1`, unknown))).toBe('ResourceNotFoundException');
    expect(await errorNameOf(get(arn, root.replace('us-east-1', 'eu-west-1')))).toBe('ResourceNotFoundException');
    expect(await errorNameOf(get('no ARN'))).toBe('ValidationException');
  });
});

describe('the service model', () => {
  it('names every broken constraint in one ValidationException (validation)', async () => {
    const broken = {
      Validity: { Type: 'DAYS', Value: 0 },
      SigningAlgorithm: 'MD5',
    } as unknown as IssueCertificateRequest;
    const message = await issue(client, root, broken).catch((error: Error) => `${error.name}: ${error.message}`);
    expect(message).toMatch(/^ValidationException: 2 validation errors detected: /);
    expect(message).toContain(
      "Value '0' at 'validity.value' failed to satisfy constraint: Member must have value greater than or equal to 1",
    );
    expect(message).toContain(
      "Value 'MD5' at 'signingAlgorithm' failed to satisfy constraint: Member must satisfy enum",
    );
    const missing = client.send(
      new UpdateCertificateAuthorityCommand({ CertificateAuthorityArn: undefined as unknown as string }),
    );
    expect(await errorNameOf(missing)).toBe('ValidationException');
  });
});

interface Answer {
  readonly status: number | undefined;
  readonly type: string | undefined;
  readonly requestId: string | undefined;
}

/** A request that the SDK would not make. */
function raw(
  body: string | Buffer,
  headers: Record<string, string | undefined> = {},
  method = 'POST',
): Promise<Answer> {
  const all = {
    'x-amz-target': 'ACMPrivateCA.DescribeCertificateAuthority',
    'content-type': 'application/x-amz-json-1.1',
    authorization: 'AWS4-HMAC-SHA256 Credential=x',
    ...headers,
  };
  const given = Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
  return new Promise((resolve, reject) => {
    const sent = httpRequest(endpoint.url, { method, headers: given as Record<string, string> }, async (response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of response) chunks.push(chunk as Buffer);
      const text = Buffer.concat(chunks).toString();
      const type = (JSON.parse(text === '' ? '{}' : text) as { __type?: string }).__type;
      resolve({ status: response.statusCode, type, requestId: response.headers['x-amzn-requestid'] as string });
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

describe('the wire protocol', () => {
  it('answers a request id with every answer (protocol)', async () => {
    const describeIt = new DescribeCertificateAuthorityCommand({ CertificateAuthorityArn: root });
    const { $metadata } = await client.send(describeIt);
    expect($metadata.requestId).toMatch(/^[0-9a-f-]{36}$/);
    expect((await raw('{}')).requestId).toMatch(/^[0-9a-f-]{36}$/);
  });

  it('refuses bodies that are not JSON objects of the right types (protocol)', async () => {
    const bodies = ['', '{', '[]', 'null', '"x"', '{"CertificateAuthorityArn":1}', Buffer.from([0xff, 0xfe])];
    for (const body of bodies) {
      expect(await raw(body)).toMatchObject({ status: 400, type: 'SerializationException' });
    }
    expect(await raw('['.repeat(500_000))).toMatchObject({ status: 400, type: 'SerializationException' });
    expect(await raw('{}')).toMatchObject({ status: 400, type: 'ValidationException' });
  });

  it('refuses a body over 3 MiB with 413 and goes on (limits)', async () => {
    const body = Buffer.alloc(3_145_729, ' ');
    expect(await raw(body)).toMatchObject({ status: 413, type: 'RequestEntityTooLargeException' });
    expect(await raw(body.subarray(1))).toMatchObject({ status: 400, type: 'SerializationException' });
  });

  it('refuses a request without Authorization (protocol)', async () => {
    expect(await raw('{}', { authorization: undefined })).toMatchObject({
      status: 403,
      type: 'MissingAuthenticationTokenException',
    });
  });

  it('does not know other operations, services, methods and content types (protocol)', async () => {
    const unknown = { status: 400, type: 'UnknownOperationException' };
    const of = (target: string | undefined) => raw('{}', { 'x-amz-target': target });
    expect(await of('ACMPrivateCA.Nothing')).toMatchObject(unknown);
    expect(await of('ACMPrivateCA.constructor')).toMatchObject(unknown);
    expect(await of('DynamoDB_20120810.GetItem')).toMatchObject(unknown);
    expect(await of(undefined)).toMatchObject(unknown);
    expect(await raw('{}', { 'content-type': 'text/plain' })).toMatchObject(unknown);
    expect(await raw('{}', {}, 'PUT')).toMatchObject(unknown);
  });
});
