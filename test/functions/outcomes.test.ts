import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Transition } from '../../shared/issuance/ports.ts';
import { dns, freshName, type LocalStack, requestFor, startLocalStack } from '../support/service.ts';
import { createServiceClient, problemOf, type ServiceClient } from '../support/service-client.ts';

let local: LocalStack;
let client: ServiceClient;
let device: string;

beforeAll(async () => {
  local = await startLocalStack();
  client = createServiceClient(local.url);
  ({ device } = local.tokens);
});

afterAll(() => local?.close());

const get = (issuanceId: string) => client.call({ path: `/v1/enrollments/${issuanceId}`, token: device });

/** Posts while the CA is frozen, so that the issuance stays `approved`, and moves it as told. */
async function moved(move: (issuanceId: string, at: number) => Transition) {
  const { registry, ledger } = local.stack;
  await registry.setFrozen('devices', true, Date.now(), 'test');
  const csr = requestFor([dns(freshName())]);
  const { issuanceId } = (await client.enroll(csr, 'device', device)).json();
  while ((await ledger.get(issuanceId))?.state !== 'approved') await sleep(5);
  expect(await ledger.advance([move(issuanceId, Date.now())])).toEqual([{ kind: 'moved' }]);
  await registry.setFrozen('devices', false, Date.now(), 'test');
  return { csr, issuanceId: issuanceId as string };
}

const error = (at: number) => ({ code: 'MalformedCSRException', message: 'at /srv/secret.ts:1 the CA said no', at });

it('a failed issuance is 500, without the reason that is for operators; the same POST starts anew', async () => {
  const { csr, issuanceId } = await moved((id, at) => ({
    to: 'failed',
    issuanceId: id,
    from: 'approved',
    at,
    error: error(at),
  }));
  const answer = await get(issuanceId);
  expect(problemOf(answer)).toBe('500 issuance-failed');
  expect(answer.text).not.toContain('the CA said no');
  const again = await client.settled(csr, 'device', device);
  expect([again.status, again.json().issuanceId]).toEqual([200, issuanceId.replace(/1$/, '2')]);
});

it('a lapsed issuance is 503 with Retry-After; the same POST starts anew', async () => {
  const { csr, issuanceId } = await moved((id, at) => ({ to: 'lapsed', issuanceId: id, from: 'approved', at }));
  const answer = await get(issuanceId);
  expect([problemOf(answer), answer.headers['retry-after']]).toEqual(['503 issuance-lapsed', '1']);
  expect((await client.settled(csr, 'device', device)).status).toBe(200);
});

it('an issuance that waits for its CA is 202, by GET and by a POST that waits in vain', async () => {
  await local.stack.registry.setFrozen('workloads', true, Date.now(), 'test');
  const csr = requestFor([dns(freshName())]);
  const answer = await client.enroll(csr, 'service', device, { prefer: 'wait=1' });
  expect([answer.status, answer.json().status]).toEqual([202, 'approved']);
  expect((await get(answer.json().issuanceId)).status).toBe(202);
  await local.stack.registry.setFrozen('workloads', false, Date.now(), 'test');
  expect((await client.settled(csr, 'service', device)).status).toBe(200);
});

it('a revoked certificate is 410, in every form; the same POST starts anew', async () => {
  const csr = requestFor([dns(freshName())]);
  const { issuanceId } = (await client.settled(csr, 'device', device)).json();
  const revoked = { to: 'revoked', issuanceId, from: 'issued', at: Date.now(), reason: 'superseded' } as const;
  expect(await local.stack.ledger.advance([revoked])).toEqual([{ kind: 'moved' }]);
  for (const accept of ['application/json', 'application/x-pem-file', 'application/pkcs7-mime']) {
    const answer = await client.call({ path: `/v1/enrollments/${issuanceId}`, token: device, headers: { accept } });
    expect(problemOf(answer)).toBe('410 certificate-revoked');
    expect(answer.text).not.toContain('BEGIN CERTIFICATE');
  }
  const again = await client.settled(csr, 'device', device);
  expect([again.status, again.json().issuanceId]).toEqual([200, issuanceId.replace(/1$/, '2')]);
});

it('a profile whose CA is not there is 503 with Retry-After', async () => {
  const backends = local.stack.environment.backends as Set<string>;
  backends.delete('software');
  const answer = await client.enroll(requestFor([dns(freshName())]), 'device', device);
  const health = (await client.call({ path: '/healthz' })).json();
  backends.add('software');
  expect([problemOf(answer), answer.headers['retry-after']]).toEqual(['503 backend-unavailable', '30']);
  expect(health.authorities).toEqual({ devices: 'absent', workloads: 'absent' });
});
