import { type ACMPCAClient, DescribeCertificateAuthorityCommand, GetCertificateCommand } from '@aws-sdk/client-acm-pca';
import { afterEach, describe, expect, it } from 'vitest';
import { awsQuotas, createQuotaMeter } from '../../localstack/acm-pca/quotas.ts';
import type { TestEndpoint } from '../support/acm-pca-endpoint.ts';
import {
  clientOf,
  errorNameOf,
  issue,
  newCsr,
  newRoot,
  startReport,
  startTestEndpoint,
} from '../support/acm-pca-endpoint.ts';

let endpoint: TestEndpoint | undefined;

afterEach(() => endpoint?.dispose());

/** Calls that a bucket lets through, of `count` at this moment. */
function taken(take: () => boolean, count: number): number {
  return Array.from({ length: count }, take).filter((isTaken) => isTaken).length;
}

describe('a token bucket', () => {
  const startedAt = Date.UTC(2026, 10, 23, 12);

  it("lets through one second's calls at once, and then the rate (burst)", () => {
    let now = startedAt;
    const meter = createQuotaMeter({ IssueCertificate: 25 }, () => now);
    const issueCall = () => meter.take('IssueCertificate');
    expect(taken(issueCall, 100)).toBe(25);
    now += 39;
    expect(taken(issueCall, 100)).toBe(0);
    now += 1;
    expect(taken(issueCall, 100)).toBe(1);
    now += 400;
    expect(taken(issueCall, 100)).toBe(10);
    now += 3_600_000;
    expect(taken(issueCall, 100)).toBe(25);
  });

  it('adds up to the rate exactly when it is asked all the time (rate)', () => {
    let now = startedAt;
    const meter = createQuotaMeter({ IssueCertificate: 25, GetCertificate: 75 }, () => now);
    let issued = 0;
    let got = 0;
    for (let ms = 0; ms < 10_000; ms++) {
      issued += taken(() => meter.take('IssueCertificate'), 3);
      got += taken(() => meter.take('GetCertificate'), 3);
      now += 1;
    }
    // What the bucket held at the start comes on top; the last refill is not yet used.
    expect([issued, got]).toEqual([25 + 249, 75 + 749]);
  });

  it('has room for one call at a rate below one a second (rate)', () => {
    let now = startedAt;
    const meter = createQuotaMeter({ CreateCertificateAuthority: 0.5 }, () => now);
    const create = () => meter.take('CreateCertificateAuthority');
    expect(taken(create, 3)).toBe(1);
    now += 1999;
    expect(taken(create, 3)).toBe(0);
    now += 1;
    expect(taken(create, 3)).toBe(1);
  });

  it('gives nothing for a clock that goes back and forth (clock)', () => {
    let now = startedAt;
    const meter = createQuotaMeter({ IssueCertificate: 25 }, () => now);
    const issueCall = () => meter.take('IssueCertificate');
    expect(taken(issueCall, 30)).toBe(25);
    for (let swing = 0; swing < 10; swing++) {
      now = startedAt - 1000;
      expect(taken(issueCall, 30)).toBe(0);
      now = startedAt;
      expect(taken(issueCall, 30)).toBe(0);
    }
  });

  it('limits only what is named, each operation on its own (quotas)', () => {
    const meter = createQuotaMeter({ IssueCertificate: 1 }, () => startedAt);
    expect(taken(() => meter.take('IssueCertificate'), 5)).toBe(1);
    expect(taken(() => meter.take('GetCertificate'), 500)).toBe(500);
    meter.set({ GetCertificate: 2 });
    expect(taken(() => meter.take('GetCertificate'), 5)).toBe(2);
    expect(taken(() => meter.take('IssueCertificate'), 500)).toBe(500);
  });

  it('knows the default quotas of an account (aws)', () => {
    const meter = createQuotaMeter('aws', () => startedAt);
    expect(awsQuotas).toMatchObject({
      IssueCertificate: 25,
      GetCertificate: 75,
      DescribeCertificateAuthority: 20,
      ListCertificateAuthorities: 20,
      GetCertificateAuthorityCertificate: 20,
      CreateCertificateAuthorityAuditReport: 1,
    });
    expect(taken(() => meter.take('GetCertificate'), 100)).toBe(75);
  });
});

