/**
 * Folded counters: of each value its buckets (`Row`) and its sums (`Sums`). Whoever changes any of them of a CA moves its head on in the
 * same transaction, so that one does so at a time; each carries the number of the head it was changed with.
 */
import { type CountedDimension, countedDimensions } from '../../inventory/counted.ts';
import type { CounterRow } from '../../issuance/ports.ts';
import type { EpochMs } from '../../pki/epoch.ts';
import type { Table } from './calls.ts';
import type { CountedCell } from './counters.ts';
import { flag, type Item, number, numberOf, optional, text, textOf } from './items.ts';
import { genOf, readJournal } from './journal.ts';
import { indexKeys, type Key, keyItem, keys } from './table.ts';

const dayMs = 24 * 3_600_000;

export interface Row extends CountedCell {
  readonly caId: string;
  /** Taken off the standing of its value, as expired. */
  readonly taken: boolean;
  readonly gen: number;
}

export interface Sums {
  readonly caId: string;
  readonly dimension: CountedDimension;
  readonly value: string;
  readonly issued: number;
  readonly revoked: number;
  readonly standing: number;
  /** End of the first bucket that is not taken; undefined where there is none. */
  readonly edge?: EpochMs;
  readonly gen: number;
}

export const endOfBucket = (cell: { readonly bucketStart: EpochMs; readonly bucketMs: number }): EpochMs =>
  cell.bucketStart + cell.bucketMs;

type RowPlace = Pick<Row, 'caId' | 'dimension' | 'value' | 'bucketStart' | 'bucketMs'>;

export function rowKey(row: RowPlace): Key {
  return keys.countedRow(row.caId, row.dimension, row.value, endOfBucket(row), row.bucketMs === dayMs);
}

export function rowItem(row: Row): Item {
  const { caId, dimension, value, bucketStart, bucketMs, issued, revoked, taken, gen } = row;
  return {
    ...keyItem(rowKey(row)),
    ca: text(caId),
    dim: text(dimension),
    val: text(value),
    bs: number(bucketStart),
    bm: number(bucketMs),
    i: number(issued),
    r: number(revoked),
    gen: number(gen),
    ...(taken
      ? { tk: flag(true) }
      : {
          sPk: text(indexKeys.ends(caId)),
          sSk: text(indexKeys.endAndValue(endOfBucket(row), dimension, value)),
        }),
  };
}

export function rowOf(item: Item): Row {
  return {
    caId: textOf(item, 'ca'),
    dimension: textOf(item, 'dim') as CountedDimension,
    value: textOf(item, 'val'),
    bucketStart: numberOf(item, 'bs'),
    bucketMs: numberOf(item, 'bm'),
    issued: numberOf(item, 'i'),
    revoked: numberOf(item, 'r'),
    taken: item.tk !== undefined,
    gen: numberOf(item, 'gen'),
  };
}

export function sumsItem(sums: Sums): Item {
  const { caId, dimension, value, issued, revoked, standing, edge, gen } = sums;
  return {
    ...keyItem(keys.countedSums(caId, dimension, value)),
    ca: text(caId),
    dim: text(dimension),
    val: text(value),
    i: number(issued),
    r: number(revoked),
    std: number(standing),
    gen: number(gen),
    ...(edge === undefined ? {} : { edge: number(edge) }),
    ...(standing <= 0
      ? {}
      : {
          sPk: text(indexKeys.byStanding(caId, dimension)),
          sSk: text(indexKeys.standingAndValue(standing, value)),
        }),
  };
}

export function sumsOf(item: Item): Sums {
  return {
    caId: textOf(item, 'ca'),
    dimension: textOf(item, 'dim') as CountedDimension,
    value: textOf(item, 'val'),
    issued: numberOf(item, 'i'),
    revoked: numberOf(item, 'r'),
    standing: numberOf(item, 'std'),
    ...optional(item, 'edge', 'edge', numberOf),
    gen: numberOf(item, 'gen'),
  };
}

/** Items of a page, with where the next one begins. Strongly consistent. */
export async function rowsPage(
  table: Table,
  caId: string,
  dimension: CountedDimension,
  { after, countMax }: { readonly after: string | undefined; readonly countMax: number },
): Promise<{ readonly rows: readonly Row[]; readonly next: string | undefined }> {
  const page = await table.query({
    KeyConditionExpression: after === undefined ? 'PK = :pk' : 'PK = :pk AND SK > :after',
    ExpressionAttributeValues: {
      ':pk': text(keys.countedRowsPartition(caId, dimension)),
      ...(after === undefined ? {} : { ':after': text(after) }),
    },
    ConsistentRead: true,
    Limit: countMax,
  });
  return { rows: page.items.map(rowOf), next: page.next?.SK?.S };
}

/** Pages of 1,000 counters that a call reads at most, of each dimension. */
const pagesMax = 100_000;
const readingsMax = 20;

/** Every counter of a CA, folded or not, in the order dimension, value, size of bucket, start of bucket. */
export async function readCounters(table: Table, caId: string): Promise<readonly CounterRow[]> {
  for (let reading = 1; reading <= readingsMax; reading++) {
    const { gen, cells } = await readJournal(table, caId);
    const sums = new Map<string, CounterRow>();
    const add = ({ dimension, value, bucketStart, bucketMs, issued, revoked }: CountedCell) => {
      const key = JSON.stringify([dimension, value, bucketMs, bucketStart]);
      const known = sums.get(key) ?? { issued: 0, revoked: 0 };
      const [i, r] = [known.issued + issued, known.revoked + revoked];
      sums.set(key, { dimension, value, bucketStart, bucketMs, issued: i, revoked: r });
    };
    for (const values of cells.values()) for (const own of values.values()) own.forEach(add);
    await Promise.all(
      countedDimensions.map(async (dimension) => {
        let after: string | undefined;
        for (let page = 0; page < pagesMax; page++) {
          const found = await rowsPage(table, caId, dimension, { after, countMax: 1_000 });
          found.rows.forEach(add);
          after = found.next;
          if (after === undefined) return;
        }
        throw new Error(`the counters of ${caId} are more than ${pagesMax} pages`);
      }),
    );
    if ((await genOf(table, caId)) === gen) return [...sums.values()].sort(inOrder);
  }
  throw new Error(`the counters of ${caId} were folded ${readingsMax} times while they were read`);
}

function inOrder(a: CounterRow, b: CounterRow): number {
  const compare = (one: string, other: string) => (one < other ? -1 : one > other ? 1 : 0);
  return (
    compare(a.dimension, b.dimension) ||
    compare(a.value, b.value) ||
    a.bucketMs - b.bucketMs ||
    a.bucketStart - b.bucketStart
  );
}
