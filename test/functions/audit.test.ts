import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { compareReports } from '../../shared/issuance/compare-report.ts';
import type { Comparison } from '../../shared/issuance/ports.ts';
import { issue } from '../support/acm-pca-endpoint.ts';
import { lostIssuance, type OrphanWorld, openOrphanWorld } from '../support/orphan-world.ts';
import { seedEndpoint, seedLedger } from '../support/seeded-certificates.ts';

const minuteMs = 60_000;
let folder: string;
let world: OrphanWorld;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sealwright-audit-'));
  world = await open();
});
afterEach(async () => {
  await world.close();
  rmSync(folder, { recursive: true, force: true });
});

function open(): Promise<OrphanWorld> {
  return openOrphanWorld({ ledgerFile: join(folder, 'ledger.sqlite'), stateDir: join(folder, 'acm-pca') });
}

async function issueMany(count: number): Promise<void> {
  const ids: string[] = [];
  for (let n = 0; n < count; n++) ids.push(await world.approve());
  await world.sign(...ids);
}

/** Seeds the state of an idle world with `count` issued certificates, of which the ledger has `known`. */
async function seed(count: number, known = count): Promise<void> {
  await issueMany(1);
  const issuedAt = world.endpoint.now();
  await world.close();
  seedEndpoint(join(folder, 'acm-pca'), count);
  seedLedger(join(folder, 'ledger.sqlite'), 'devices', known, issuedAt);
  world = await open();
}

/** Half an hour later, so that every CA gives a report and what was issued is older than the margin. */
async function compareLater(options = { dueAfterMs: 0, waitMsMax: 60_000 }) {
  world.endpoint.advance(31 * minuteMs);
  world.told.length = 0;
  const result = await compareReports(world.ports, options);
  expect(result.waiting).toEqual([]);
  return result.compared.find(({ caId }) => caId === 'devices') as Comparison;
}

describe('the comparison of a CA with the ledger', () => {
  it('names one certificate planted at the CA among 10,000, by ARN, serial and subject (unknown-certificate)', async () => {
    await seed(10_000);
    const arn = await issue(world.endpoint.client, world.issuer.backendRef);
    const compared = await compareLater();
    const serial = BigInt(arn.split('/').at(-1)!).toString(16);
    const serialHex = serial.length % 2 === 0 ? serial : `0${serial}`;
    expect(compared).toMatchObject({
      entries: 10_002,
      undecided: 0,
      unknownCertificates: { count: 1, named: [{ arn, serialHex, subject: 'CN=a.example' }] },
      unknownIssuances: { count: 0, named: [] },
    });
    expect(world.told).toEqual([`unknown-certificate devices ${arn} ${serialHex} CN=a.example`]);
  });

  it('names none of 100 that were issued as they should be, nor the CA certificates above them (clean)', async () => {
    await issueMany(100);
    world.endpoint.advance(31 * minuteMs);
    const { compared, waiting } = await compareReports(world.ports, { dueAfterMs: 0, waitMsMax: 60_000 });
    expect(waiting).toEqual([]);
    expect(compared.map(({ caId, entries }) => [caId, entries])).toEqual([
      ['devices', 100],
      ['root', 2],
      ['subordinate', 1],
    ]);
    expect(
      compared.map(({ unknownCertificates, unknownIssuances }) => unknownCertificates.count + unknownIssuances.count),
    ).toEqual([0, 0, 0]);
    expect(world.told).toEqual([]);
    expect(await world.store.audits.comparisons()).toEqual(compared);
  });

  it('names a CA certificate that the root signed and the registry does not have (unknown-certificate)', async () => {
    const root = (await world.ports.authorities.newest('root'))!;
    const arn = await issue(world.endpoint.client, root.backendRef, {
      template: 'SubordinateCACertificate_PathLen0',
      SigningAlgorithm: 'SHA384WITHECDSA',
    });
    await compareLater();
    expect(world.told).toEqual([expect.stringContaining(`unknown-certificate root ${arn} `)]);
  });

  it('names an issuance whose certificate the CA does not have, once it should (unknown-issuance)', async () => {
    await seed(5, 6);
    const compared = await compareLater();
    expect(compared.unknownIssuances).toMatchObject({ count: 1, named: [{ serial: `41${'6'.padStart(30, '0')}` }] });
    expect(world.told).toEqual([`unknown-issuance devices ${'6'.padStart(43, '0')}.1`]);
  });

  it('takes no offence at what was issued after the report, or is on its way (under way)', async () => {
    world.endpoint.advance(31 * minuteMs);
    const pending = await world.approve();
    world.endpoint.control({ authorities: { [world.issuer.backendRef]: { holdIssuance: true } } });
    await world.sign(pending);
    expect((await world.record(pending)).state).toBe('submitted');
    world.endpoint.control({ authorities: { [world.issuer.backendRef]: { holdIssuance: false } } });
    const orphan = await lostIssuance(world, 'after');
    const { compared } = await compareReports(world.ports, { dueAfterMs: 0, waitMsMax: 60_000 });
    expect(compared.find(({ caId }) => caId === 'devices')).toMatchObject({ entries: 2, undecided: 1 });
    // The same report, later, and a certificate that is not in it.
    await issueMany(1);
    await compareReports(world.ports, { dueAfterMs: 0, waitMsMax: 60_000 });
    expect(world.told).toEqual([]);
    await world.minutes(36);
    expect((await world.record(orphan)).adopted).toBe(true);
    expect(await compareLater()).toMatchObject({ entries: 3, undecided: 0, unknownCertificates: { count: 0 } });
  });

  it('names what an issuance that failed has left at the CA (failed)', async () => {
    const id = await world.approve();
    world.endpoint.control({
      failures: [{ operation: 'IssueCertificate', when: 'after', answer: 'ValidationException', count: 1 }],
    });
    await world.sign(id);
    expect((await world.record(id)).state).toBe('failed');
    expect((await compareLater()).unknownCertificates.count).toBe(1);
  });

  it('comes once a day, and not on the day a CA was made (due)', async () => {
    const run = () => compareReports(world.ports, { dueAfterMs: 23 * 60 * minuteMs, waitMsMax: 60_000 });
    expect(await run()).toEqual({ compared: [], waiting: [] });
    world.endpoint.advance(23 * 60 * minuteMs);
    expect((await run()).compared).toHaveLength(3);
    world.endpoint.advance(60 * minuteMs);
    expect(await run()).toEqual({ compared: [], waiting: [] });
  });

  it('says which CA gave no report, and compares the others (waiting)', async () => {
    const root = (await world.ports.authorities.newest('root'))!;
    world.endpoint.control({ authorities: { [root.backendRef]: { failAuditReport: { reason: 'simulated' } } } });
    world.endpoint.advance(31 * minuteMs);
    const { compared, waiting } = await compareReports(world.ports, { dueAfterMs: 0, waitMsMax: 60_000 });
    expect(compared.map(({ caId }) => caId)).toEqual(['devices', 'subordinate']);
    expect(waiting).toEqual([{ caId: 'root', generation: 1, reason: 'failed' }]);
  });

  it('tells of a certificate every day until it is revoked or expired (repeated)', async () => {
    const arn = await issue(world.endpoint.client, world.issuer.backendRef);
    const days = async (count: number) => {
      world.endpoint.advance(count * 24 * 60 * minuteMs);
      await compareLater();
      return world.told.filter((line) => line.includes(arn)).length;
    };
    expect([await days(1), await days(1), await days(40)]).toEqual([1, 1, 0]);
  });
});
