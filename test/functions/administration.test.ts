import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { enrolmentSecretPrefix, secretSha256 } from '../../shared/adapters/aws-lambda/callers.ts';
import { operatorRoles } from '../../shared/issuance/issuance-record.ts';
import { dns, freshName, type LocalStack, newP256, requestFor, startLocalStack, uri } from '../support/service.ts';
import {
  createServiceClient,
  credentialBody,
  problemOf,
  type ServiceClient,
  violationCodes,
  violationsOf,
} from '../support/service-client.ts';

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

const json = { 'content-type': 'application/json' };

function create(body: unknown, token: string | undefined = operator, headers: Readonly<Record<string, string>> = json) {
  return client.call({ method: 'POST', path: '/v1/credentials', token, headers, body: JSON.stringify(body) });
}

function csr(name = freshName(), key = newP256()): Uint8Array {
  return requestFor([dns(name)], key);
}

async function operatorWith(roles: readonly (typeof operatorRoles)[number][], changes: object = {}): Promise<string> {
  const secret = `sw_o_${Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString('base64url')}`;
  const { operators } = local.stack;
  const id = `operator-${secret.slice(5, 12)}`;
  await operators.create({ id, name: id, roles, createdAt: Date.now(), sha256: secretSha256(secret), ...changes });
  return secret;
}

