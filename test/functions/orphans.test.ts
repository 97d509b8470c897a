import { GetCertificateCommand, IssueCertificateCommand } from '@aws-sdk/client-acm-pca';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { issueRequest } from '../../shared/adapters/acm-pca/issue-request.ts';
import { reportMarginMs } from '../../shared/issuance/audit-report.ts';
import { decideOrphan, parseOrphanDecision } from '../../shared/issuance/decide-orphan.ts';
import type { TemplateIntent } from '../../shared/issuance/match-orphans.ts';
import { reconcile } from '../../shared/issuance/reconcile.ts';
import { settleOrphans } from '../../shared/issuance/settle-orphans.ts';
import { decodePemBlocks } from '../../shared/pki/pem.ts';
import { lostIssuance, type OrphanWorld, openOrphanWorld } from '../support/orphan-world.ts';
import { dns, freshName, newP256, requestFor } from '../support/service.ts';

let world: OrphanWorld;
beforeEach(async () => {
  world = await openOrphanWorld();
});
afterEach(() => world.close());

const minuteMs = 60_000;
const told = (kind: string) => world.told.filter((line) => line.startsWith(`${kind} `));

/** Issues at the CA with an issuance's own intent, behind the ledger's back, or with another request. */
async function plant(intent: TemplateIntent, csrDer: Uint8Array): Promise<string> {
  const { IdempotencyToken: _, ...request } = issueRequest(world.issuer.backendRef, csrDer, intent);
  const { CertificateArn } = await world.endpoint.client.send(new IssueCertificateCommand(request));
  return CertificateArn!;
}

async function intentOf(id: string): Promise<TemplateIntent> {
  const { intent } = await world.record(id);
  if (intent?.kind !== 'template') throw new Error('no template intent');
  return intent;
}

