import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { secretSha256 } from '../../shared/adapters/aws-lambda/callers.ts';
import { operatorRoles } from '../../shared/issuance/issuance-record.ts';
import { evidencedFields, unevidenced } from '../support/custody-fields.ts';
import { type LocalStack, startLocalStack } from '../support/service.ts';
import { createServiceClient, problemOf, type ServiceClient } from '../support/service-client.ts';

let local: LocalStack;
let client: ServiceClient;
beforeAll(async () => {
  local = await startLocalStack();
  client = createServiceClient(local.url);
});
afterAll(() => local?.close());

async function operatorWith(roles: readonly (typeof operatorRoles)[number][]): Promise<string> {
  const secret = `sw_o_${Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString('base64url')}`;
  const id = `operator-${secret.slice(5, 12)}`;
  await local.stack.operators.create({ id, name: id, roles, createdAt: Date.now(), sha256: secretSha256(secret) });
  return secret;
}

describe('GET /v1/custody', () => {
  it('needs the role custody:read, and no other', async () => {
    const others = operatorRoles.filter((role) => role !== 'custody:read');
    const refused = await client.call({ path: '/v1/custody', token: await operatorWith(others) });
    expect(problemOf(refused)).toBe('403 role-missing');
    expect((await client.call({ path: '/v1/custody', token: await operatorWith(['custody:read']) })).status).toBe(200);
  });

  it('evidences a key in a file as what it is', async () => {
    const answer = await client.call({ path: '/v1/custody', token: local.tokens.operator });
    for (const entry of answer.json().authorities) {
      expect(unevidenced(entry, evidencedFields.file), entry.id).toEqual([]);
      expect(entry).toMatchObject({
        place: 'file',
        evidence: { source: 'process', securityLevel: 'none' },
        validation: { standard: null, basis: 'none: a file has no module that could be validated' },
        cost: { perMonth: 0 },
      });
    }
    expect(local.hostErrors).toEqual([]);
  });
});
