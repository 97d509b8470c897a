import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type BlastRadiusWorld, openBlastRadiusWorld } from '../support/blast-radius-world.ts';
import { dayMs, guideTo, ledgerTime, moves } from '../support/ledger-fixtures.ts';

let world: BlastRadiusWorld;
let token: string;
beforeEach(async () => {
  world = await openBlastRadiusWorld('file');
  token = await world.operatorWith('inventory:read');
});
afterEach(() => world.close());

async function issue(count: number): Promise<void> {
  for (let n = 0; n < count; n++) {
    const issuance = { owner: `plant-${n % 3}`, caId: n % 2 === 0 ? 'devices' : 'workloads' };
    const { issuanceId } = await guideTo('issued', world.store, {
      issuance,
      certificate: { notAfter: ledgerTime + (n + 1) * dayMs },
    });
    if (n % 4 === 0) await world.store.ledger.advance([moves.revoke(issuanceId)]);
  }
}

function tamper(sql: string): void {
  const database = new DatabaseSync(world.store.path);
  database.exec(sql);
  database.close();
}

describe('POST /v1/recounts', () => {
  it('proves counters and sums equal to the records', async () => {
    await issue(12);
    world.setNow(ledgerTime + 5 * dayMs);
    await world.store.inventory.expire(ledgerTime + 5 * dayMs, 10);
    const { status, body } = await world.call('POST /v1/recounts', token);
    expect(status).toBe(200);
    expect(body).toMatchObject({
      status: 'done',
      equal: true,
      consistent: true,
      certificatesCounted: 12,
      differing: 0,
    });
    expect((await world.call('GET /v1/recounts/{id}', token, { id: body.id })).body).toEqual(body);
    expect((await world.call('GET /v1/recounts/{id}', token, { id: 'another' })).status).toBe(404);
  });

  it('names the bucket that differs, and repairs nothing', async () => {
    await issue(6);
    tamper(`UPDATE counters SET issued = issued + 1 WHERE dimension = 'owner' AND value = 'plant-1'
      AND bucket_start = (SELECT min(bucket_start) FROM counters WHERE dimension = 'owner' AND value = 'plant-1')`);
    for (let time = 0; time < 2; time++) {
      const { body } = await world.call('POST /v1/recounts', token);
      expect(body).toMatchObject({ equal: false, differing: 1 });
      expect(body.differences).toEqual([
        {
          authority: 'workloads',
          dimension: 'owner',
          value: 'plant-1',
          bucketStart: '2026-11-25T12:00:00.000Z',
          bucketSeconds: 3_600,
          counted: { issued: 2, revoked: 0 },
          recounted: { issued: 1, revoked: 0 },
        },
      ]);
      expect(body.sumDifferences).toEqual([expect.objectContaining({ dimension: 'owner', value: 'plant-1' })]);
    }
  });

  it.each([
    ['a counter that is gone', "DELETE FROM counters WHERE dimension = 'total' AND ca_id = 'devices'"],
    ['a revocation that was not counted', "UPDATE counters SET revoked = 0 WHERE dimension = 'keyType'"],
    [
      'two counters that were exchanged',
      "UPDATE counters SET value = CASE value WHEN 'plant-0' THEN 'plant-1' ELSE 'plant-0' END WHERE ca_id = 'devices' AND dimension = 'owner' AND value <> 'plant-2'",
    ],
    [
      'a counter of nothing',
      "INSERT INTO counters SELECT ca_id, dimension, 'nobody', bucket_ms, bucket_start, 1, 0, not_after_first, not_after_last FROM counters WHERE dimension = 'owner' LIMIT 1",
    ],
    [
      'a sum that is not that of its counters',
      "UPDATE counted_values SET standing = standing + 1 WHERE value = 'plant-2'",
    ],
    ['a sum without counters', "INSERT INTO counted_values VALUES ('devices', 'owner', 'nobody', 1, 0, 1)"],
  ])('finds %s', async (_, sql) => {
    await issue(9);
    tamper(sql);
    const { body } = await world.call('POST /v1/recounts', token);
    expect(body.equal).toBe(false);
    expect(body.differences.length + body.sumDifferences.length).toBeGreaterThan(0);
  });

  it('sees one instant while issuances move (consistent)', async () => {
    await issue(4);
    const going = issue(8);
    const { body } = await world.call('POST /v1/recounts', token);
    expect(body).toMatchObject({ equal: true, consistent: true });
    await going;
    expect((await world.call('POST /v1/recounts', token)).body).toMatchObject({ equal: true, certificatesCounted: 12 });
  });

  it('is for operators who may read the inventory (role-missing)', async () => {
    const other = await world.operatorWith('dlq:write');
    expect((await world.call('POST /v1/recounts', other)).status).toBe(403);
  });
});
