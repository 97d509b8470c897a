import { request as httpRequest } from 'node:http';
import {
  type ACMPCAClient,
  DescribeCertificateAuthorityCommand,
  GetCertificateCommand,
  UpdateCertificateAuthorityCommand,
} from '@aws-sdk/client-acm-pca';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ControlChange } from '../../localstack/acm-pca/control.ts';
import {
  createAuthority,
  errorNameOf,
  issue,
  issueAndGet,
  newRoot,
  startTestEndpoint,
  type TestEndpoint,
} from '../support/acm-pca-endpoint.ts';

let endpoint: TestEndpoint;
let client: ACMPCAClient;
let root: string;
/** Waits that the endpoint asked for, each with what ends it. */
let waits: { readonly delayMs: number; readonly end: () => void }[];

beforeEach(async () => {
  waits = [];
  endpoint = await startTestEndpoint({
    control: true,
    sleep: (delayMs, signal) =>
      new Promise((resolve) => {
        waits.push({ delayMs, end: resolve });
        signal.addEventListener('abort', () => resolve());
      }),
  });
  client = endpoint.client;
  root = await newRoot(client);
});
afterEach(() => endpoint.dispose());

const get = (CertificateArn: string) =>
  client.send(new GetCertificateCommand({ CertificateAuthorityArn: root, CertificateArn }));
const describeRoot = () => client.send(new DescribeCertificateAuthorityCommand({ CertificateAuthorityArn: root }));
/** Certificates at the CA besides its own. */
const issuedCount = () => (endpoint.view().authorities[root]?.certificates.issued ?? 0) - 1;

