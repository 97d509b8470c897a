import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createFileCrlObjects } from '../../shared/adapters/files/crl-objects.ts';
import { createSoftwareBackend } from '../../shared/adapters/software/backend.ts';
import type { IssuingAuthority } from '../../shared/issuance/authority-directory.ts';
import { crlShardCapacity } from '../../shared/issuance/crl-shards.ts';
import { createCustodyGate } from '../../shared/issuance/custody-gate.ts';
import type { IssuanceRecord } from '../../shared/issuance/issuance-record.ts';
import { issueCertificates } from '../../shared/issuance/issue-certificate.ts';
import {
  type CrlObjects,
  crlPeriodMs,
  type PublishCrlsPorts,
  publishCrls,
} from '../../shared/issuance/publish-crls.ts';
import { validateEnrollments } from '../../shared/issuance/validate-enrollment.ts';
import { parseCertificate } from '../../shared/pki/certificate.ts';
import { parseCertificateList } from '../../shared/pki/certificate-list.ts';
import { type IssuanceWorld, openIssuanceWorld, receive, recordOf } from '../support/issuance-world.ts';
import { opensslCrlCheck } from '../support/openssl-crl.ts';

const minuteMs = 60_000;
const key = 'workloads/1-0';
const nothing = { published: 0, failed: 0, left: 0 };
const one = { ...nothing, published: 1 };

let world: IssuanceWorld;
let objects: CrlObjects;
/** What the key of the CA makes of a CRL, which a test may spoil. */
let spoil: (sign: (tbs: Uint8Array) => Promise<Uint8Array>) => (tbs: Uint8Array) => Promise<Uint8Array>;
const faults: string[] = [];
beforeEach(async () => {
  world = await openIssuanceWorld();
  objects = createFileCrlObjects(join(world.folder, 'crls'));
  spoil = (sign) => sign;
  faults.length = 0;
});
afterEach(() => world.close());

function backendOf({ backendRef: ref, caId, spkiSha256 }: IssuingAuthority) {
  if (caId !== 'workloads') return undefined;
  const { signingAlgorithm } = world.hierarchy.authorities.find(({ id }) => id === caId)!;
  const clock = () => world.now;
  const authority = { caId, ref, spkiSha256, signingAlgorithm };
  const { signCrl } = createSoftwareBackend({ stage: 'dev', folder: world.folder, clock, authority });
  return { ...world.workloads, signCrl: spoil(signCrl!) };
}

function publish(changes: Partial<PublishCrlsPorts> = {}) {
  const ports: PublishCrlsPorts = {
    hierarchy: world.hierarchy,
    authorities: world.authorities,
    crlSource: world.store.revocations,
    crlObjects: objects,
    backendOf,
    custody: createCustodyGate(world.hierarchy, () => world.now),
    clock: () => world.now,
    ...changes,
  };
  return publishCrls(ports, (caId, cause) => faults.push(`${caId}: ${(cause as Error).message}`));
}

async function issue() {
  const { record } = await receive(world, { profile: 'service' });
  await validateEnrollments(world.validatePorts, [record.issuanceId]);
  await issueCertificates(world.signerPorts(), [record.issuanceId]);
  const issued = await recordOf(world, record.issuanceId);
  expect(issued.state).toBe('issued');
  return issued;
}

const reason = 'superseded';
const revoke = ({ issuanceId }: IssuanceRecord) =>
  world.store.ledger.advance([{ to: 'revoked', issuanceId, from: 'issued', at: world.now, reason }]);
const list = async () => parseCertificateList((await objects.read(key))!);
const serials = async () => (await list()).entries.map(({ serial }) => serial);

