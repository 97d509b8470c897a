import { afterAll, describe, expect, it } from 'vitest';
import { createTable, type Table } from '../../shared/adapters/dynamodb/calls.ts';
import { createContactNotes } from '../../shared/adapters/dynamodb/contacts.ts';
import { type Cells, countActions, countInto } from '../../shared/adapters/dynamodb/counters.ts';
import { createDynamoInventory } from '../../shared/adapters/dynamodb/inventory.ts';
import { counterShards, keys } from '../../shared/adapters/dynamodb/table.ts';
import { contactsMax, isKept, placeOf, sampledDevicesMax } from '../../shared/inventory/contacts.ts';
import { blastRadius } from '../../shared/issuance/blast-radius.ts';
import { recount } from '../../shared/issuance/recount.ts';
import { inventorySuite } from '../contract/inventory-suite.ts';
import { openBlastRadiusWorld } from '../support/blast-radius-world.ts';
import { disposable } from '../support/disposable.ts';
import { openDynamoHarness } from '../support/dynamodb-harness.ts';
import { type CommandCount, countCommands } from '../support/dynamodb-middleware.ts';
import { testDynamoClient } from '../support/dynamodb-table.ts';
import { dayMs, guideTo, ledgerTime, moves } from '../support/ledger-fixtures.ts';

const counts: CommandCount[] = [];
const hourMs = 3_600_000;

async function openInventory(ageMsMax = -1) {
  const h = await openDynamoHarness();
  const client = testDynamoClient();
  const count = countCommands(client);
  counts.push(count);
  let now = ledgerTime;
  const table = createTable({ client, tableName: h.tableName });
  const inventory = createDynamoInventory({
    table,
    ledger: h.ledger,
    clock: () => now,
    caIds: async () => ['devices', 'workloads'],
    fleetOfCredential: async (id) => (await h.credentials.get(id))?.fleet,
    ageMsMax,
  });
  return {
    ...h,
    table,
    inventory,
    count,
    setNow: (at: number) => {
      now = at;
    },
    async close() {
      client.destroy();
      await h.close();
    },
  };
}

type World = Awaited<ReturnType<typeof openInventory>>;

inventorySuite('DynamoDB', () => openInventory(), 6);

/** Counts as the ledger's transactions do, one certificate for each owner, of a fleet and a credential of its own. */
async function countOwners(table: Table, first: number, last: number): Promise<void> {
  for (let from = first; from < last; from += 90) {
    const cells: Cells = new Map();
    for (let n = from; n < Math.min(last, from + 90); n++)
      countInto(cells, {
        change: 'issued',
        at: ledgerTime,
        certificate: {
          caId: 'devices',
          owner: `plant-${n}`,
          fleet: `fleet-${n}`,
          profile: 'device',
          keyType: 'ecdsa-p256',
          credentialId: `credential-${n}`,
          notBefore: ledgerTime,
          notAfter: ledgerTime + (30 + (n % 5)) * dayMs,
        },
      });
    await table.transact(countActions(cells, from % counterShards));
  }
}

async function keep({ inventory }: World, at: number): Promise<void> {
  while ((await inventory.expire(at, 500)).more);
}

/** Requests that the headline of a CA makes, its journal read anew. */
async function headline(h: World, at: number) {
  const world = await openBlastRadiusWorld();
  try {
    const before = new Map(h.count.commands);
    const { issued } = await blastRadius(
      { ...world.wired, inventory: h.inventory, clock: () => at, estimateRotation: async () => undefined },
      { kind: 'authority', value: 'devices' },
    );
    const sent = [...h.count.commands].map(([name, n]) => [name, n - (before.get(name) ?? 0)] as const);
    return { issued, requests: sent.reduce((sum, [, n]) => sum + n, 0) };
  } finally {
    await world.close();
  }
}

describe('the headline on DynamoDB', () => {
  it('makes as many requests for 3,000 owners as for 20, and a bounded number at that (bounded-headline)', async () => {
    await using h = disposable(await openInventory(0));
    const at = ledgerTime + hourMs;
    h.setNow(at);
    await countOwners(h.table, 0, 20);
    await keep(h, at);
    const few = await headline(h, at);
    await countOwners(h.table, 20, 3_000);
    await keep(h, at);
    h.setNow(at + 1);
    const many = await headline(h, at + 1);
    expect(few.issued).toMatchObject({ total: 20, outstanding: 20 });
    expect(many.issued).toMatchObject({ total: 3_000, outstanding: 3_000, revoked: 0, expired: 0 });
    expect(many.issued.by.owner).toMatchObject({ total: 3_000, exact: true });
    expect(many.issued.by.owner!.values).toHaveLength(10);
    expect(many.requests).toBe(few.requests);
    expect(many.requests).toBeLessThanOrEqual(60);
  }, 180_000);
});

