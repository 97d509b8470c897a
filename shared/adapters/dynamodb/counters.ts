/**
 * The counters of the blast radius. One item holds what one owner's fleet has in one bucket of one shard: a total, and under it
 * the marginals by profile, key type and credential, which are few. The marginals by owner and fleet are sums over items. So a certificate
 * moves one item, not six, and there are no more items than there would be rows of the dimension `fleet`.
 */
import type { CounterRow } from '../../issuance/ports.ts';
import type { EpochMs } from '../../pki/epoch.ts';
import { bucketOf, type Counted } from '../ledger/counted.ts';
import type { Action, Table } from './calls.ts';
import { type Item, number, numberOf, numberOr, text, textOf } from './items.ts';
import { mapBounded } from './retry.ts';
import { counterShards, keyPart, keys, timeText } from './table.ts';

export type CountedChange = 'issued' | 'revoked';

interface Cell {
  readonly caId: string;
  readonly owner: string;
  readonly fleet: string;
  readonly bucketStart: EpochMs;
  readonly bucketMs: number;
  /** Attribute of the item → how much to add. */
  readonly added: Map<string, number>;
}

/** What the members of one transaction count, gathered so that it moves each item once. */
export type Cells = Map<string, Cell>;

const dayMs = 24 * 3_600_000;

/** Attributes: `i`, `r` the totals issued and revoked; `ip:`, `rp:` by profile; `ik:`, `rk:` by key type; `ic:`, `rc:` by credential. */
const letters = { issued: 'i', revoked: 'r' } as const;

const dimensions: Readonly<Record<string, CounterRow['dimension']>> = {
  'p:': 'profile',
  'k:': 'keyType',
  'c:': 'credential',
};

function sortKey({ owner, fleet, bucketStart, bucketMs }: Omit<Cell, 'added'>): string {
  return `${bucketMs === dayMs ? 'd' : 'h'}#${timeText(bucketStart)}#${keyPart(owner)}#${keyPart(fleet)}`;
}

export function cellKeyOf(certificate: Counted): string {
  const { caId, owner, fleet, notBefore, notAfter } = certificate;
  return `${keyPart(caId)}#${sortKey({ caId, owner, fleet, ...bucketOf(notBefore, notAfter) })}`;
}

export function countInto(cells: Cells, change: CountedChange, certificate: Counted): void {
  const { caId, owner, fleet, profile, keyType, credentialId, notBefore, notAfter } = certificate;
  const key = cellKeyOf(certificate);
  let cell = cells.get(key);
  if (cell === undefined) {
    cell = { caId, owner, fleet, ...bucketOf(notBefore, notAfter), added: new Map() };
    cells.set(key, cell);
  }
  const letter = letters[change];
  for (const name of [letter, `${letter}p:${profile}`, `${letter}k:${keyType}`, `${letter}c:${credentialId}`]) {
    cell.added.set(name, (cell.added.get(name) ?? 0) + 1);
  }
}

/** ADD is repeated by nobody: it stands in a transaction whose other actions pass once. */
export function countActions(cells: Cells, shard: number): readonly Action[] {
  return [...cells.values()].map((cell): Action => {
    const added = [...cell.added];
    return {
      kind: 'update',
      key: { PK: keys.counterPartition(cell.caId, shard), SK: sortKey(cell) },
      set: {
        expression: `SET own = :own, flt = :flt, bs = :bs, bm = :bm ADD ${added.map((_, i) => `#a${i} :a${i}`).join(', ')}`,
        names: Object.fromEntries(added.map(([name], i) => [`#a${i}`, name])),
        values: {
          ':own': text(cell.owner),
          ':flt': text(cell.fleet),
          ':bs': number(cell.bucketStart),
          ':bm': number(cell.bucketMs),
          ...Object.fromEntries(added.map(([, sum], i) => [`:a${i}`, number(sum)])),
        },
      },
    };
  });
}

/** Pages of one shard at most: 4,096 MB of counters, some thirty million fleet-days. */
const pagesMax = 4_096;

/** Every counter of a CA, as sums over its shards, in the order dimension, value, size of bucket, start of bucket. */
export async function readCounters(table: Table, caId: string): Promise<readonly CounterRow[]> {
  const sums = new Map<string, CounterRow>();
  const shards = Array.from({ length: counterShards }, (_, shard) => shard);
  await mapBounded(shards, table.inFlightMax, async (shard) => {
    let next: Item | undefined;
    for (let page = 0; page < pagesMax; page++) {
      const found = await table.query({
        KeyConditionExpression: 'PK = :pk',
        ExpressionAttributeValues: { ':pk': text(keys.counterPartition(caId, shard)) },
        ConsistentRead: true,
        ExclusiveStartKey: next,
      });
      for (const item of found.items) addItem(sums, item);
      next = found.next;
      if (next === undefined) return;
    }
    throw new Error(`the counters of ${caId} are more than ${pagesMax} pages`);
  });
  return [...sums.values()].sort(
    (a, b) =>
      compare(a.dimension, b.dimension) ||
      compare(a.value, b.value) ||
      a.bucketMs - b.bucketMs ||
      a.bucketStart - b.bucketStart,
  );
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function addItem(sums: Map<string, CounterRow>, item: Item): void {
  const bucket = { bucketStart: numberOf(item, 'bs'), bucketMs: numberOf(item, 'bm') };
  function add(dimension: CounterRow['dimension'], value: string, issued: number, revoked: number): void {
    const key = JSON.stringify([dimension, value, bucket.bucketMs, bucket.bucketStart]);
    const sum = sums.get(key) ?? { dimension, value, ...bucket, issued: 0, revoked: 0 };
    sums.set(key, { ...sum, issued: sum.issued + issued, revoked: sum.revoked + revoked });
  }
  const [issued, revoked] = [numberOr(item, 'i', 0), numberOr(item, 'r', 0)];
  add('total', '', issued, revoked);
  add('owner', textOf(item, 'own'), issued, revoked);
  add('fleet', textOf(item, 'flt'), issued, revoked);
  for (const name of Object.keys(item)) {
    const dimension = dimensions[name.slice(1, 3)];
    if (dimension === undefined) continue;
    const count = numberOf(item, name);
    if (name.startsWith('i')) add(dimension, name.slice(3), count, 0);
    else add(dimension, name.slice(3), 0, count);
  }
}