describe('the CRL of a shard', () => {
  it('is there before anything is revoked, and has what is revoked at the next run (crl-published)', async () => {
    const [bad, good] = [await issue(), await issue()];
    expect([await publish(), faults]).toEqual([one, []]);
    expect(await list()).toMatchObject({ entries: [], number: 1n });
    expect(await publish()).toEqual(nothing);
    await revoke(bad);
    expect(await publish()).toEqual(one);
    expect(await publish()).toEqual(nothing);
    expect(await list()).toMatchObject({ entries: [{ serial: bad.serial, reason }], number: 2n });
    const issuer = (await world.authorities.newest('workloads'))!;
    const chain = [issuer.certificateDer, ...issuer.chain];
    const crl = (await objects.read(key))!;
    const check = (der: Uint8Array) => opensslCrlCheck(der, chain, crl, world.now);
    expect(check(bad.certificateDer!).output).toContain('certificate revoked');
    expect(check(good.certificateDer!).output).toContain('OK');
    expect(parseCertificate(good.certificateDer!).tbs.serialHex).toBe(good.serial);
  });

  it('is made anew before the last one ends, and keeps an expired certificate for one CRL after its end (crl-renewed)', async () => {
    const revoked = await issue();
    await revoke(revoked);
    await publish();
    world.now += crlPeriodMs / 2 + 1;
    expect(await publish()).toEqual(one);
    world.now = revoked.notAfter! + 2 * crlPeriodMs;
    await publish();
    expect((await list()).entries).toHaveLength(1);
    world.now += crlPeriodMs;
    await publish();
    expect((await list()).entries).toEqual([]);
  });

  it('is made anew where it was lost or damaged, with a greater number (crl-lost)', async () => {
    const bad = await issue();
    await revoke(bad);
    await publish();
    const file = join(world.folder, 'crls', `${key}.crl`);
    for (const [spoilt, number] of [
      [() => rmSync(file), 2n],
      [() => writeFileSync(file, 'no CRL'), 3n],
    ] as const) {
      spoilt();
      expect(await publish()).toEqual(one);
      expect([await serials(), (await list()).number]).toEqual([[bad.serial], number]);
    }
  });

  it('has a greater number than the one it takes the place of, though the ledger was restored (crl-restored)', async () => {
    await issue();
    await publish();
    const crlSource = {
      ...world.store.revocations,
      nextCrlNumber: async (_c: string, _g: number, above: number) => above + 1,
    };
    for (let number = 2n; number < 5n; number += 1n) {
      world.now += crlPeriodMs / 2 + 1;
      await publish({ crlSource });
      expect((await list()).number).toBe(number);
    }
  });
});