describe('the upkeep on DynamoDB', () => {
  it('folds an item with more credentials than a transaction has place for, two of it at once (fold-in-parts)', async () => {
    await using h = disposable(await openInventory());
    const at = ledgerTime + hourMs;
    const cells: Cells = new Map();
    const certificate = { caId: 'devices', owner: 'plant-1', fleet: 'presses', profile: 'device', keyType: 'ed25519' };
    for (let n = 0; n < 150; n++)
      countInto(cells, {
        change: n % 3 === 0 ? 'revoked' : 'issued',
        at: ledgerTime,
        certificate: {
          ...certificate,
          credentialId: `c-${n}`,
          notBefore: ledgerTime,
          notAfter: ledgerTime + 9 * dayMs,
        },
      });
    await h.table.transact(countActions(cells, 3));
    const before = await h.ledger.counters('devices');
    await Promise.all([keep(h, at), keep(h, at)]);
    expect(await h.ledger.counters('devices')).toEqual(before);
    expect((await h.table.query(partition(keys.counterPartition('devices', 3)))).count).toBe(0);
    expect(await h.inventory.sums('devices', 'total', '', at)).toEqual({ issued: 100, revoked: 50, outstanding: 50 });
    expect(await h.inventory.sums('devices', 'credential', 'c-3', at)).toMatchObject({ issued: 0, revoked: 1 });
  });

  it('reads the same while it folds (read-while-folding)', async () => {
    await using h = disposable(await openInventory());
    const at = ledgerTime + hourMs;
    await countOwners(h.table, 0, 300);
    let folding = true;
    const done = keep(h, at).finally(() => {
      folding = false;
    });
    while (folding)
      expect(await h.inventory.sums('devices', 'total', '', at)).toEqual({
        issued: 300,
        revoked: 0,
        outstanding: 300,
      });
    await done;
    expect(await h.inventory.countValues(['devices'], 'owner', 20_000)).toEqual({ count: 300, exact: true });
  });
});

const partition = (pk: string) => ({
  KeyConditionExpression: 'PK = :pk',
  ExpressionAttributeValues: { ':pk': { S: pk } },
});

describe('a recount on DynamoDB', () => {
  const ports = (h: World) => ({
    source: h.inventory,
    random: (n: number) => crypto.getRandomValues(new Uint8Array(n)),
    pause: async () => undefined,
  });

  async function someIssued(h: World): Promise<void> {
    for (let n = 0; n < 12; n++) {
      const { issuanceId } = await guideTo('issued', h, {
        issuance: { caId: n % 2 === 0 ? 'devices' : 'workloads', owner: `plant-${n % 3}` },
        certificate: { notAfter: ledgerTime + (n % 4 === 0 ? hourMs : 30 * dayMs) },
      });
      if (n % 5 === 0) await h.ledger.advance([moves.revoke(issuanceId)]);
    }
  }

  it('finds counters equal, whatever of them is folded and taken (recount-equal)', async () => {
    await using h = disposable(await openInventory());
    await someIssued(h);
    expect(await recount(ports(h))).toMatchObject({ equal: true, certificates: 12, consistent: false });
    for (const rows of [3, 5, 500]) {
      await h.inventory.expire(ledgerTime + dayMs, rows);
      const result = await recount(ports(h));
      expect(result).toMatchObject({ equal: true, certificates: 12, differing: 0, sumDifferences: [] });
    }
    await someIssued(h);
    expect(await recount(ports(h))).toMatchObject({ equal: true, certificates: 24 });
  });

  it('names a bucket that differs, and sums that do not fit, and repairs neither (recount-names)', async () => {
    await using h = disposable(await openInventory());
    await someIssued(h);
    await keep(h, ledgerTime + hourMs - 1);
    const [row] = (await h.ledger.counters('devices')).filter(({ dimension }) => dimension === 'owner');
    const end = row!.bucketStart + row!.bucketMs;
    const key = keys.countedRow('devices', 'owner', row!.value, end, row!.bucketMs > hourMs);
    const one = { ':one': { N: '1' } };
    await h.table.update({ kind: 'update', key, set: { expression: 'ADD i :one', values: one } });
    const result = await recount(ports(h));
    expect(result).toMatchObject({ equal: false, differing: 1 });
    expect(result.differences[0]).toMatchObject({
      caId: 'devices',
      dimension: 'owner',
      value: row!.value,
      counted: { issued: row!.issued + 1 },
      recounted: { issued: row!.issued },
    });
    expect(result.sumDifferences).toMatchObject([{ caId: 'devices', dimension: 'owner', value: row!.value }]);
    expect(await recount(ports(h))).toMatchObject({ equal: false });
  });
});

