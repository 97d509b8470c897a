import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bucketOf, type CountedDimension } from '../../shared/inventory/counted.ts';
import type { InventoryReads, InventoryUpkeep } from '../../shared/issuance/inventory-ports.ts';
import type { CredentialStore, IssuanceLedger } from '../../shared/issuance/ports.ts';
import { disposable } from '../support/disposable.ts';
import { dayMs, guideTo, ledgerTime, moves } from '../support/ledger-fixtures.ts';

const hourMs = 3_600_000;

export interface InventoryHarness {
  readonly ledger: IssuanceLedger;
  readonly credentials: CredentialStore;
  readonly inventory: InventoryReads & InventoryUpkeep;
  /** Moves the clock that the inventory goes by, where it has one. */
  setNow(at: number): void;
  close(): Promise<void>;
}

interface Made {
  readonly caId: string;
  readonly owner: string;
  readonly lifetimeMs: number;
  readonly revoked: boolean;
}

const made = fc.record({
  caId: fc.constantFrom('devices', 'workloads'),
  owner: fc.constantFrom('plant-1', 'plant-2', 'plant-3', 'plant-é', ''),
  lifetimeMs: fc.constantFrom(hourMs, 5 * hourMs, 3 * dayMs, 30 * dayMs, 90 * dayMs),
  revoked: fc.boolean(),
});

/** The contract of `InventoryReads` and `InventoryUpkeep`: `open` answers an empty ledger each time. */
export function inventorySuite(name: string, open: () => Promise<InventoryHarness>, numRuns = 12): void {
  describe(`the inventory on ${name}`, () => {
    it('says what a count of the records says, at any time, whatever the upkeep has done (sums, values, buckets)', async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.array(made, { minLength: 1, maxLength: 14 }),
          fc.array(
            fc.record({ afterMs: fc.integer({ min: 0, max: 100 * dayMs }), rows: fc.integer({ min: 0, max: 9 }) }),
            {
              minLength: 1,
              maxLength: 4,
            },
          ),
          async (certificates, times) => {
            await using h = disposable(await open());
            for (const one of certificates) await issue(h, one);
            for (const { afterMs, rows } of times.toSorted((a, b) => a.afterMs - b.afterMs)) {
              const at = ledgerTime + afterMs;
              h.setNow(at);
              if (rows > 0) await h.inventory.expire(at, rows);
              await holdToCount(h.inventory, certificates, at);
            }
          },
        ),
        { numRuns, seed: 20_261_125 },
      );
      // Over an emulator of a database each run is some hundred calls.
    }, 300_000);

    it('counts what comes to a bucket that has ended already, and what is revoked in one (late)', async () => {
      await using h = disposable(await open());
      const at = ledgerTime + 10 * hourMs;
      h.setNow(at);
      const first = await issue(h, { caId: 'devices', owner: 'plant-1', lifetimeMs: hourMs, revoked: false });
      while ((await h.inventory.expire(at, 1)).more);
      await issue(h, { caId: 'devices', owner: 'plant-1', lifetimeMs: hourMs, revoked: false });
      await h.ledger.advance([moves.revoke(first)]);
      while ((await h.inventory.expire(at, 1)).more);
      expect(await h.inventory.sums('devices', 'owner', 'plant-1', at)).toEqual({
        issued: 2,
        revoked: 1,
        outstanding: 0,
      });
      expect(await h.inventory.standings('devices', 'owner', ['plant-1', 'nobody'])).toEqual([0, 0]);
    });

    it('knows the certificates of a key, no more than asked (by-key)', async () => {
      await using h = disposable(await open());
      const spkiSha256 = 'ab'.repeat(32);
      const ids: string[] = [];
      for (let n = 0; n < 3; n++)
        ids.push(
          (await guideTo('issued', h, { issuance: { spkiSha256 }, certificate: { notAfter: ledgerTime + dayMs } }))
            .issuanceId,
        );
      const found = await h.inventory.certificatesOfKey(spkiSha256, 1_000);
      expect(found.map(({ issuanceId }) => issuanceId).toSorted()).toEqual(ids.toSorted());
      expect(found[0]).toMatchObject({
        caId: 'devices',
        owner: 'plant-7',
        state: 'issued',
        notAfter: ledgerTime + dayMs,
      });
      expect(await h.inventory.certificatesOfKey(spkiSha256, 2)).toHaveLength(2);
      expect(await h.inventory.certificatesOfKey('cd'.repeat(32), 2)).toEqual([]);
    });
  });
}