describe('credentials', () => {
  it('are made by an operator: the secret is in that answer only, and enrols', async () => {
    const { credential, secret } = await client.createCredential(operator);
    expect(secret.startsWith(enrolmentSecretPrefix)).toBe(true);
    expect(credential).toMatchObject({
      principal: 'plant-8/pumps',
      owner: 'plant-8',
      fleet: 'pumps',
      used: 0,
      revokedAt: null,
    });
    const list = await client.call({ path: '/v1/credentials', token: operator });
    expect(list.text.includes(secret)).toBe(false);
    expect(list.json().credentials.map(({ id }: { id: string }) => id)).toContain(credential.id);
    expect((await client.settled(csr(), 'device', secret)).status).toBe(200);
  });

  it('expire after 30 days unless told otherwise, and at most 366 days away', async () => {
    const dayMs = 86_400_000;
    const days = async (changes: object) => {
      const { credential } = await client.createCredential(operator, { ...changes });
      return Math.round((Date.parse(credential.expiresAt) - Date.now()) / dayMs);
    };
    expect(await days({})).toBe(30);
    expect(await days({ expiresInDays: 366 })).toBe(366);
    expect(await days({ expiresAt: new Date(Date.now() + 2 * dayMs).toISOString() })).toBe(2);
  });

  it.each([
    ['owner', { owner: undefined }],
    ['owner', { owner: '' }],
    ['owner', { owner: '../x' }],
    ['owner', { owner: 'a\nb' }],
    ['owner', { owner: 'x'.repeat(65) }],
    ['owner', { owner: 7 }],
    ['fleet', { fleet: ['a'] }],
    ['principal', { principal: 'a b' }],
    ['profiles', { profiles: [] }],
    ['profiles', { profiles: ['device', 'nope'] }],
    ['profiles', { profiles: 'device' }],
    ['profiles', { profiles: Array.from({ length: 101 }, () => 'device') }],
    ['names', { names: {} }],
    ['names', { names: null }],
    ['names', { names: { dns: [], spiffe: [], ip: [] } }],
    ['names.dns', { names: { dns: ['*'] } }],
    ['names.dns', { names: { dns: ['*.*.example'] } }],
    ['names.dns', { names: { dns: ['a..b'] } }],
    ['names.dns', { names: { dns: [1] } }],
    ['names.spiffe', { names: { spiffe: ['https://fleet.example/x'] } }],
    ['names.spiffe', { names: { spiffe: ['spiffe://*'] } }],
    ['names.spiffe', { names: { spiffe: ['spiffe://fleet.example/../x'] } }],
    ['names.ip', { names: { ip: ['10.0.0.0/33'] } }],
    ['names.ip', { names: { ip: ['all'] } }],
    ['countMax', { countMax: 0 }],
    ['countMax', { countMax: 1.5 }],
    ['countMax', { countMax: '10' }],
    ['countMax', { countMax: 1e9 }],
    ['countMax', { countMax: undefined }],
    ['expiresAt', { expiresAt: 'tomorrow' }],
    ['expiresAt', { expiresAt: 'Dec 1 2027' }],
    ['expiresAt', { expiresAt: '2020-01-01T00:00:00Z' }],
    ['expiresAt', { expiresAt: '2999-01-01T00:00:00Z' }],
    ['expiresAt', { expiresAt: 1_900_000_000_000 }],
    ['expiresAt', { expiresAt: null }],
    ['expiresInDays', { expiresInDays: 0 }],
    ['expiresInDays', { expiresInDays: 367 }],
    ['expiresInDays', { expiresInDays: '30' }],
    ['only', { expiresInDay: 1 }],
  ])('of a wrong %s are refused, and the field is named: %.80j', async (field, changes) => {
    const answer = await create({ ...credentialBody, ...changes });
    expect(problemOf(answer)).toBe('400 request-malformed');
    expect(answer.json().detail).toMatch(new RegExp(`(^|; )${field}`));
  });

  it('name every fault at once', async () => {
    const { detail } = (await create({})).json();
    for (const field of ['owner', 'fleet', 'profiles', 'names', 'countMax']) expect(detail).toContain(`${field}: `);
  });

  it('never have the principal of another owner by default [ids are injective on field boundaries]', async () => {
    const answers = [
      await create({ ...credentialBody, owner: 'a/b', fleet: 'c' }),
      await create({ ...credentialBody, owner: 'a', fleet: 'b/c' }),
    ];
    expect(answers.map(problemOf)).toEqual(['400 request-malformed', '400 request-malformed']);
  });

  it('may have the longest owner and fleet', async () => {
    const { credential } = await client.createCredential(operator, { owner: 'o'.repeat(64), fleet: 'f'.repeat(64) });
    expect(credential.principal).toHaveLength(129);
  });

  it('are refused to a device (401), to nobody (401), to an operator without the role (403)', async () => {
    const reader = await operatorWith(['inventory:read', 'name:release']);
    expect(problemOf(await create(credentialBody, device))).toBe('401 credential-invalid');
    expect(problemOf(await client.call({ method: 'POST', path: '/v1/credentials', headers: json, body: '{}' }))).toBe(
      '401 credential-missing',
    );
    const answer = await create(credentialBody, reader);
    expect(problemOf(answer)).toBe('403 role-missing');
    expect(answer.json().detail).toContain('credential:write');
    expect(problemOf(await client.call({ path: '/v1/credentials', token: reader }))).toBe('403 role-missing');
    expect(problemOf(await client.call({ method: 'DELETE', path: '/v1/credentials/x', token: reader }))).toBe(
      '403 role-missing',
    );
  });

  it('are refused to an operator who was revoked, or whose time is over', async () => {
    for (const changes of [{ revokedAt: Date.now() - 1 }, { expiresAt: Date.now() - 1 }])
      expect(problemOf(await create(credentialBody, await operatorWith([...operatorRoles], changes)))).toBe(
        '401 credential-invalid',
      );
  });

  it('answer 415 to anything but JSON, 400 to what is none, 413 to too much', async () => {
    expect(problemOf(await create(credentialBody, operator, { 'content-type': 'text/plain' }))).toBe(
      '415 media-type-not-supported',
    );
    expect(problemOf(await create(credentialBody, operator, {}))).toBe('415 media-type-not-supported');
    expect(
      problemOf(
        await client.call({ method: 'POST', path: '/v1/credentials', token: operator, headers: json, body: '{' }),
      ),
    ).toBe('400 request-malformed');
    expect(problemOf(await create({ ...credentialBody, owner: 'x'.repeat(70_000) }))).toBe('413 body-too-large');
  });

  it('page with a cursor, whatever stands in it', async () => {
    for (const cursor of ['', 'zzzz', '%27%20OR%201=1', '%00', '../..']) {
      const answer = await client.call({ path: `/v1/credentials?cursor=${cursor}`, token: operator });
      expect(answer.status, cursor).toBe(200);
      expect(answer.json().nextCursor).toBeNull();
    }
  });
});