describe('an issuance whose IssueCertificate lost its answer', () => {
  it('is adopted from the audit report within six minutes, without a second certificate (adopted)', async () => {
    const id = await lostIssuance(world, 'after');
    expect(world.issuedCount()).toBe(1);
    await world.minutes(3);
    // The token may still be used; the signer that lost the answer is gone, and nobody is sent this id.
    expect((await world.record(id)).state).toBe('intended');
    await world.minutes(3);
    const record = await world.record(id);
    expect(record).toMatchObject({ state: 'issued', adopted: true });
    expect(record.ticket).toMatch(/\/certificate\/[0-9]+$/);
    expect(record.certificateDer).toBeDefined();
    expect([world.issuedCount(), told('adopted')]).toEqual([1, [`adopted ${id}`]]);
    const { Certificate } = await world.endpoint.client.send(
      new GetCertificateCommand({ CertificateAuthorityArn: world.issuer.backendRef, CertificateArn: record.ticket! }),
    );
    const [der] = decodePemBlocks(Certificate!, 'CERTIFICATE', 1);
    expect(Buffer.compare(der!, record.certificateDer!)).toBe(0);
  });

  it('is issued anew, once, when it never took effect and a report begun late enough says so (absence)', async () => {
    const id = await lostIssuance(world, 'before');
    const first = await intentOf(id);
    world.endpoint.advance(5 * minuteMs);
    await world.minute();
    expect(await world.record(id)).toMatchObject({ state: 'orphan-suspected' });
    // The first report is asked for at once and begins too early to prove anything; the CA gives the next after 30 minutes.
    await world.minutes(29);
    expect([(await world.record(id)).state, world.issuedCount()]).toEqual(['orphan-suspected', 0]);
    await world.minutes(3);
    const record = await world.record(id);
    expect([record.state, record.adopted, world.issuedCount()]).toEqual(['issued', undefined, 1]);
    expect(told('absent')).toEqual([`absent ${id}`]);
    const second = await intentOf(id);
    expect([second.idempotencyToken === first.idempotencyToken, second.at > first.at]).toEqual([false, true]);
    await world.minutes(40);
    expect(world.issuedCount()).toBe(1);
  });

  it('is adopted when its certificate was held back and is there in a later report (held)', async () => {
    world.endpoint.control({ authorities: { [world.issuer.backendRef]: { holdIssuance: true } } });
    const id = await lostIssuance(world, 'after');
    world.endpoint.advance(5 * minuteMs);
    await world.minutes(2);
    expect((await world.record(id)).state).toBe('orphan-suspected');
    world.endpoint.control({ authorities: { [world.issuer.backendRef]: { holdIssuance: false } } });
    await world.minutes(32);
    expect(await world.record(id)).toMatchObject({ state: 'issued', adopted: true });
    expect(world.issuedCount()).toBe(1);
  });

  it('is never adopted for its subject and names alone: another key is another certificate (adopt-by-key)', async () => {
    const name = freshName();
    const id = await lostIssuance(world, 'before', { name });
    const intent = await intentOf(id);
    const planted = await plant(intent, requestFor([dns(name)], newP256()));
    world.endpoint.advance(5 * minuteMs);
    await world.minutes(2);
    expect(await world.record(id)).toMatchObject({ state: 'orphan-suspected' });
    expect(world.told).toEqual([]);
    await world.minutes(31);
    const record = await world.record(id);
    expect(record.state).toBe('issued');
    expect(record.adopted).toBeUndefined();
    expect(record.ticket).not.toBe(planted);
  });

  it('is neither adopted nor issued again when its key has a certificate with other names: a person decides (mismatch)', async () => {
    const id = await lostIssuance(world, 'before');
    const { csrDer } = await world.record(id);
    const intent = await intentOf(id);
    const other = freshName();
    const arn = await plant({ ...intent, commonName: other, names: [dns(other)] }, csrDer);
    world.endpoint.advance(5 * minuteMs);
    await world.minutes(70);
    expect([(await world.record(id)).state, world.issuedCount()]).toEqual(['orphan-suspected', 1]);
    expect(told('mismatch')[0]).toBe(`mismatch ${id} ${arn}`);
    expect(told('absent')).toEqual([]);
  });

  it('adopts the first of two certificates that are its own, and the other is reported (duplicate)', async () => {
    const id = await lostIssuance(world, 'after');
    const { csrDer } = await world.record(id);
    world.endpoint.advance(1_000);
    const arn = await plant(await intentOf(id), csrDer);
    world.endpoint.advance(5 * minuteMs);
    await world.minutes(1);
    const record = await world.record(id);
    expect([record.state, record.ticket === arn]).toEqual(['issued', false]);
    expect(told('duplicate')).toEqual([`duplicate ${id} ${arn}`]);
  });

  it('each find their own among issuances of the same second, of which others were issued as usual (many)', async () => {
    const [orphans, others]: [string[], string[]] = [[], []];
    for (let n = 0; n < 5; n++) orphans.push(await world.approve());
    for (let n = 0; n < 5; n++) others.push(await world.approve());
    await world.sign(...others);
    world.endpoint.control({ failures: [{ operation: 'IssueCertificate', when: 'after', count: 100 }] });
    await world.sign(...orphans.slice(0, 3));
    world.endpoint.control({ failures: [{ operation: 'IssueCertificate', when: 'before', count: 100 }] });
    await world.sign(...orphans.slice(3));
    world.endpoint.control({ failures: [] });
    expect(world.issuedCount()).toBe(8);
    world.endpoint.advance(5 * minuteMs);
    await world.minutes(36);
    const records = await Promise.all([...orphans, ...others].map(world.record));
    expect(records.map(({ state, adopted }) => [state, adopted])).toEqual([
      ...Array.from({ length: 3 }, () => ['issued', true]),
      ...Array.from({ length: 7 }, () => ['issued', undefined]),
    ]);
    expect(new Set(records.map(({ serial }) => serial)).size).toBe(10);
    expect(world.issuedCount()).toBe(10);
  });
});

describe('the 30 minutes between reports', () => {
  it('are kept across a restart: no report is asked for that the CA would refuse (persisted)', async () => {
    await lostIssuance(world, 'before');
    world.endpoint.advance(5 * minuteMs);
    await world.minutes(1);
    const begun = () => world.endpoint.view().operations.CreateCertificateAuthorityAuditReport;
    expect(begun()).toMatchObject({ accepted: 1 });
    // What a new process knows is in the store alone.
    for (let minute = 0; minute < 29; minute++) {
      world.endpoint.advance(minuteMs);
      await settleOrphans({ ...world.ports });
    }
    expect(begun()).toMatchObject({ accepted: 1, errors: {} });
  });

  it('that somebody else began are waited for, and asked after every five minutes (not-now)', async () => {
    const id = await lostIssuance(world, 'after');
    const begun = await world.ports.auditReports.begin(world.issuer.backendRef);
    const reportId = begun.kind === 'begun' ? begun.reportId : '';
    // Written in real time, beside the calls.
    while ((await world.ports.auditReports.describe(world.issuer.backendRef, reportId)).kind === 'creating')
      await new Promise((resolve) => setTimeout(resolve, 5));
    world.endpoint.advance(5 * minuteMs);
    await world.minutes(24);
    expect((await world.record(id)).state).toBe('orphan-suspected');
    await world.minutes(6);
    expect(await world.record(id)).toMatchObject({ state: 'issued', adopted: true });
    const operations = world.endpoint.view().operations.CreateCertificateAuthorityAuditReport;
    expect(operations?.errors).toEqual({ RequestInProgressException: 5 });
  });

  it('do not count after a report that failed (failed)', async () => {
    world.endpoint.control({
      authorities: { [world.issuer.backendRef]: { failAuditReport: { reason: 'simulated', count: 1 } } },
    });
    const id = await lostIssuance(world, 'after');
    world.endpoint.advance(5 * minuteMs);
    await world.minutes(4);
    expect(await world.record(id)).toMatchObject({ state: 'issued', adopted: true });
  });
});