describe('calls over their quota', () => {
  const describeIt = (client: ACMPCAClient, arn: string) =>
    client.send(new DescribeCertificateAuthorityCommand({ CertificateAuthorityArn: arn }));

  it('are answered with ThrottlingException, Rate exceeded, and have no effect (throttling)', async () => {
    endpoint = await startTestEndpoint();
    const { client } = endpoint;
    const root = await newRoot(client);
    endpoint.control({ quotas: { IssueCertificate: 5 } });
    const calls = await Promise.allSettled(Array.from({ length: 12 }, () => issue(client, root)));
    const arns = calls.flatMap((call) => (call.status === 'fulfilled' ? [call.value] : []));
    const errors = calls.flatMap((call) => (call.status === 'rejected' ? [call.reason] : []));
    expect([arns.length, errors.length]).toEqual([5, 7]);
    for (const error of errors) {
      expect(error).toMatchObject({ name: 'ThrottlingException', message: 'Rate exceeded', $fault: 'client' });
      expect(error.$metadata).toMatchObject({ httpStatusCode: 400 });
    }
    expect(endpoint.view().authorities[root]?.certificates).toEqual({ issued: 6, failed: 0, held: 0 });
    const counts = endpoint.view().operations.IssueCertificate;
    expect(counts).toEqual({ accepted: 6, throttled: 7, lost: 0, errors: {} });
    endpoint.advance(200);
    expect(await errorNameOf(issue(client, root))).toBe('no error');
    expect(await errorNameOf(issue(client, root))).toBe('ThrottlingException');
  });

  it('are one account’s, whoever calls, and not those of other operations (account)', async () => {
    endpoint = await startTestEndpoint();
    const { client, url } = endpoint;
    const root = await newRoot(client);
    const other = clientOf(url);
    const arn = await issue(client, root);
    endpoint.control({ quotas: 'aws' });
    const names = await Promise.all(
      Array.from({ length: 30 }, (_, index) => errorNameOf(describeIt(index % 2 === 0 ? client : other, root))),
    );
    expect(names.filter((name) => name === 'no error')).toHaveLength(20);
    expect(names.filter((name) => name === 'ThrottlingException')).toHaveLength(10);
    const get = new GetCertificateCommand({ CertificateAuthorityArn: root, CertificateArn: arn });
    expect(await errorNameOf(client.send(get))).toBe('no error');
    other.destroy();
  });

  it('count when they are refused, and come before what is wrong with them (order)', async () => {
    endpoint = await startTestEndpoint({ quotas: { IssueCertificate: 2 } });
    const { client } = endpoint;
    const arn = `arn:aws:acm-pca:us-east-1:000000000000:certificate-authority/00000000-0000-4000-8000-000000000000`;
    const call = () => errorNameOf(issue(client, arn, { Csr: newCsr(), IdempotencyToken: '' }));
    expect(await call()).toBe('ValidationException');
    expect(await call()).toBe('ValidationException');
    expect(await call()).toBe('ThrottlingException');
    const counts = endpoint.view().operations.IssueCertificate;
    expect(counts).toEqual({ accepted: 2, throttled: 1, lost: 0, errors: { ValidationException: 2 } });
  });

  it('are for audit reports one a second, beside the interval of each CA (audit-report)', async () => {
    endpoint = await startTestEndpoint();
    const { client } = endpoint;
    const [first, second] = [await newRoot(client), await newRoot(client)];
    endpoint.control({ quotas: 'aws' });
    expect(await errorNameOf(startReport(client, first))).toBe('no error');
    expect(await errorNameOf(startReport(client, second))).toBe('ThrottlingException');
    endpoint.advance(1000);
    expect(await errorNameOf(startReport(client, second))).toBe('no error');
  });

  it('are not there unless asked for (default)', async () => {
    endpoint = await startTestEndpoint();
    const { client } = endpoint;
    const root = await newRoot(client);
    const names = await Promise.all(Array.from({ length: 60 }, () => errorNameOf(describeIt(client, root))));
    expect(new Set(names)).toEqual(new Set(['no error']));
    expect(endpoint.view().quotas).toEqual({});
  });
});