describe('contacts on DynamoDB', () => {
  const by = { kind: 'fleet', caId: 'devices', fleet: 'sensors' } as const;

  it('are kept after an issuance, and come back by fleet, owner and credential (contacts-kept)', async () => {
    await using h = disposable(await openInventory());
    const names = ['dns:a.fleet.example'];
    for (const receivedAt of [ledgerTime, ledgerTime + dayMs, ledgerTime + 2 * dayMs + 400])
      await guideTo('issued', h, {
        issuance: { names, spkiSha256: 'a'.repeat(64), receivedAt },
        certificate: { notAfter: receivedAt + 9 * dayMs },
      });
    const { issuance } = await guideTo('issued', h);
    await guideTo('issued', h, { issuance: { fleet: 'presses', owner: 'plant-8' } });
    const [sensors, ...others] = await h.inventory.contacts(by, 100);
    expect(others).toEqual([]);
    expect(sensors).toMatchObject({ caId: 'devices', fleet: 'sensors', oneIn: 1 });
    expect(sensors!.devices).toHaveLength(2);
    expect(sensors!.devices.find(({ contacts }) => contacts.length > 1)).toEqual({
      contacts: [ledgerTime, ledgerTime + dayMs, ledgerTime + 2 * dayMs],
      notAfter: ledgerTime + 11 * dayMs + 400,
    });
    const owned = await h.inventory.contacts({ kind: 'owner', owner: 'plant-8' }, 100);
    expect(owned.map(({ fleet, devices }) => [fleet, devices.length])).toEqual([['presses', 1]]);
    const { credentialId } = issuance;
    expect(await h.inventory.contacts({ kind: 'credential', credentialId }, 100)).toHaveLength(1);
    expect(await h.inventory.contacts({ ...by, fleet: 'none' }, 100)).toEqual([]);
  });

  it('of a fleet of 5,000 are those of one device in a power of two, each with its last 128 (contacts-sampled)', async () => {
    await using h = disposable(await openInventory());
    const note = createContactNotes(h.table);
    const contact = (n: number, at: number) => ({
      ...{ caId: 'devices', fleet: 'sensors', owner: 'plant-7', profile: 'device', credentialId: 'c' },
      ...{ name: `dns:d${n}.fleet.example`, at, notAfter: at + dayMs },
    });
    await note(Array.from({ length: 5_000 }, (_, n) => contact(n, ledgerTime)));
    const [fleet] = await h.inventory.contacts(by, 10_000);
    expect(fleet!.oneIn).toBeGreaterThanOrEqual(4);
    expect(fleet!.devices.length).toBeLessThanOrEqual(sampledDevicesMax);
    expect(Math.abs(fleet!.devices.length * fleet!.oneIn - 5_000)).toBeLessThan(600);
    const kept = Array.from({ length: 5_000 }, (_, n) => contact(n, 0)).find((one) => isKept(placeOf(one), 64))!;
    for (let k = 1; k <= 160; k++) await note([{ ...kept, at: ledgerTime + k * 1_000 }]);
    const [again] = await h.inventory.contacts(by, 10_000);
    const most = again!.devices.map(({ contacts }) => contacts).sort((a, b) => b.length - a.length)[0]!;
    expect(most).toHaveLength(contactsMax);
    expect(most.at(-1)).toBe(ledgerTime + 160_000);
  }, 120_000);
});

describe('what the inventory sent in all of the above', () => {
  it('is no Scan, and asks for one partition with every Query (no-scan)', () => {
    const names = new Set(counts.flatMap(({ commands }) => [...commands.keys()]));
    expect([...names].sort()).toEqual([
      'BatchGetItemCommand',
      'BatchWriteItemCommand',
      'GetItemCommand',
      'QueryCommand',
      'TransactWriteItemsCommand',
      'UpdateItemCommand',
    ]);
    const queries = counts.flatMap((count) => count.queries);
    expect(queries.length).toBeGreaterThan(1_000);
    expect(queries.filter(({ isBounded }) => !isBounded)).toEqual([]);
  });

  afterAll(() => counts.splice(0));
});
