import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { secretSha256 } from '../../shared/adapters/aws-lambda/callers.ts';
import type { OperatorRole } from '../../shared/issuance/issuance-record.ts';
import { type LocalStack, startLocalStack } from '../support/service.ts';
import { createServiceClient, problemOf, type ServiceClient } from '../support/service-client.ts';

let local: LocalStack;
let client: ServiceClient;
let operator: string;

beforeAll(async () => {
  local = await startLocalStack();
  client = createServiceClient(local.url);
  ({ operator } = local.tokens);
});

afterAll(() => local?.close());

async function operatorWith(id: string, roles: readonly OperatorRole[]): Promise<string> {
  const secret = `sw_o_${Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString('base64url')}`;
  await local.stack.operators.create({ id, name: id, roles, createdAt: Date.now(), sha256: secretSha256(secret) });
  return secret;
}

const call = (verb: string, token: string | undefined, ca = 'devices') =>
  client.call({ method: 'POST', path: `/v1/authorities/${ca}/${verb}`, token });

describe('freezing a CA', () => {
  it('stops it, keeps the first operator when it is done twice, and is lifted by another (freeze-two-operators)', async () => {
    const second = await operatorWith('second', ['hierarchy:apply']);
    const frozen = await call('freeze', operator);
    expect([frozen.status, frozen.json()]).toMatchObject([200, { authority: 'devices', frozen: true, changed: true }]);
    expect(await local.stack.registry.isFrozen('devices')).toBe(true);
    const by = frozen.json().changedBy;
    expect((await call('freeze', second)).json()).toMatchObject({ frozen: true, changed: false, changedBy: by });
    const refused = await call('unfreeze', operator);
    expect(problemOf(refused)).toBe('403 second-operator-needed');
    expect(await local.stack.registry.isFrozen('devices')).toBe(true);
    expect((await call('unfreeze', second)).json()).toMatchObject({
      frozen: false,
      changed: true,
      changedBy: 'second',
    });
    expect(await local.stack.registry.isFrozen('devices')).toBe(false);
    const log = (await local.stack.operatorLog.list(20)).filter(({ subject }) => subject === 'devices');
    expect(log.map(({ action, outcome }) => [action, outcome])).toEqual([
      ['hierarchy:unfreeze', 'done'],
      ['hierarchy:unfreeze', 'refused'],
      ['hierarchy:freeze', 'done'],
    ]);
  });

  it('is refused without the role, which is logged, and of a CA that is not there (freeze-refused)', async () => {
    const reader = await operatorWith('reader', ['inventory:read']);
    const refused = await call('freeze', reader);
    expect(problemOf(refused)).toBe('403 role-missing');
    const [entry] = await local.stack.operatorLog.list(1);
    expect(entry).toMatchObject({ operatorId: 'reader', action: 'hierarchy:freeze', outcome: 'refused' });
    expect((await call('freeze', operator, 'nobody')).status).toBe(404);
    expect((await call('freeze', local.tokens.device)).status).toBe(401);
  });
});
