import { createHash } from 'node:crypto';
import type { Context } from 'aws-lambda';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { secretSha256 } from '../../shared/adapters/aws-lambda/callers.ts';
import { parseCertificateList } from '../../shared/pki/certificate-list.ts';
import { opensslCrlCheck } from '../support/openssl-crl.ts';
import { dns, freshName, type LocalStack, newP256, requestFor, startLocalStack } from '../support/service.ts';
import { createServiceClient, problemOf, type ServiceClient } from '../support/service-client.ts';

let local: LocalStack;
let client: ServiceClient;

beforeAll(async () => {
  local = await startLocalStack();
  client = createServiceClient(local.url);
});

afterAll(() => local?.close());

const key = newP256();

async function issue(profile: string, pair = newP256()) {
  const settled = await client.settled(requestFor([dns(freshName())], pair), profile, local.tokens.device);
  expect(settled.status).toBe(200);
  const record = await local.stack.ledger.get(settled.json().issuanceId);
  const fingerprint = createHash('sha256').update(record!.certificateDer!).digest('hex');
  return { record: record!, fingerprint };
}

function revoke(fingerprint: string, reason: unknown, token: string | undefined = local.tokens.operator) {
  return client.call({
    method: 'POST',
    path: `/v1/certificates/${fingerprint}/revocation`,
    token,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ reason }),
  });
}

describe('a revocation', () => {
  it('is at the CA and in the ledger, once: the first reason and time stay (revoke-idempotent)', async () => {
    const { fingerprint, record } = await issue('device');
    const first = await revoke(fingerprint, 'superseded');
    expect([first.status, first.json()]).toMatchObject([
      200,
      { status: 'revoked', already: false, reason: 'superseded' },
    ]);
    const again = await revoke(fingerprint.toUpperCase(), 'keyCompromise');
    expect([again.status, again.json()]).toMatchObject([200, { already: true, reason: 'superseded' }]);
    expect(again.json().revokedAt).toBe(first.json().revokedAt);
    expect((await local.stack.ledger.get(record.issuanceId))!.state).toBe('revoked');
    expect(await local.stack.revocations.unfinished(10)).toEqual([]);
  });

  it('for keyCompromise refuses the key for ever (revoke-compromise)', async () => {
    const { fingerprint } = await issue('device', key);
    expect((await revoke(fingerprint, 'keyCompromise')).status).toBe(200);
    const refused = await client.settled(requestFor([dns(freshName())], key), 'device', local.tokens.device);
    expect(problemOf(refused)).toBe('422 policy-refused');
    expect(refused.json().violations.map(({ code }: { code: string }) => code)).toContain('key-compromised');
  });

  it('that was for another reason leaves the key good until it is said to be compromised (revoke-compromise-after)', async () => {
    const pair = newP256();
    const { fingerprint } = await issue('device', pair);
    expect((await revoke(fingerprint, 'superseded')).status).toBe(200);
    const again = await revoke(fingerprint, 'keyCompromise');
    expect([again.status, again.json()]).toMatchObject([200, { already: true, reason: 'superseded' }]);
    const refused = await client.settled(requestFor([dns(freshName())], pair), 'device', local.tokens.device);
    expect(problemOf(refused)).toBe('422 policy-refused');
    expect(refused.json().violations.map(({ code }: { code: string }) => code)).toContain('key-compromised');
    const [entry] = await local.stack.operatorLog.list(1);
    expect(entry).toMatchObject({ subject: `${fingerprint} keyCompromise, revoked before`, outcome: 'done' });
  });

  it('is refused for a reason that is none or not for good, for what is not ours, without the role (revoke-refused)', async () => {
    const { fingerprint } = await issue('device');
    expect(problemOf(await revoke(fingerprint, 'certificateHold'))).toBe('422 reason-not-allowed');
    expect(problemOf(await revoke(fingerprint, 'whim'))).toBe('400 request-malformed');
    expect(problemOf(await revoke('ab'.repeat(32), 'superseded'))).toBe('404 not-found');
    const secret = `sw_o_${Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString('base64url')}`;
    const reader = { id: 'reader', name: 'reader', roles: ['inventory:read'] as const, createdAt: Date.now() };
    await local.stack.operators.create({ ...reader, sha256: secretSha256(secret) });
    expect(problemOf(await revoke(fingerprint, 'superseded', secret))).toBe('403 role-missing');
    const [entry] = await local.stack.operatorLog.list(1);
    expect(entry).toMatchObject({ operatorId: 'reader', action: 'certificate:revoke', outcome: 'refused' });
    expect((await revoke(fingerprint, 'superseded', local.tokens.device)).status).toBe(401);
  });
});

describe('the CRL of a CA in the HSM', () => {
  it('is served over plain HTTP, and has what was revoked after the next run (crl-served)', async () => {
    const { fingerprint, record } = await issue('service');
    const path = `/v1/crls/${record.caId}/${record.generation}-${record.crlShard}`;
    expect((await revoke(fingerprint, 'superseded')).status).toBe(200);
    const { handler } = await import('../../functions/crls/handler.ts');
    const report = await handler({}, { functionName: 'schedule' } as Context);
    expect(report).toMatchObject({ failed: 0, left: 0 });
    expect(report?.published).toBeGreaterThan(0);
    const answer = await fetch(new URL(path, local.url));
    expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'application/pkix-crl']);
    expect(answer.headers.get('cache-control')).toMatch(/^public, max-age=\d+$/);
    const crl = new Uint8Array(await answer.arrayBuffer());
    expect(parseCertificateList(crl).entries.map(({ serial }) => serial)).toContain(record.serial);
    const issuer = (await local.stack.authorities.newest(record.caId))!;
    const check = opensslCrlCheck(record.certificateDer!, [issuer.certificateDer, ...issuer.chain], crl, Date.now());
    expect(check.output).toContain('certificate revoked');
    expect((await fetch(new URL('/v1/crls/workloads/1-999999', local.url))).status).toBe(404);
  });
});