describe('an operator', () => {
  const ports = () => ({ ...world.ports, operatorLog: world.store.operatorLog });
  const decide = (id: string, body: object) =>
    decideOrphan(ports(), 'operator-1', id, parseOrphanDecision(body as Record<string, unknown>)).catch(
      ({ code, clientDetail }: { code: string; clientDetail?: string }) => `${code}: ${clientDetail}`,
    );

  it('adopts what is the issuance in everything, and nothing else (adopt)', async () => {
    const name = freshName();
    const id = await lostIssuance(world, 'before', { name });
    const { csrDer } = await world.record(id);
    const intent = await intentOf(id);
    world.endpoint.advance(5 * minuteMs);
    await reconcile({ ...world.ports, enrolmentQueue: world.ports.signingQueue('acm-pca')! });
    const foreign = await plant(intent, requestFor([dns(name)], newP256()));
    expect(await decide(id, { decision: 'adopt', certificateArn: foreign })).toMatch(
      /^settlement-refused: .*public key is not the request's/,
    );
    expect(await decide(id, { decision: 'adopt', certificateArn: `${world.issuer.backendRef}/certificate/7` })).toMatch(
      /^settlement-refused/,
    );
    expect(await decide(id, { decision: 'adopt', certificateArn: 'arn:aws:acm-pca:x' })).toMatch(/^request-malformed/);
    const own = await plant(intent, csrDer);
    expect(await decide(id, { decision: 'adopt', certificateArn: own })).toBe('issued');
    expect(await world.record(id)).toMatchObject({ state: 'issued', adopted: true, ticket: own });
    expect(await decide(id, { decision: 'adopt', certificateArn: own })).toMatch(/^orphan-settled/);
    const log = await world.store.operatorLog.list(10);
    expect(log.map(({ action, outcome }) => `${action} ${outcome}`)).toEqual([
      'orphan:adopt refused',
      'orphan:adopt done',
      'orphan:adopt refused',
      'orphan:adopt refused',
      'orphan:adopt refused',
    ]);
  });

  it('cannot declare absent before a report could have proven it, and it is issued anew after (absent)', async () => {
    const id = await lostIssuance(world, 'before');
    world.endpoint.advance(5 * minuteMs);
    await world.minute();
    const intent = await intentOf(id);
    const absent = { decision: 'absent', reportChecked: true };
    expect(await decide(id, absent)).toMatch(/^settlement-refused: no report begun before/);
    world.endpoint.advance(intent.at + 240_000 + reportMarginMs - world.endpoint.now());
    expect(await decide(id, absent)).toBe('approved');
    await world.sign(...world.sent.splice(0));
    expect([(await world.record(id)).state, world.issuedCount()]).toEqual(['issued', 1]);
  });

  it('is told what is wrong with a decision, all of it (request-malformed)', () => {
    for (const body of [
      {},
      { decision: 'drop' },
      { decision: 'adopt' },
      { decision: 'adopt', certificateArn: 7 },
      { decision: 'adopt', certificateArn: 'x'.repeat(257) },
      { decision: 'absent' },
      { decision: 'absent', reportChecked: 'yes' },
      { decision: 'absent', reportChecked: true, certificateArn: 'arn' },
      { decision: 'absent', reportChecked: true, more: 1 },
    ])
      expect(() => parseOrphanDecision(body)).toThrow(expect.objectContaining({ code: 'request-malformed' }));
  });
});