describe('the end of a credential', () => {
  const revoke = (id: string, token = operator) =>
    client.call({ method: 'DELETE', path: `/v1/credentials/${id}`, token });

  it('is 401 from the revocation on; what it was given can still be fetched by its principal', async () => {
    const { credential, secret } = await client.createCredential(operator, { owner: 'plant-9' });
    const sibling = await client.createCredential(operator, { owner: 'plant-9' });
    const issued = await client.settled(csr(), 'device', secret);
    expect((await revoke(credential.id)).status).toBe(204);
    expect((await revoke(credential.id)).status).toBe(204);
    expect(problemOf(await client.enroll(csr(), 'device', secret))).toBe('401 credential-invalid');
    const at = issued.headers.location!;
    expect(problemOf(await client.call({ path: at, token: secret }))).toBe('401 credential-invalid');
    expect((await client.call({ path: at, token: sibling.secret })).status).toBe(200);
    const list = (await client.call({ path: '/v1/credentials', token: operator })).json().credentials;
    expect(list.find(({ id }: { id: string }) => id === credential.id).revokedAt).toMatch(/^20/);
  });

  it('is 404 for one that never was', async () => {
    for (const id of ['nope', '%00', '..%2f..', "'--"]) expect(problemOf(await revoke(id))).toBe('404 not-found');
  });

  it('comes with its time', async () => {
    const { secret } = await client.createCredential(operator, { expiresAt: new Date(Date.now() + 700).toISOString() });
    expect((await client.enroll(csr(), 'device', secret)).status).toBe(202);
    await sleep(800);
    expect(problemOf(await client.enroll(csr(), 'device', secret))).toBe('401 credential-invalid');
  });

  it('comes with its count: 422 at the POST, which names it, while repeats are still answered', async () => {
    const { secret } = await client.createCredential(operator, { countMax: 2, fleet: 'counted' });
    const first = csr();
    expect((await client.settled(first, 'device', secret)).status).toBe(200);
    expect((await client.settled(csr(), 'device', secret)).status).toBe(200);
    const third = await client.enroll(csr(), 'device', secret);
    expect(problemOf(third)).toBe('422 policy-refused');
    expect(violationsOf(third)).toEqual([
      expect.objectContaining({
        code: 'credential-count-used-up',
        message: expect.stringContaining('as many certificates as it may'),
      }),
    ]);
    expect((await client.enroll(first, 'device', secret)).status).toBe(200);
  });

  it('is not hastened by requests that are refused at the door', async () => {
    const { credential, secret } = await client.createCredential(operator, { countMax: 1, fleet: 'door' });
    for (let n = 0; n < 5; n++) expect((await client.enroll('garbage', 'device', secret)).status).toBe(400);
    expect((await client.settled(csr(), 'device', secret)).status).toBe(200);
    const list = (await client.call({ path: '/v1/credentials', token: operator })).json().credentials;
    expect(list.find(({ id }: { id: string }) => id === credential.id).used).toBe(1);
  });

  it('counts 50 identical POSTs at the same time once [data-model.md: used counts distinct issuances]', async () => {
    const { credential, secret } = await client.createCredential(operator, { countMax: 3, fleet: 'raced' });
    const der = csr();
    const answers = await Promise.all(Array.from({ length: 50 }, () => client.enroll(der, 'device', secret)));
    expect(new Set(answers.map(({ status }) => status >= 300))).toEqual(new Set([false]));
    expect(new Set(answers.map((answer) => answer.json().issuanceId)).size).toBe(1);
    const list = (await client.call({ path: '/v1/credentials', token: operator })).json().credentials;
    expect(list.find(({ id }: { id: string }) => id === credential.id).used).toBe(1);
  });

  it('never lets more through than its count, however many come at once', async () => {
    const { secret } = await client.createCredential(operator, { countMax: 5, fleet: 'crowd' });
    const answers = await Promise.all(Array.from({ length: 30 }, () => client.enroll(csr(), 'device', secret)));
    expect(answers.filter(({ status }) => status === 202)).toHaveLength(5);
    expect(answers.filter(({ status }) => status === 422)).toHaveLength(25);
  });
});

