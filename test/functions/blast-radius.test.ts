import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type BlastRadiusWorld, openBlastRadiusWorld } from '../support/blast-radius-world.ts';
import { dayMs, guideTo, ledgerTime, moves, newCredential } from '../support/ledger-fixtures.ts';

const hourMs = 3_600_000;
const ofAuthority = 'GET /v1/authorities/{id}/blast-radius';
const ofValue = 'GET /v1/blast-radius';

let world: BlastRadiusWorld;
let token: string;
beforeEach(async () => {
  world = await openBlastRadiusWorld();
  token = await world.operatorWith('inventory:read');
});
afterEach(() => world.close());

interface Made {
  readonly caId?: string;
  readonly owner?: string;
  readonly fleet?: string;
  readonly profile?: string;
  readonly keyType?: string;
  readonly lifetimeMs?: number;
}

async function issued({ lifetimeMs = 90 * dayMs, ...issuance }: Made = {}) {
  return guideTo('issued', world.store, { issuance, certificate: { notAfter: ledgerTime + lifetimeMs } });
}

describe('GET /v1/authorities/{id}/blast-radius', () => {
  it('tells issued from revoked and expired, whose they are and when the last one ends', async () => {
    await issued({ owner: 'plant-7', fleet: 'sensors' });
    const gone = await issued({ owner: 'plant-7', fleet: 'presses' });
    await issued({ owner: 'plant-8', fleet: 'sensors', keyType: 'RSA-2048', lifetimeMs: 365 * dayMs });
    await issued({ owner: 'plant-9', lifetimeMs: hourMs });
    await world.store.ledger.advance([moves.revoke(gone.issuanceId)]);
    await guideTo('submitted', world.store);
    world.setNow(ledgerTime + 3 * hourMs);
    const { status, body } = await world.call(ofAuthority, token, { id: 'devices' });
    expect(status).toBe(200);
    expect(body).toMatchObject({
      authority: { id: 'devices', tier: 'issuance', generation: 1, includes: ['devices'], below: [] },
      asOf: '2026-11-23T15:00:00.000Z',
      exact: true,
      issued: {
        total: 4,
        revoked: 1,
        expired: 1,
        outstanding: 2,
        outstandingMin: 2,
        by: {
          authority: [{ value: 'devices', outstanding: 2 }],
          owner: [
            { value: 'plant-7', outstanding: 1 },
            { value: 'plant-8', outstanding: 1 },
          ],
          ownersTotal: 2,
          ownersOmitted: 0,
          fleet: [{ value: 'sensors', outstanding: 2 }],
          exact: true,
        },
        unsettled: { intended: 0, submitted: 1, orphanSuspected: 0, misissued: 0 },
        exposureCurve: [
          { at: '2026-11-23T15:00:00.000Z', outstanding: 2 },
          { at: '2027-02-22T00:00:00.000Z', outstanding: 1 },
          { at: '2027-11-24T00:00:00.000Z', outstanding: 0 },
        ],
        lastNotAfter: '2027-11-23T12:00:00.000Z',
      },
    });
  });

  it('says what could still be minted, from the certificates on the path', async () => {
    const devices = (await world.call(ofAuthority, token, { id: 'devices' })).body;
    expect(devices.issuable).toMatchObject({
      subordinateAuthorities: false,
      pathLen: 0,
      permitted: { dns: ['fleet.example'], uri: ['fleet.example'], ip: 'unconstrained', email: 'unconstrained' },
      excluded: [],
      extendedKeyUsage: 'unconstrained',
    });
    const root = (await world.call(ofAuthority, token, { id: 'root' })).body;
    expect(root.issuable).toMatchObject({
      subordinateAuthorities: true,
      pathLen: null,
      permitted: { dns: 'unconstrained' },
    });
    expect(root.issuable.until > devices.issuable.until).toBe(true);
    expect(root.rotation).toBeNull();
  });

  it('counts through every CA below', async () => {
    await issued({ caId: 'devices', owner: 'plant-7' });
    await issued({ caId: 'devices', owner: 'plant-8' });
    await issued({ caId: 'workloads', owner: 'plant-7', profile: 'service' });
    for (const id of ['root', 'subordinate']) {
      const { body } = await world.call(ofAuthority, token, { id });
      expect(body.authority.includes.toSorted()).toEqual(['devices', 'workloads']);
      expect(body.issued).toMatchObject({ total: 3, outstanding: 3 });
      expect(body.issued.by.owner).toEqual([
        { value: 'plant-7', outstanding: 2 },
        { value: 'plant-8', outstanding: 1 },
      ]);
    }
  });

  it('says so when a bucket is half over, and when it is exact again', async () => {
    await issued({ lifetimeMs: hourMs / 4 });
    await issued({ lifetimeMs: hourMs / 2 });
    world.setNow(ledgerTime + 20 * 60_000);
    const { body } = await world.call(ofAuthority, token, { id: 'devices' });
    expect(body).toMatchObject({ exact: false, nextEdge: '2026-11-23T13:00:00.000Z' });
    expect(body.issued).toMatchObject({ outstanding: 2, outstandingMin: 0, expired: 0 });
    world.setNow(ledgerTime + 31 * 60_000);
    expect((await world.call(ofAuthority, token, { id: 'devices' })).body).toMatchObject({
      exact: true,
      issued: { outstanding: 0, expired: 2 },
    });
    world.setNow(ledgerTime + 10 * 60_000);
    expect((await world.call(ofAuthority, token, { id: 'devices' })).body).toMatchObject({
      exact: true,
      issued: { outstanding: 2, expired: 0 },
    });
  });

  it('is the same before and after what expired was taken off the sums', async () => {
    for (const lifetimeMs of [hourMs / 2, 2 * hourMs, 3 * dayMs, 30 * dayMs, 60 * dayMs])
      for (const owner of ['plant-7', 'plant-8']) await issued({ owner, lifetimeMs });
    for (const afterMs of [0, hourMs, 5 * hourMs, 4 * dayMs, 31 * dayMs, 70 * dayMs]) {
      world.setNow(ledgerTime + afterMs);
      const before = (await world.call(ofAuthority, token, { id: 'devices' })).body;
      let steps = 0;
      while ((await world.store.inventory.expire(ledgerTime + afterMs, 3)).more) steps += 1;
      const { body } = await world.call(ofAuthority, token, { id: 'devices' });
      expect(body).toEqual(before);
      expect(steps).toBeLessThan(50);
    }
    expect((await world.call('POST /v1/recounts', token)).body).toMatchObject({ equal: true, certificatesCounted: 10 });
  });

  it('pages through all the values of a breakdown, each once', async () => {
    const owners = Array.from({ length: 25 }, (_, index) => `plant-${String(index).padStart(2, '0')}`);
    for (const owner of owners)
      for (const caId of ['devices', 'workloads']) await issued({ caId, owner, profile: 'device' });
    const headline = (await world.call(ofAuthority, token, { id: 'root' })).body.issued.by;
    expect(headline).toMatchObject({ ownersTotal: 25, ownersOmitted: 15, exact: true });
    const seen: string[] = [];
    let cursor: string | null = null;
    do {
      const query: Record<string, string> = { breakdown: 'owner', limit: '7', ...(cursor === null ? {} : { cursor }) };
      const { body } = await world.call(ofAuthority, token, { id: 'root', query });
      for (const { value, outstanding } of body.values) {
        expect(outstanding).toBe(2);
        seen.push(value);
      }
      cursor = body.nextCursor;
    } while (cursor !== null);
    expect(seen).toEqual(owners);
  });

  it('refuses a cursor of another query, a breakdown there is none of, a limit out of bounds', async () => {
    for (const owner of ['plant-7', 'plant-8']) await issued({ owner });
    const first = await world.call(ofAuthority, token, { id: 'devices', query: { breakdown: 'owner', limit: '1' } });
    for (const query of [
      { breakdown: 'fleet', cursor: first.body.nextCursor },
      { breakdown: 'owner', cursor: 'bm9uZQ' },
      { breakdown: 'colour' },
      { breakdown: 'owner', limit: '1001' },
      { breakdown: 'owner', limit: '0' },
    ]) {
      const { status, body } = await world.call(ofAuthority, token, { id: 'devices', query });
      expect([status, body.code]).toEqual([400, 'request-malformed']);
    }
  });

  it('knows no CA that there is none of (not-found)', async () => {
    for (const id of ['nobody', '..devices']) {
      const { status, body } = await world.call(ofAuthority, token, { id });
      expect([status, body.code]).toEqual([404, 'not-found']);
    }
  });

  it('is for operators who may read the inventory; who may not is logged (role-missing)', async () => {
    const other = await world.operatorWith('certificate:revoke');
    const { status, body } = await world.call(ofAuthority, other, { id: 'devices' });
    expect([status, body.code]).toEqual([403, 'role-missing']);
    expect(await world.store.operatorLog.list(10)).toMatchObject([
      { action: 'inventory:blast-radius', subject: 'authority devices', outcome: 'refused' },
    ]);
    expect((await world.call(ofAuthority, 'sw_o_nonsense', { id: 'devices' })).status).toBe(401);
  });
});

