import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { DeploymentError, readDeployment } from '../../localstack/embedded/deployment.ts';
import { mappingsFor } from '../../localstack/embedded/host.ts';
import { receiveCountMax } from '../../shared/adapters/stack/stack.ts';

const folder = mkdtempSync(join(tmpdir(), 'sealwright-deployment-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const sqs = {
  arn: { 'Fn::GetAtt': ['WorkQueue', 'Arn'] },
  batchSize: 10,
  maximumBatchingWindow: 0,
  maximumConcurrency: 4,
  functionResponseType: 'ReportBatchItemFailures',
};
const queues = {
  WorkQueue: { Properties: { VisibilityTimeout: 180, Tags: [{ Key: 'sealwright:queue', Value: 'work' }] } },
  UntaggedQueue: { Properties: {} },
};

function read(events: unknown, resources: unknown = queues) {
  const file = join(folder, 'serverless.yml');
  const functions = { one: { handler: 'functions/one/handler.handler', events } };
  writeFileSync(file, stringify({ functions, resources: { Resources: resources } }));
  return readDeployment(file);
}

function refusalOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    if (error instanceof DeploymentError) return error.message;
    throw error;
  }
  return 'read';
}

describe('serverless.yml', () => {
  it('of this project is read whole', () => {
    const { routes, mappings, schedules } = readDeployment('serverless.yml');
    expect(routes).toContainEqual({
      method: 'POST',
      path: '/v1/enrollments',
      handler: 'functions/enroll/handler.handler',
    });
    expect(mappings.map(({ queue }) => queue)).toEqual(['enrolment', 'signing-acm-pca', 'signing-pkcs11']);
    expect(schedules).toEqual([
      { handler: 'functions/custody/handler.watch', everyMs: 60_000 },
      { handler: 'functions/revocation/handler.watch', everyMs: 60_000 },
      { handler: 'functions/crls/handler.handler', everyMs: 60_000 },
      { handler: 'functions/reconciler/handler.handler', everyMs: 60_000 },
      { handler: 'functions/monitor/handler.handler', everyMs: 60_000 },
      { handler: 'functions/upkeep/handler.handler', everyMs: 60_000 },
      { handler: 'functions/auditor/handler.handler', everyMs: 3_600_000 },
    ]);
    expect(receiveCountMax).toBe(10);
  });

  it('gives routes, mappings and schedules', () => {
    expect(
      read([
        { httpApi: { method: 'get', path: '/v1/things/{id}' } },
        { sqs: { ...sqs, batchSize: 100, maximumBatchingWindow: 2 } },
        { schedule: { rate: ['rate(2 hours)'] } },
      ]),
    ).toEqual({
      routes: [{ method: 'GET', path: '/v1/things/{id}', handler: 'functions/one/handler.handler' }],
      mappings: [
        {
          functionName: 'one',
          handler: 'functions/one/handler.handler',
          queue: 'work',
          batchSize: 100,
          windowMs: 2_000,
          concurrencyMax: 4,
          visibilityMs: 180_000,
        },
      ],
      schedules: [{ handler: 'functions/one/handler.handler', everyMs: 7_200_000 }],
    });
  });

  it.each([
    ['another kind of event', [{ stream: { arn: 'x' } }], 'stream'],
    ['an event of two kinds', [{ sqs, stream: {} }], 'sqs, stream'],
    ['a word', ['httpApi'], 'httpApi'],
    ['the short form of a route', [{ httpApi: 'GET /v1/things' }], 'httpApi has to be written out'],
    ['the catch-all route', [{ httpApi: '*' }], 'httpApi has to be written out'],
    ['any method', [{ httpApi: { method: '*', path: '/x' } }], 'route * /x'],
    ['a route without a path', [{ httpApi: { method: 'GET' } }], 'route GET undefined'],
    ['a greedy path', [{ httpApi: { method: 'GET', path: '/{proxy+}' } }], 'route GET /{proxy+}'],
    ['an authorizer', [{ httpApi: { method: 'GET', path: '/x', authorizer: { name: 'jwt' } } }], 'authorizer'],
    ['the short form of a queue', [{ sqs: 'arn:aws:sqs:us-east-1:0:x' }], 'sqs has to be written out'],
    ['a queue by its ARN', [{ sqs: { ...sqs, arn: 'arn:aws:sqs:us-east-1:0:x' } }], 'no sealwright:queue tag'],
    [
      'a queue without an ARN',
      [{ sqs: { functionResponseType: 'ReportBatchItemFailures' } }],
      'no sealwright:queue tag',
    ],
    [
      'a queue without a tag',
      [{ sqs: { ...sqs, arn: { 'Fn::GetAtt': ['UntaggedQueue', 'Arn'] } } }],
      'no sealwright:queue tag',
    ],
    [
      'a queue that is not there',
      [{ sqs: { ...sqs, arn: { 'Fn::GetAtt': ['Nope', 'Arn'] } } }],
      'no sealwright:queue tag',
    ],
    ['no partial failures', [{ sqs: { ...sqs, functionResponseType: undefined } }], 'a failed message is deleted'],
    ['a filter', [{ sqs: { ...sqs, filterPatterns: [] } }], 'filterPatterns'],
    ['a mapping that is off', [{ sqs: { ...sqs, enabled: false } }], 'enabled'],
    ['a batch of none', [{ sqs: { ...sqs, batchSize: 0 } }], 'batchSize'],
    ['a batch of a word', [{ sqs: { ...sqs, batchSize: 'ten' } }], 'batchSize'],
    ['a batch over 10 without a window', [{ sqs: { ...sqs, batchSize: 11 } }], 'from 1 to 10'],
    ['a batch over 10,000', [{ sqs: { ...sqs, batchSize: 10_001, maximumBatchingWindow: 1 } }], 'from 1 to 10000'],
    ['a window over 300 s', [{ sqs: { ...sqs, maximumBatchingWindow: 301 } }], 'maximumBatchingWindow'],
    ['a concurrency of one', [{ sqs: { ...sqs, maximumConcurrency: 1 } }], 'maximumConcurrency'],
    ['a cron', [{ schedule: { rate: ['cron(0 12 * * ? *)'] } }], 'cron'],
    ['two rates', [{ schedule: { rate: ['rate(1 minute)', 'rate(1 hour)'] } }], 'one rate'],
    ['no rate', [{ schedule: {} }], 'one rate'],
    ['a rate of nothing', [{ schedule: { rate: ['rate(0 minutes)'] } }], 'one rate'],
    ['a rate that no timer takes', [{ schedule: { rate: ['rate(25 days)'] } }], '24 days'],
    ['a schedule that is off', [{ schedule: { rate: ['rate(1 minute)'], enabled: false } }], 'enabled'],
    ['the short form of a schedule', [{ schedule: 'rate(1 minute)' }], 'schedule has to be written out'],
  ])('with %s is refused: nothing is passed over in silence', (_, events, said) => {
    expect(refusalOf(() => read(events))).toContain(said);
  });

  it('that is no YAML, or not there, is refused with its name', () => {
    const file = join(folder, 'broken.yml');
    writeFileSync(file, 'functions: [');
    expect(refusalOf(() => readDeployment(file))).toContain(file);
    expect(refusalOf(() => readDeployment(join(folder, 'nope.yml')))).toContain('nope.yml');
  });

  it('with a function without a handler is refused', () => {
    const file = join(folder, 'handler.yml');
    writeFileSync(file, stringify({ functions: { one: { events: [] } } }));
    expect(refusalOf(() => readDeployment(file))).toContain('no handler');
  });
});

describe('the queues that are served', () => {
  const { mappings } = readDeployment('serverless.yml');

  it('have the mapping of their name', () => {
    const served = mappingsFor({ mappings }, new Set(['enrolment', 'signing-pkcs11']));
    expect(served.map(({ functionName, queue }) => `${functionName} ${queue}`)).toEqual([
      'validator enrolment',
      'signerHsm signing-pkcs11',
    ]);
  });

  it('of a backend that is never deployed are read as a signer reads', () => {
    const [served] = mappingsFor({ mappings }, new Set(['signing-software']));
    expect(served).toMatchObject({
      queue: 'signing-software',
      handler: 'functions/signer/handler.handler',
      batchSize: 64,
    });
  });

  it('that nothing would read are refused', () => {
    expect(refusalOf(() => mappingsFor({ mappings }, new Set(['enrolment', 'revocation'])))).toContain('revocation');
    expect(refusalOf(() => mappingsFor({ mappings: [] }, new Set(['signing-software'])))).toContain('signing-software');
  });
});
