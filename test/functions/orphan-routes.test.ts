import type { APIGatewayProxyEventV2 } from 'aws-lambda';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { listAudits, runAudits } from '../../functions/administration/audits.ts';
import { listOrphaned, settle } from '../../functions/administration/orphans.ts';
import { secretSha256 } from '../../shared/adapters/aws-lambda/callers.ts';
import type { HttpResponse } from '../../shared/adapters/aws-lambda/http-response.ts';
import type { OperatorRole } from '../../shared/issuance/issuance-record.ts';
import { issue } from '../support/acm-pca-endpoint.ts';
import { validateResponse } from '../support/openapi.ts';
import { lostIssuance, type OrphanWorld, openOrphanWorld } from '../support/orphan-world.ts';

let world: OrphanWorld;
beforeEach(async () => {
  world = await openOrphanWorld();
});
afterEach(() => world.close());

const minuteMs = 60_000;

function wired() {
  const { ledger, audits, operators, operatorLog } = world.store;
  return { ledger, audits, operators, operatorLog, clock: world.endpoint.now, reportingPorts: async () => world.ports };
}

async function operatorWith(...roles: readonly OperatorRole[]): Promise<string> {
  const secret = `sw_o_${Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString('base64url')}`;
  const id = `operator-${secret.slice(5, 12)}`;
  await world.store.operators.create({ id, name: id, roles, createdAt: 0, sha256: secretSha256(secret) });
  return secret;
}

type Route = (wiring: ReturnType<typeof wired>, event: APIGatewayProxyEventV2) => Promise<HttpResponse>;

/** Calls a route, and holds its answer to the description. */
async function call(
  route: Route,
  method: string,
  path: string,
  token: string,
  options: { readonly body?: unknown; readonly issuanceId?: string } = {},
) {
  const event = {
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    pathParameters: { issuanceId: options.issuanceId },
    ...(options.body === undefined ? {} : { body: JSON.stringify(options.body), isBase64Encoded: false }),
  } as unknown as APIGatewayProxyEventV2;
  const answer = await route(wired(), event);
  expect(
    validateResponse(method, path, answer.statusCode, String(answer.headers?.['content-type']), answer.body ?? ''),
  ).toEqual([]);
  return JSON.parse(answer.body ?? '{}');
}

async function suspected(): Promise<string> {
  const id = await lostIssuance(world, 'before');
  world.endpoint.advance(5 * minuteMs);
  await world.minute();
  return id;
}

describe('GET /v1/orphans', () => {
  it('lists what is suspected, with what a person needs to look for it', async () => {
    const id = await suspected();
    const token = await operatorWith('inventory:read');
    const { orphans } = await call(listOrphaned, 'GET', '/v1/orphans', token);
    const record = await world.record(id);
    expect(orphans).toEqual([
      expect.objectContaining({
        issuanceId: id,
        authority: 'devices',
        names: record.names,
        spkiSha256: record.spkiSha256,
        notAfter: new Date(record.intent!.notAfter).toISOString(),
        absenceProvableFrom: new Date(record.intent!.at + 840_000).toISOString(),
        lastReport: expect.objectContaining({ status: 'ready' }),
      }),
    ]);
  });

  it('is for operators who may read the inventory', async () => {
    const token = await operatorWith('hierarchy:apply');
    await expect(call(listOrphaned, 'GET', '/v1/orphans', token)).rejects.toMatchObject({ code: 'role-missing' });
  });
});

describe('POST /v1/orphans/{issuanceId}/settlement', () => {
  const path = (id: string) => `/v1/orphans/${id}/settlement`;

  it('declares absent, and the signer issues anew', async () => {
    const id = await suspected();
    world.endpoint.advance(15 * minuteMs);
    const token = await operatorWith('hierarchy:apply');
    const body = { decision: 'absent', reportChecked: true };
    expect(await call(settle, 'POST', path(id), token, { body, issuanceId: id })).toEqual({
      issuanceId: id,
      status: 'approved',
    });
    await world.sign(...world.sent.splice(0));
    expect((await world.record(id)).state).toBe('issued');
    const [entry] = await world.store.operatorLog.list(1);
    expect(entry).toMatchObject({ action: 'orphan:absent', subject: id, outcome: 'done' });
  });

  it('is refused without the role, for an unknown id, and for what is no orphan', async () => {
    const id = await suspected();
    const body = { decision: 'absent', reportChecked: true };
    const reader = await operatorWith('inventory:read', 'dlq:write');
    await expect(call(settle, 'POST', path(id), reader, { body, issuanceId: id })).rejects.toMatchObject({
      code: 'role-missing',
    });
    const token = await operatorWith('hierarchy:apply');
    for (const issuanceId of ['x', `${'A'.repeat(43)}.1`])
      await expect(call(settle, 'POST', path('x'), token, { body, issuanceId })).rejects.toMatchObject({
        code: 'not-found',
      });
    const issued = await world.approve();
    await world.sign(issued);
    await expect(call(settle, 'POST', path(issued), token, { body, issuanceId: issued })).rejects.toMatchObject({
      code: 'orphan-settled',
      clientDetail: 'the issuance is issued',
    });
    expect((await world.store.operatorLog.list(10)).map(({ outcome }) => outcome)).toEqual([
      'refused',
      'refused',
      'refused',
    ]);
  });
});

describe('the audits', () => {
  it('are run and kept, and name what the ledger does not know', async () => {
    const [reader, operator] = [await operatorWith('inventory:read'), await operatorWith('hierarchy:apply')];
    expect(await call(listAudits, 'GET', '/v1/audits', reader)).toEqual({ audits: [], waiting: [] });
    const arn = await issue(world.endpoint.client, world.issuer.backendRef);
    const run = await call(runAudits, 'POST', '/v1/audits', operator);
    expect(run.waiting).toEqual([]);
    expect(run.audits[0]).toMatchObject({
      authority: 'devices',
      certificates: 1,
      unknownCertificates: { count: 1, named: [{ certificateArn: arn, subject: 'CN=a.example', revokedAt: null }] },
      unknownIssuances: { count: 0, named: [] },
    });
    expect((await call(listAudits, 'GET', '/v1/audits', reader)).audits).toEqual(run.audits);
    expect((await world.store.operatorLog.list(1))[0]).toMatchObject({ action: 'audit:run', outcome: 'done' });
    await expect(call(runAudits, 'POST', '/v1/audits', reader)).rejects.toMatchObject({ code: 'role-missing' });
  });
});