describe('names', () => {
  const release = (name: string, token = operator) =>
    client.call({ method: 'DELETE', path: `/v1/names/${encodeURIComponent(name)}`, token });

  it('outside the scope are refused in words that name them', async () => {
    const { secret } = await client.createCredential(operator, { names: { dns: ['*.pumps.fleet.example'] } });
    const answer = await client.settled(csr('valve-1.fleet.example'), 'device', secret);
    expect(problemOf(answer)).toBe('422 policy-refused');
    expect(violationsOf(answer)[0]).toMatchObject({
      code: 'name-out-of-scope',
      field: 'subjectAltName[0]',
      message: expect.stringContaining("'valve-1.fleet.example' is outside the names this credential may ask for"),
    });
    expect((await client.settled(csr('valve-1.pumps.fleet.example'), 'device', secret)).status).toBe(200);
  });

  it.each([
    'fleet.example',
    'a.b.fleet.example',
    'xfleet.example',
    'a.fleet.example.',
    'a.fleet.example.elsewhere.example',
    'fleet.example.elsewhere.example',
    '*.fleet.example',
    'A.FLEET.EXAMPLE.',
  ])('%s is not one label below fleet.example', async (name) => {
    const answer = await client.settled(csr(name), 'device', device);
    expect(answer.status, answer.text).toBe(422);
  });

  it('held by another key are refused in words a person understands, and issued after a release', async () => {
    const name = freshName('held');
    const [first, second] = [csr(name), csr(name)];
    expect((await client.settled(first, 'device', device)).status).toBe(200);
    const refused = await client.settled(second, 'device', device);
    expect(problemOf(refused)).toBe('422 policy-refused');
    expect(violationsOf(refused)).toEqual([
      expect.objectContaining({
        code: 'name-held',
        field: 'subjectAltName',
        message: `dns:${name} is held for another key: renew with the current certificate, or have an operator release the name`,
      }),
    ]);
    // The same POST is the same refusal until something changes.
    expect((await client.settled(second, 'device', device)).status).toBe(422);
    expect((await release(name)).status).toBe(204);
    const issued = await client.settled(second, 'device', device);
    expect(issued.status).toBe(200);
    expect(issued.json().issuanceId.endsWith('.2')).toBe(true);
    // The name is the second key's now, and its first holder is not handed another certificate.
    expect(problemOf(await client.settled(first, 'service', device))).toBe('422 policy-refused');
  });

  it('are held across profiles and whatever their case [data-model.md: name holder]', async () => {
    const name = freshName('cased');
    expect((await client.settled(csr(name.toUpperCase()), 'device', device)).status).toBe(200);
    expect(violationCodes(await client.settled(csr(name), 'service', device))).toEqual(['name-held']);
    expect((await release(name.toUpperCase())).status).toBe(204);
    expect((await client.settled(csr(name), 'service', device)).status).toBe(200);
  });

  it('of another owner say so', async () => {
    const name = freshName('owned');
    const { secret } = await client.createCredential(operator, { owner: 'plant-10' });
    expect((await client.settled(csr(name), 'device', device)).status).toBe(200);
    const answer = await client.settled(csr(name), 'device', secret);
    expect(violationsOf(answer)[0]!.message).toContain('is held for another owner');
  });

  it('are released by their SPIFFE id, and by their hold key', async () => {
    const id = `spiffe://fleet.example/${freshName()}`;
    const issue = () => client.settled(requestFor([uri(id)]), 'svid', device);
    expect((await issue()).status).toBe(200);
    expect((await issue()).status).toBe(422);
    expect((await release(id)).status).toBe(204);
    expect((await issue()).status).toBe(200);
    expect((await release(`uri:${id}`)).status).toBe(204);
  });

  it('that nobody holds are 404, and only the role releases', async () => {
    for (const name of ['nobody.fleet.example', '', ' ', '\u0000', '../..', 'dns:', '10.0.0.1'].filter(
      (one) => one !== '',
    ))
      expect(problemOf(await release(name))).toBe('404 not-found');
    const reader = await operatorWith(['credential:write']);
    expect(problemOf(await release('nobody.fleet.example', reader))).toBe('403 role-missing');
    expect(problemOf(await release('nobody.fleet.example', device))).toBe('401 credential-invalid');
  });

  it('go to one of two keys that ask at the same time', async () => {
    const name = freshName('contended');
    const answers = await Promise.all(Array.from({ length: 8 }, () => client.settled(csr(name), 'device', device)));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 422, 422, 422, 422, 422, 422, 422]);
  });
});

describe('keys', () => {
  it('of another owner are refused; of the same owner they get another name', async () => {
    const key = newP256();
    const { secret } = await client.createCredential(operator, { owner: 'plant-11' });
    expect((await client.settled(csr(freshName(), key), 'device', device)).status).toBe(200);
    expect((await client.settled(csr(freshName(), key), 'device', device)).status).toBe(200);
    const answer = await client.settled(csr(freshName(), key), 'device', secret);
    expect(violationsOf(answer)).toEqual([
      expect.objectContaining({
        code: 'key-of-another-owner',
        message: 'the key belongs to another owner: make a new one',
      }),
    ]);
  });
});

it('what operators did is written down', async () => {
  const entries = await local.stack.operatorLog.list(1_000);
  expect(new Set(entries.map(({ action }) => action))).toEqual(
    new Set(['credential:create', 'credential:revoke', 'name:release']),
  );
  expect(local.hostErrors).toEqual([]);
});
