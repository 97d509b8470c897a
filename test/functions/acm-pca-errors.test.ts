/** Each error of ACM PCA through the use case: state of the issuance, what becomes of its message, what is told to people. */

import { ACMPCAClient, GetCertificateCommand, IssueCertificateCommand } from '@aws-sdk/client-acm-pca';
import { mockClient } from 'aws-sdk-client-mock';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { alarmsOf } from '../../docs/acm-pca-errors-page.ts';
import { signerReport } from '../../functions/signer/report.ts';
import { createAcmPcaBackend } from '../../shared/adapters/acm-pca/backend.ts';
import { createLeasedPacingBudget } from '../../shared/adapters/acm-pca/pacing.ts';
import { ruleFor } from '../../shared/adapters/acm-pca/service-errors.ts';
import { createAlarmLog } from '../../shared/adapters/aws-lambda/alarm-log.ts';
import { alarms } from '../../shared/issuance/alarms.ts';
import { whenItStandsNoMore } from '../../shared/issuance/batch.ts';
import { issueCertificates } from '../../shared/issuance/issue-certificate.ts';
import type { SigningBackend } from '../../shared/issuance/ports.ts';
import { sendLater } from '../../shared/issuance/send-later.ts';
import { encodePem } from '../../shared/pki/pem.ts';
import {
  approved,
  type IssuanceWorld,
  openIssuanceWorld,
  recordOf,
  signTemplate,
  stateOf,
} from '../support/issuance-world.ts';

const ref = 'arn:aws:acm-pca:eu-central-1:111122223333:certificate-authority/0f4b6f62-4f8a-4b5e-9a3b-6a2d7c1f0e11';
const ticket = `${ref}/certificate/1`;

/** As the SDK throws it; no answer at all has no status. */
function serviceError(name: string): Error {
  const $metadata = name === 'TimeoutError' ? { attempts: 1 } : { httpStatusCode: 400, requestId: 'r-1' };
  return Object.assign(new Error(`text of ${name}`), { name, $metadata });
}

let world: IssuanceWorld;
let mock: ReturnType<typeof mockClient>;
let backend: SigningBackend;
/** Messages of the log at ERROR and CRITICAL. */
let logged: string[];

beforeEach(async () => {
  world = await openIssuanceWorld();
  // aws-sdk-client-mock is typed for a newer client: hence the casts.
  mock = mockClient(ACMPCAClient as never);
  logged = [];
  const clock = () => world.now;
  const sleep = async (waitMs: number) => {
    const until = world.now + waitMs;
    await Promise.resolve();
    world.now = Math.max(world.now, until);
  };
  const pacing = createLeasedPacingBudget({ store: world.store.permits, clock, sleep, budgetId: 'test' });
  const client = new ACMPCAClient({ region: 'eu-central-1', endpoint: 'https://acm-pca.eu-central-1.amazonaws.com' });
  const real = createAcmPcaBackend({ client, authority: { caId: 'devices', ref }, pacing, clock, sleep });
  backend = { ...real, describeKey: () => world.devices.describeKey() };
});
afterEach(async () => {
  mock.restore();
  await world.close();
});

const onIssue = () => mock.on(IssueCertificateCommand as never);
const onGet = () => mock.on(GetCertificateCommand as never);
const issueCount = () => mock.commandCalls(IssueCertificateCommand as never).length;
const tokens = () =>
  mock
    .commandCalls(IssueCertificateCommand as never)
    .map((call) => (call.args[0].input as { readonly IdempotencyToken?: string }).IdempotencyToken);

async function deliver(issuanceId: string) {
  const log = {
    error: (message: string) => void logged.push(message),
    critical: (message: string) => void logged.push(message),
  };
  const report = signerReport(createAlarmLog(log as never, () => world.now));
  const [outcome] = await issueCertificates(world.signerPorts({ backendOf: () => backend, report }), [issuanceId]);
  return outcome!;
}

/** The CA answers as it should from now on. */
function mend(issuanceId: string): void {
  onIssue().resolves({ CertificateArn: ticket } as never);
  onGet().callsFake((async () => {
    const { csrDer, intent } = await recordOf(world, issuanceId);
    const issuer = (await world.authorities.newest('devices'))!;
    const der = await signTemplate(world.folder, issuer, { csrDer, intent: intent! });
    return { Certificate: encodePem('CERTIFICATE', der) };
  }) as never);
}

const messagesOf = (...names: readonly (keyof typeof alarms)[]) => names.map((name) => alarms[name].message);