async function issue(h: InventoryHarness, { caId, owner, lifetimeMs, revoked }: Made): Promise<string> {
  const { issuanceId } = await guideTo('issued', h, {
    issuance: { caId, owner },
    certificate: { notAfter: ledgerTime + lifetimeMs },
  });
  if (revoked) await h.ledger.advance([moves.revoke(issuanceId)]);
  return issuanceId;
}

async function holdToCount(inventory: InventoryReads, certificates: readonly Made[], at: number): Promise<void> {
  for (const caId of ['devices', 'workloads']) {
    const own = certificates.filter((one) => one.caId === caId);
    const owners = [...new Set(own.map(({ owner }) => owner))];
    for (const [dimension, value, those] of [
      ['total', '', own] as const,
      ...owners.map((owner) => ['owner', owner, own.filter((one) => one.owner === owner)] as const),
    ])
      await holdValue(inventory, caId, dimension, value, those, at);
    await holdOrder(inventory, caId, own, at);
  }
}

const endOf = ({ lifetimeMs }: Made) => {
  const { bucketStart, bucketMs } = bucketOf(ledgerTime, ledgerTime + lifetimeMs);
  return bucketStart + bucketMs;
};

async function holdValue(
  inventory: InventoryReads,
  caId: string,
  dimension: CountedDimension,
  value: string,
  those: readonly Made[],
  at: number,
): Promise<void> {
  const live = those.filter((one) => endOf(one) > at);
  const outstanding = live.filter(({ revoked }) => !revoked).length;
  expect(await inventory.sums(caId, dimension, value, at)).toEqual({
    issued: those.length,
    revoked: those.filter(({ revoked }) => revoked).length,
    outstanding,
  });
  const buckets = await inventory.liveBuckets(caId, dimension, value, at);
  expect(buckets.reduce((sum, { issued }) => sum + issued, 0)).toBe(live.length);
  expect(buckets.reduce((sum, { issued, revoked }) => sum + issued - revoked, 0)).toBe(outstanding);
  const ends = buckets.map(({ bucketStart, bucketMs }) => bucketStart + bucketMs);
  expect(ends).toEqual(ends.toSorted((a, b) => a - b));
  for (const { bucketStart, bucketMs, notAfterFirst, notAfterLast } of buckets) {
    expect(notAfterFirst).toBeGreaterThanOrEqual(bucketStart);
    expect(notAfterLast).toBeLessThan(bucketStart + bucketMs);
    expect(notAfterFirst).toBeLessThanOrEqual(notAfterLast);
  }
  const [standing] = await inventory.standings(caId, dimension, [value]);
  expect(standing).toBeGreaterThanOrEqual(outstanding);
}

/** Every value with something outstanding is listed, by standing and by text, however small the pages are. */
async function holdOrder(inventory: InventoryReads, caId: string, own: readonly Made[], at: number): Promise<void> {
  const outstanding = new Set(own.filter((one) => endOf(one) > at && !one.revoked).map(({ owner }) => owner));
  const byStanding: { value: string; standing: number }[] = [];
  for (;;) {
    const page = await inventory.largest(caId, 'owner', 2, byStanding.at(-1));
    byStanding.push(...page);
    if (page.length < 2) break;
  }
  const standings = byStanding.map(({ standing }) => standing);
  expect(standings).toEqual(standings.toSorted((a, b) => b - a));
  const byText: string[] = [];
  for (let after: string | undefined; ; after = byText.at(-1)) {
    const page = await inventory.standingValues(caId, 'owner', after, 2);
    byText.push(...page.map(({ value }) => value));
    if (page.length < 2) break;
  }
  expect(byText).toEqual(byText.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))));
  const listed = byStanding.map(({ value }) => value);
  expect(listed.toSorted()).toEqual(byText.toSorted());
  expect(new Set(listed).size).toBe(listed.length);
  for (const owner of outstanding) expect(listed).toContain(owner);
  expect(await inventory.countValues([caId], 'owner', 100)).toEqual({ count: listed.length, exact: true });
}