describe('GET /v1/blast-radius', () => {
  it('answers for an owner and for a fleet over all CAs', async () => {
    await issued({ caId: 'devices', owner: 'plant-7', fleet: 'sensors' });
    await issued({ caId: 'workloads', owner: 'plant-7', fleet: 'presses', profile: 'service' });
    await issued({ caId: 'devices', owner: 'plant-8', fleet: 'sensors' });
    const owner = (await world.call(ofValue, token, { query: { owner: 'plant-7' } })).body;
    expect(owner).toMatchObject({
      subject: { kind: 'owner', value: 'plant-7', includes: ['devices', 'workloads'] },
      issued: { outstanding: 2, unsettled: null },
      issuable: null,
    });
    const fleet = (await world.call(ofValue, token, { query: { fleet: 'sensors' } })).body;
    expect(fleet.issued).toMatchObject({ outstanding: 2, by: { authority: [{ value: 'devices', outstanding: 2 }] } });
    const nobody = (await world.call(ofValue, token, { query: { owner: 'nobody' } })).body;
    expect(nobody.issued).toMatchObject({ total: 0, outstanding: 0 });
  });

  it('answers for a credential, with what it may still ask for', async () => {
    const credential = newCredential({ countMax: 10, used: 0 });
    await world.store.credentials.create(credential);
    const { issuance } = await issued();
    const query = { credential: issuance.credentialId };
    const { body } = await world.call(ofValue, token, { query });
    expect(body).toMatchObject({
      issued: { outstanding: 1 },
      reach: { remaining: 999, profiles: ['device', 'service'] },
    });
    await world.store.credentials.revoke(issuance.credentialId, ledgerTime);
    expect((await world.call(ofValue, token, { query })).body.reach).toMatchObject({ remaining: 0 });
    expect((await world.call(ofValue, token, { query: { credential: 'none' } })).status).toBe(404);
  });

  it('answers for a key to the second, and for a CA key as for its CA', async () => {
    const { issuance } = await issued({ lifetimeMs: hourMs / 2 });
    const query = { key: `sha256:${issuance.spkiSha256}` };
    world.setNow(ledgerTime + hourMs / 2);
    expect((await world.call(ofValue, token, { query })).body).toMatchObject({
      subject: { kind: 'key', value: issuance.spkiSha256 },
      exact: true,
      issued: { outstanding: 1, by: { owner: [{ value: 'plant-7', outstanding: 1 }] } },
    });
    world.setNow(ledgerTime + hourMs / 2 + 1_000);
    expect((await world.call(ofValue, token, { query })).body.issued).toMatchObject({ outstanding: 0, expired: 1 });
    const { body } = await world.call(ofAuthority, token, { id: 'devices' });
    const ofKey = await world.call(ofValue, token, { query: { key: body.authority.keyId } });
    expect(ofKey.body.authority.id).toBe('devices');
  });

  it('wants exactly one subject', async () => {
    for (const query of [{}, { owner: '' }, { owner: 'a', fleet: 'b' }, { key: 'zz' }, { owner: 'x'.repeat(257) }]) {
      const { status, body } = await world.call(ofValue, token, { query: query as Record<string, string> });
      expect([status, body.code]).toEqual([400, 'request-malformed']);
    }
  });
});