describe('a run that publishes', () => {
  it('signs nothing twice with another run at once, and loses no revocation (crl-race)', async () => {
    const first = await issue();
    await publish();
    await revoke(first);
    // The other run reads the CRL, what is revoked and a number, then stands still until this one is done.
    const [gate, reached] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    spoil = (sign) => async (tbs) => {
      reached.resolve();
      await gate.promise;
      return sign(tbs);
    };
    const slow = publish();
    await reached.promise;
    spoil = (sign) => sign;
    const second = await issue();
    await revoke(second);
    expect(await publish()).toEqual(one);
    const { number } = await list();
    gate.resolve();
    expect([await slow, faults]).toEqual([nothing, []]);
    expect((await list()).number).toBe(number);
    expect((await serials()).toSorted()).toEqual([first.serial!, second.serial!].toSorted());
  });

  it('publishes nothing that its CA has not signed so, and says so (crl-checked)', async () => {
    await issue();
    await publish();
    const other = (await objects.read(key))!;
    rmSync(join(world.folder, 'crls'), { recursive: true });
    const spoils: readonly (readonly [message: string, spoil: typeof spoil])[] = [
      ['the HSM is gone', () => () => Promise.reject(new Error('the HSM is gone'))],
      [
        "the signature of a CRL does not verify under its CA's key",
        (sign) => async (tbs) => {
          const crl = Buffer.from(await sign(tbs));
          crl[crl.length - 1]! ^= 1;
          return crl;
        },
      ],
      ['the backend signed another CRL than it was given', () => async () => other],
    ];
    for (const [message, spoilt] of spoils) {
      spoil = spoilt;
      faults.length = 0;
      expect(await publish()).toEqual({ ...nothing, failed: 1 });
      expect(faults).toEqual([`workloads: ${message}`]);
      expect(await objects.read(key)).toBeUndefined();
    }
    spoil = (sign) => sign;
    expect(await publish()).toEqual(one);
  });

  it('that ends before it has noted what it published is made up for by the next, without another CRL (crl-noted)', async () => {
    const bad = await issue();
    await publish();
    await revoke(bad);
    const crlSource = {
      ...world.store.revocations,
      notePublished: () => Promise.reject(new Error('the process ended')),
    };
    expect(await publish({ crlSource })).toEqual({ ...nothing, failed: 1 });
    expect([await serials(), (await list()).number]).toEqual([[bad.serial], 2n]);
    expect(await world.store.revocations.changes('workloads', 1)).toHaveLength(1);
    expect(await publish()).toEqual(nothing);
    expect(await world.store.revocations.changes('workloads', 1)).toEqual([]);
    expect((await list()).number).toBe(2n);
  });

  it('that ends between signing and publishing leaves the old CRL, and the next has a greater number (crl-unpublished)', async () => {
    const bad = await issue();
    await publish();
    await revoke(bad);
    const crlObjects = { ...objects, replace: () => Promise.reject(new Error('the process ended')) };
    expect(await publish({ crlObjects })).toEqual({ ...nothing, failed: 1 });
    expect(await serials()).toEqual([]);
    expect(await publish()).toEqual(one);
    expect([await serials(), (await list()).number]).toEqual([[bad.serial], 3n]);
  });

  it('leaves a CRL alone that nothing has changed, and looks each up once an hour all the same (crl-sweep)', async () => {
    const shards = 100;
    await world.store.ledger.leaseCrlSlots('workloads', 1, shards * crlShardCapacity);
    let read = new Set<string>();
    const crlObjects: CrlObjects = {
      ...objects,
      current: (one) => {
        read.add(one);
        return objects.current(one);
      },
    };
    expect(await publish({ crlObjects })).toEqual({ ...nothing, published: shards });
    read = new Set();
    const perRun: number[] = [];
    for (let minute = 0; minute < 13; minute += 1) {
      world.now += minuteMs;
      const before = read.size;
      expect(await publish({ crlObjects })).toEqual(nothing);
      perRun.push(read.size - before);
    }
    expect(read.size).toBe(shards);
    expect(Math.max(...perRun)).toBeLessThanOrEqual(8);
  });

  it('stops at a CA that cannot sign, and takes what was revoked first when it can (crl-urgent)', async () => {
    await world.store.ledger.leaseCrlSlots('workloads', 1, 20 * crlShardCapacity);
    await publish();
    const late = await issue();
    expect(late.crlShard).toBeGreaterThanOrEqual(20);
    await publish();
    world.now += crlPeriodMs / 2 + 1;
    await revoke(late);
    const asked: string[] = [];
    spoil = () => async (tbs) => {
      asked.push(Buffer.from(tbs).toString('latin1'));
      throw new Error('the HSM is gone');
    };
    const { failed, left, published } = await publish();
    expect([published, faults]).toEqual([0, ['workloads: the HSM is gone']]);
    expect(failed).toBeGreaterThanOrEqual(3);
    expect(failed + left).toBe(21);
    // Of 21 that are due the first eight are taken up at once, and it is the one of the highest number.
    expect(asked.length).toBeLessThan(21);
    expect(asked.join()).toContain(`/v1/crls/workloads/1-${late.crlShard}`);
  });

  it('ends in time; the next one goes on where it stopped (crl-bounded)', async () => {
    await world.store.ledger.leaseCrlSlots('workloads', 1, 40 * crlShardCapacity);
    spoil = (sign) => (tbs) => {
      world.now += 1_000;
      return sign(tbs);
    };
    const first = await publish();
    expect(first.left).toBeGreaterThan(0);
    expect(first.published).toBeGreaterThan(0);
    let done = first.published;
    for (let run = 0; run < 4; run += 1) done += (await publish()).published;
    expect(done).toBe(40);
  });
});
