import { afterAll, beforeAll, expect, it } from 'vitest';
import { signingQueueName } from '../../shared/adapters/stack/stack.ts';
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

it('a queue too deep refuses what is new, before it is accepted, and answers what was accepted (503 queue-too-deep)', async () => {
  const known = requestFor([dns(freshName())]);
  const { issuanceId } = (await client.settled(known, 'device', device)).json();

  // Too much for a minute, and hidden, so that it stays while this test looks: 30,000 of 250 a second are two minutes.
  const queue = local.stack.queue(signingQueueName('software'));
  const waiting = Array.from({ length: 30_000 }, (_, n) => `waiting-${n}.1`);
  for (let from = 0; from < waiting.length; from += 10_000)
    await queue.send(waiting.slice(from, from + 10_000), 900_000);
  await new Promise((resolve) => setTimeout(resolve, 300));

  const refused = requestFor([dns(freshName())]);
  const first = await client.enroll(refused, 'device', device);
  expect(problemOf(first)).toBe('503 queue-too-deep');
  const retryAfterSeconds = Number(first.headers['retry-after']);
  expect(retryAfterSeconds).toBeGreaterThanOrEqual(1);
  expect(retryAfterSeconds).toBeLessThanOrEqual(600);
  expect((await local.stack.ledger.unsettled('devices')).received).toBe(0);

  const again = await client.enroll(known, 'device', device);
  expect([again.status, again.json().issuanceId]).toEqual([200, issuanceId]);
  expect((await client.call({ path: `/v1/enrollments/${issuanceId}`, token: device })).status).toBe(200);
  // What is malformed, or not allowed, is told so whatever waits.
  expect(problemOf(await client.enroll('nonsense', 'device', device))).toMatch(/^400 /);
  expect(problemOf(await client.enroll(requestFor([dns(freshName())]), 'nonsense', device))).toBe(
    '404 profile-unknown',
  );
});