describe('IssueCertificate answers', () => {
  it.each([
    ['ThrottlingException', 'pca-throttled', messagesOf('throttled')],
    ['TimeoutError', 'pca-outcome-unknown', []],
    ['RequestInProgressException', 'pca-in-progress', []],
  ])(
    '%s: three tries, then intended; the message comes back, and the same token is sent (retry)',
    async (name, code, told) => {
      const id = await approved(world);
      onIssue().rejects(serviceError(name));
      expect(await deliver(id)).toEqual({ kind: 'again', issuanceId: id, code });
      expect(await recordOf(world, id)).toMatchObject({ state: 'intended', attempts: 1, lastError: { code } });
      expect(issueCount()).toBe(3);
      expect(logged).toEqual(told);
      mend(id);
      expect((await deliver(id)).kind).toBe('done');
      expect(await stateOf(world, id)).toBe('issued');
      expect(new Set(tokens()).size).toBe(1);
    },
  );

  it.each([
    ['MalformedCSRException', 'pca-malformed-csr'],
    ['ValidationException', 'pca-validation'],
    ['InvalidArgsException', 'pca-invalid-args'],
  ])('%s: failed; the message is acknowledged, people are told (refuse)', async (name, code) => {
    const id = await approved(world);
    onIssue().rejects(serviceError(name));
    expect(await deliver(id)).toEqual({ kind: 'done', issuanceId: id });
    const message = `${name}: text of ${name} (request r-1)`;
    expect(await recordOf(world, id)).toMatchObject({ state: 'failed', lastError: { code, message } });
    expect(issueCount()).toBe(1);
    expect(logged).toEqual(messagesOf('issuance-refused'));
  });

  it.each([
    ['LimitExceededException', 'pca-limit-exceeded'],
    ['InvalidStateException', 'pca-invalid-state'],
    ['AccessDeniedException', 'pca-access-denied'],
    ['ResourceNotFoundException', 'pca-not-found'],
    ['InvalidArnException', 'pca-invalid-arn'],
    ['ExpiredTokenException', 'pca-not-authenticated'],
  ])('%s: intended, and nothing else is begun with the CA until it answers again (stop the CA)', async (name, code) => {
    const [first, second, third] = [await approved(world), await approved(world), await approved(world)];
    onIssue().rejects(serviceError(name));
    expect(await deliver(first)).toEqual(whenItStandsNoMore({ issuanceId: first, attempts: 0 }, code, 'acm-pca'));
    expect(await recordOf(world, first)).toMatchObject({ state: 'intended', lastError: { code } });
    expect(logged).toEqual(messagesOf('backend-unavailable'));

    const stopped = {
      kind: 'later',
      issuanceId: second,
      code,
      retryAfterMs: 60_000,
      backend: 'acm-pca',
      attempted: false,
    } as const;
    expect(await deliver(second)).toEqual(stopped);
    expect(await sendLater(world.reconcilePorts, [stopped])).toEqual([{ kind: 'done', issuanceId: second }]);
    expect([await stateOf(world, second), issueCount()]).toEqual(['approved', 1]);

    world.now += 60_000;
    const ports = world.signerPorts({ backendOf: () => backend });
    const outcomes = await issueCertificates(ports, [second, third]);
    expect(outcomes.map(({ kind }) => kind)).toEqual(['later', 'later']);
    expect([await stateOf(world, third), issueCount()]).toEqual(['approved', 2]);

    world.now += 60_000;
    mend(third);
    expect((await deliver(third)).kind).toBe('done');
    expect(await stateOf(world, third)).toBe('issued');
    mend(second);
    expect((await deliver(second)).kind).toBe('done');
  });
});

describe('GetCertificate answers', () => {
  async function submitted(name: string): Promise<string> {
    const id = await approved(world);
    onIssue().resolves({ CertificateArn: ticket } as never);
    onGet().rejects(serviceError(name));
    return id;
  }

  it.each([
    ['RequestInProgressException', []],
    ['ThrottlingException', []],
    ['TimeoutError', []],
    ['InvalidStateException', messagesOf('backend-unavailable')],
    ['LimitExceededException', messagesOf('backend-unavailable')],
    ['AccessDeniedException', messagesOf('backend-unavailable')],
  ])('%s: submitted; the message comes back, and nothing is submitted again (defer)', async (name, told) => {
    const id = await submitted(name);
    expect(await deliver(id)).toEqual({ kind: 'again', issuanceId: id, code: 'pending' });
    expect(await recordOf(world, id)).toMatchObject({ state: 'submitted', ticket });
    expect(logged).toEqual(told);
    mend(id);
    expect((await deliver(id)).kind).toBe('done');
    expect([await stateOf(world, id), issueCount()]).toEqual(['issued', 1]);
  });

  it.each([
    ['RequestFailedException', 'pca-request-failed'],
    ['ValidationException', 'pca-validation'],
    ['MalformedCSRException', 'pca-malformed-csr'],
  ])('%s: failed; the message is acknowledged, people are told (refuse)', async (name, code) => {
    const id = await submitted(name);
    expect(await deliver(id)).toEqual({ kind: 'done', issuanceId: id });
    expect(await recordOf(world, id)).toMatchObject({ state: 'failed', lastError: { code } });
    expect(logged).toEqual(messagesOf('issuance-refused'));
  });
});

it.each([
  ['ThrottlingException', ['throttled']],
  ['RequestFailedException', ['issuance-refused']],
  ['InvalidStateException', ['backend-unavailable']],
  ['RequestInProgressException', []],
])('%s has in the documentation the alarms that are raised', (name, names) => {
  expect(alarmsOf(ruleFor(serviceError(name)))).toEqual(names);
});