async function nextWait(): Promise<(typeof waits)[number]> {
  for (;;) {
    const wait = waits.shift();
    if (wait !== undefined) return wait;
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

describe('slow calls', () => {
  it('take effect after their delay, or answer after it (delay)', async () => {
    endpoint.control({ delays: { IssueCertificate: { beforeMs: 300, afterMs: 700 } } });
    const call = issue(client, root);
    const before = await nextWait();
    expect([before.delayMs, issuedCount()]).toEqual([300, 0]);
    before.end();
    const after = await nextWait();
    expect([after.delayMs, issuedCount()]).toEqual([700, 1]);
    after.end();
    expect(await call).toContain('/certificate/');
  });

  it('are those of the operation named, until it is set to null (delay)', async () => {
    endpoint.control({ delays: { IssueCertificate: { beforeMs: 300 }, GetCertificate: { beforeMs: 1 } } });
    await describeRoot();
    endpoint.control({ delays: { IssueCertificate: null } });
    const arn = await issue(client, root);
    expect(waits).toEqual([]);
    const slow = get(arn);
    (await nextWait()).end();
    await slow;
  });

  it('do not keep the endpoint from closing, nor take effect after it began to (close)', async () => {
    endpoint.control({ delays: { IssueCertificate: { beforeMs: 300 } } });
    const call = errorNameOf(issue(client, root));
    await nextWait();
    const { stateDir } = endpoint;
    await endpoint.stop();
    expect(await call).not.toBe('no error');
    endpoint = await startTestEndpoint({ stateDir });
    expect(issuedCount()).toBe(0);
  });
});

describe('failing calls', () => {
  it('are answered with the error asked for, without effect, as often as asked (before)', async () => {
    endpoint.control({
      failures: [{ operation: 'IssueCertificate', when: 'before', answer: 'RequestFailedException', count: 2 }],
    });
    expect(await errorNameOf(describeRoot())).toBe('no error');
    expect(await errorNameOf(issue(client, root))).toBe('RequestFailedException');
    expect(endpoint.view().failures).toMatchObject([{ count: 1 }]);
    expect(await errorNameOf(issue(client, root))).toBe('RequestFailedException');
    expect([issuedCount(), endpoint.view().failures]).toEqual([0, []]);
    expect(await errorNameOf(issue(client, root))).toBe('no error');
    expect(endpoint.view().operations.IssueCertificate?.errors).toEqual({ RequestFailedException: 2 });
  });

  it('lose their answer before or after they took effect: the connection is closed (answer-lost)', async () => {
    const lost = async (when: 'before' | 'after') => {
      endpoint.control({ failures: [{ operation: 'IssueCertificate', when, count: 1 }] });
      const error = await issue(client, root, { IdempotencyToken: when }).catch((reason: unknown) => reason);
      expect(error).toMatchObject({ code: 'ECONNRESET' });
      return issuedCount();
    };
    expect(await lost('before')).toBe(0);
    expect(await lost('after')).toBe(1);
    expect(endpoint.view().operations.IssueCertificate).toMatchObject({ accepted: 3, lost: 2, errors: {} });
    const arn = await issue(client, root, { IdempotencyToken: 'after' });
    expect(issuedCount()).toBe(1);
    expect(await errorNameOf(get(arn))).toBe('no error');
  });

  it('can answer an error although they took effect, with the status of that error (answer)', async () => {
    const failed = async (answer: 'InternalFailure' | 'ServiceUnavailableException' | 'AccessDeniedException') => {
      endpoint.control({ failures: [{ operation: 'IssueCertificate', when: 'after', answer, count: 1 }] });
      const { name, $metadata } = (await issue(client, root).catch((reason: unknown) => reason)) as Error & {
        $metadata: { httpStatusCode: number };
      };
      return [name, $metadata.httpStatusCode];
    };
    expect(await failed('InternalFailure')).toEqual(['InternalFailure', 500]);
    expect(await failed('ServiceUnavailableException')).toEqual(['ServiceUnavailableException', 503]);
    expect(await failed('AccessDeniedException')).toEqual(['AccessDeniedException', 400]);
    expect(issuedCount()).toBe(3);
  });

  it('follow from seed and order of the calls alone when they have a probability (seed)', async () => {
    const run = async (seed: string, probability = 0.3): Promise<string> => {
      endpoint.control({
        failures: [{ operation: 'DescribeCertificateAuthority', answer: 'InternalFailure', probability, seed }],
      });
      let hits = '';
      for (let call = 0; call < 40; call++) hits += (await errorNameOf(describeRoot())) === 'no error' ? '.' : 'x';
      return hits;
    };
    const first = await run('a');
    expect(await run('a')).toBe(first);
    expect(await run('b')).not.toBe(first);
    const failed = first.split('x').length - 1;
    expect(failed).toBeGreaterThan(4);
    expect(failed).toBeLessThan(22);
    expect(await run('a', 0)).toBe('.'.repeat(40));
    expect(await run('a', 1)).toBe('x'.repeat(40));
  });
});

describe('switches of a CA', () => {
  const change = (authority: NonNullable<ControlChange['authorities']>[string]) =>
    endpoint.control({ authorities: { [root]: authority } });

  it('disables and enables as an administrator does (disabled)', async () => {
    change({ disabled: true });
    expect(await errorNameOf(issue(client, root))).toBe('InvalidStateException');
    expect((await describeRoot()).CertificateAuthority?.Status).toBe('DISABLED');
    endpoint.control({ authorities: { [root.split('/').at(-1)!]: { disabled: false } } });
    expect(await errorNameOf(issue(client, root))).toBe('no error');
    await client.send(new UpdateCertificateAuthorityCommand({ CertificateAuthorityArn: root, Status: 'DISABLED' }));
    expect(endpoint.view().authorities[root]?.status).toBe('DISABLED');
  });

  it('fails accepted issuances, the next ones or all, and only of this CA (fail-issuance)', async () => {
    const other = await newRoot(client);
    change({ failIssuance: { reason: 'simulated', count: 1 } });
    expect(await errorNameOf(issueAndGet(client, other))).toBe('no error');
    const arn = await issue(client, root);
    expect(await errorNameOf(get(arn))).toBe('RequestFailedException');
    expect(await errorNameOf(issueAndGet(client, root))).toBe('no error');
    change({ failIssuance: { reason: 'simulated' } });
    for (let attempt = 0; attempt < 3; attempt++) {
      expect(await errorNameOf(issueAndGet(client, root))).toBe('RequestFailedException');
    }
    change({ failIssuance: null });
    expect(await errorNameOf(issueAndGet(client, root))).toBe('no error');
    expect(endpoint.view().authorities[root]?.certificates).toEqual({ issued: 3, failed: 4, held: 0 });
  });

  it('holds issuances until they are let go, over a restart too (hold-issuance)', async () => {
    const earlier = await issue(client, root);
    const other = await newRoot(client);
    change({ holdIssuance: true });
    expect(await errorNameOf(issueAndGet(client, other))).toBe('no error');
    const held = await issue(client, root, { IdempotencyToken: 'held' });
    endpoint.advance(86_400_000);
    expect(await errorNameOf(get(held))).toBe('RequestInProgressException');
    expect(await errorNameOf(get(earlier))).toBe('no error');
    expect(endpoint.view().authorities[root]).toMatchObject({
      holdIssuance: true,
      certificates: { issued: 3, held: 1 },
    });
    const { stateDir } = endpoint;
    await endpoint.stop();
    endpoint = await startTestEndpoint({ stateDir });
    client = endpoint.client;
    endpoint.advance(86_400_000);
    expect(await errorNameOf(get(held))).toBe('RequestInProgressException');
    expect(await errorNameOf(issueAndGet(client, root))).toBe('no error');
    change({ holdIssuance: false });
    expect(await errorNameOf(get(held))).toBe('no error');
    expect(endpoint.view().authorities[root]?.certificates.held).toBe(0);
  });
});

interface Answer {
  readonly status: number | undefined;
  readonly body: Record<string, unknown>;
}

function send(
  method: string,
  body: string,
  headers: Record<string, string> = { 'content-type': 'application/json' },
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = httpRequest(`${endpoint.url}/_control`, { method, headers }, async (response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of response) chunks.push(chunk as Buffer);
      resolve({ status: response.statusCode, body: JSON.parse(Buffer.concat(chunks).toString()) });
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

describe('the control path', () => {
  it('changes what it is told and answers all switches and counts (control)', async () => {
    const arn = await issue(client, root);
    await get(arn);
    const change: ControlChange = {
      quotas: { IssueCertificate: 25 },
      delays: { GetCertificate: { afterMs: 10 } },
      failures: [{ operation: 'IssueCertificate', count: 3 }],
      authorities: { [root]: { failIssuance: { reason: 'simulated', count: 2 } } },
      auditReports: { intervalMs: 0 },
    };
    const { status, body } = await send('POST', JSON.stringify(change));
    expect(status).toBe(200);
    expect(await send('GET', '')).toEqual({ status, body });
    expect(body).toEqual(endpoint.view());
    expect(body).toMatchObject({
      emulator: true,
      quotas: { IssueCertificate: 25 },
      delays: { GetCertificate: { afterMs: 10 } },
      failures: [{ operation: 'IssueCertificate', when: 'before', answer: 'none', count: 3 }],
      auditReports: { delayMs: 0, intervalMs: 0, intervalError: 'RequestInProgressException' },
      authorities: {
        [root]: {
          status: 'ACTIVE',
          failIssuance: { reason: 'simulated', count: 2 },
          certificates: { issued: 2, failed: 0, held: 0 },
        },
      },
      operations: {
        IssueCertificate: { accepted: 2, throttled: 0, lost: 0, errors: {} },
        GetCertificate: { accepted: 2, throttled: 0, lost: 0, errors: {} },
      },
    });
  });

  it('changes nothing when something is wrong with the change, and names every fault (control)', async () => {
    const before = endpoint.view();
    const faulty = {
      delays: { IssueCertificat: { beforeMs: 1 } },
      failures: [{ operation: 'IssueCertificate' }, { operation: 'GetCertificate', count: 1, answer: 'No' }],
      quotas: { IssueCertificate: 0 },
      nothing: 1,
    };
    const { status, body } = await send('POST', JSON.stringify(faulty));
    expect([status, body.error]).toEqual([400, 'ValidationException']);
    for (const at of [
      'change/delays',
      'change/failures/0',
      'change/failures/1/answer',
      'change/quotas',
      'additional',
    ]) {
      expect(body.message).toContain(at);
    }
    const pending = await createAuthority(client);
    const unknown = root.replace(/.{36}$/, '00000000-0000-4000-8000-000000000000');
    const holdIssuance = true;
    const refused = async (authorities: object) =>
      (await send('POST', JSON.stringify({ quotas: 'aws', authorities }))).body.error;
    expect(await refused({ [root]: { holdIssuance }, [unknown]: { holdIssuance } })).toBe('ResourceNotFoundException');
    expect(await refused({ [root]: { holdIssuance }, [pending]: { disabled: true } })).toBe('InvalidStateException');
    expect((await send('POST', '{')).status).toBe(400);
    const { operations: _now, authorities: after, ...rest } = endpoint.view();
    const { operations: _then, authorities, ...same } = before;
    expect(rest).toEqual(same);
    expect(after[root]).toEqual(authorities[root]);
  });

  it('is not for web pages and other methods (browser)', async () => {
    const json = { 'content-type': 'application/json' };
    expect((await send('POST', '{}', { 'content-type': 'text/plain' })).status).toBe(415);
    expect((await send('POST', '{}', { ...json, origin: 'http://localhost' })).status).toBe(403);
    expect((await send('POST', '{}', { ...json, host: 'rebound.example' })).status).toBe(403);
    expect((await send('GET', '', { host: 'rebound.example' })).status).toBe(403);
    expect((await send('PUT', '{}')).status).toBe(405);
    expect((await send('POST', '{}')).status).toBe(200);
  });

  it('is not there unless asked for (default)', async () => {
    const plain = await startTestEndpoint();
    try {
      const response = await fetch(`${plain.url}/_control`);
      expect([response.status, await response.json()]).toMatchObject([400, { __type: 'UnknownOperationException' }]);
    } finally {
      await plain.dispose();
    }
  });

  it('has switches from the start for a test in the same process (options)', async () => {
    const { stateDir } = endpoint;
    await endpoint.stop();
    endpoint = await startTestEndpoint({ stateDir, switches: { authorities: { [root]: { holdIssuance: true } } } });
    client = endpoint.client;
    expect(await errorNameOf(issueAndGet(client, root))).toBe('RequestInProgressException');
    await endpoint.stop();
    const wrong = { switches: { quotas: { IssueCertificate: -1 } } };
    await expect(startTestEndpoint({ stateDir, ...wrong })).rejects.toThrow('change/quotas');
    endpoint = await startTestEndpoint({ stateDir });
  });
});
