import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { secretSha256 } from '../../shared/adapters/aws-lambda/callers.ts';
import { receiveCountMax } from '../../shared/adapters/stack/stack.ts';
import { dns, freshName, type LocalStack, requestFor, startLocalStack } from '../support/service.ts';
import { createServiceClient, problemOf, type ServiceClient } from '../support/service-client.ts';

let local: LocalStack;
let client: ServiceClient;
let device: string;
let operator: string;

beforeAll(async () => {
  local = await startLocalStack();
  client = createServiceClient(local.url);
  ({ device, operator } = local.tokens);
});

afterAll(() => local?.close());

/** A queue that nobody polls. */
const queueName = 'left-alone';

async function giveUp(bodies: readonly string[], error?: string): Promise<void> {
  const queue = local.stack.queue(queueName);
  await queue.send(bodies);
  for (let delivery = 0; delivery <= receiveCountMax; delivery++) {
    const messages = await queue.receive({ countMax: 100, visibilityMs: 60_000, waitMsMax: 0 });
    const receipts = messages.map(({ receipt }) => receipt);
    await queue.release(receipts, 0, error);
  }
}

const get = (path: string, token: string | undefined = operator) => client.call({ path, token });
const redrive = (id: string, token: string | undefined = operator) =>
  client.call({ method: 'POST', path: `/v1/dead-letters/${encodeURIComponent(id)}/redrive`, token });

async function letters(query = '') {
  const answer = await get(`/v1/dead-letters${query}`);
  expect(answer.status).toBe(200);
  return answer.json();
}

describe('dead letters over HTTP', () => {
  it('are listed with why, how often and the last error, and what the ledger says', async () => {
    const { issuanceId } = (await client.settled(requestFor([dns(freshName())]), 'device', device)).json();
    await giveUp([issuanceId], 'CKR_DEVICE_ERROR');
    const { deadLetters, nextCursor } = await letters(`?queue=${queueName}`);
    expect(nextCursor).toBeNull();
    expect(deadLetters).toMatchObject([
      {
        queue: queueName,
        issuanceId,
        body: issuanceId,
        receiveCount: receiveCountMax,
        lastError: 'CKR_DEVICE_ERROR',
        issuance: { state: 'issued', lastError: null },
      },
    ]);
    const one = await get(`/v1/dead-letters/${deadLetters[0].id}`);
    expect(one.json()).toEqual(deadLetters[0]);

    const [before] = await local.stack.operatorLog.list(1);
    expect((await redrive(deadLetters[0].id)).json()).toEqual({ id: deadLetters[0].id, queue: queueName });
    expect(problemOf(await redrive(deadLetters[0].id))).toBe('404 not-found');
    expect(problemOf(await get(`/v1/dead-letters/${deadLetters[0].id}`))).toBe('404 not-found');
    const log = (await local.stack.operatorLog.list(10)).filter(({ action }) => action === 'dlq:redrive');
    expect(log.map(({ outcome }) => outcome).toSorted()).toEqual(['done', 'refused']);
    expect(log.some(({ subject }) => subject.includes(issuanceId))).toBe(true);
    expect(before?.action).not.toBe('dlq:redrive');

    const queue = local.stack.queue(queueName);
    const [message, ...others] = await queue.receive({ countMax: 10, visibilityMs: 60_000, waitMsMax: 0 });
    expect([message?.body, message?.receiveCount, others]).toEqual([issuanceId, 1, []]);
    await queue.acknowledge([message!.receipt]);
  });

  it('show a poison message escaped and cut', async () => {
    await giveUp([`\u001b[2J\u202e<script>'"${'x'.repeat(900)}`]);
    const { deadLetters } = await letters();
    const [{ id, body, issuanceId, issuance }] = deadLetters;
    expect([issuanceId, issuance]).toEqual([null, null]);
    expect(body).toMatch(/^\\x1b\[2J\\u\{202e\}<script>/);
    expect(body.length).toBeLessThanOrEqual(200);
    expect((await redrive(id)).status).toBe(200);
    const log = await local.stack.operatorLog.list(1);
    expect(JSON.stringify(log)).not.toContain('\\u001b');
    await local.stack.queue(queueName).receive({ countMax: 10, visibilityMs: 600_000, waitMsMax: 0 });
  });

  it('are paged, and by queue', async () => {
    await giveUp(Array.from({ length: 5 }, (_, n) => `paged-${n}.1`));
    const seen: string[] = [];
    let cursor = '';
    do {
      const page = await letters(`?limit=2&queue=${queueName}${cursor === '' ? '' : `&cursor=${cursor}`}`);
      expect(page.deadLetters.length).toBeLessThanOrEqual(2);
      seen.push(...page.deadLetters.map(({ body }: { body: string }) => body));
      cursor = page.nextCursor ?? '';
    } while (cursor !== '');
    expect(seen).toEqual(['paged-0.1', 'paged-1.1', 'paged-2.1', 'paged-3.1', 'paged-4.1']);
    expect((await letters('?queue=another')).deadLetters).toEqual([]);
    for (const query of ['?limit=0', '?limit=1001', '?limit=x', '?queue=a%20b'])
      expect(problemOf(await get(`/v1/dead-letters${query}`))).toBe('400 request-malformed');
  });

  it('are for operators with the role dlq:write only', async () => {
    const secret = `sw_o_${'d'.repeat(43)}`;
    await local.stack.operators.create({
      id: 'operator-reader',
      name: 'reader',
      roles: ['inventory:read'],
      createdAt: Date.now(),
      sha256: secretSha256(secret),
    });
    for (const ask of [
      (token: string | undefined) => get('/v1/dead-letters', token),
      (token: string | undefined) => get('/v1/dead-letters/1-1', token),
      (token: string | undefined) => redrive('1-1', token),
    ]) {
      expect(problemOf(await ask(secret))).toBe('403 role-missing');
      expect(problemOf(await ask(device))).toBe('401 credential-invalid');
    }
    expect(problemOf(await client.call({ path: '/v1/dead-letters' }))).toBe('401 credential-missing');
  });

  it('with an id that is none are not found', async () => {
    for (const id of ['nonsense', '0-0', '999-999', '%00', `${'9'.repeat(30)}-1`, "'; DROP TABLE messages"]) {
      expect(problemOf(await redrive(id))).toBe('404 not-found');
    }
  });
});
