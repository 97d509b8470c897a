/** Changes of the folded counters of a CA, each with its head: one at a time, and all of a change or none. */
import type { CountedDimension } from '../../inventory/counted.ts';
import { type Action, actionsMax, type Table } from './calls.ts';
import type { CountedCell } from './counters.ts';
import { endOfBucket, type Row, rowItem, rowKey, rowOf, type Sums, sumsItem, sumsOf } from './folded.ts';
import { type Item, number, numberOr } from './items.ts';
import { type Key, keyItem, keys, keyText } from './table.ts';

type ValuePlace = Pick<Sums, 'dimension' | 'value'>;

const none = { issued: 0, revoked: 0, standing: 0 };

const valueKey = ({ dimension, value }: ValuePlace) => JSON.stringify([dimension, value]);
const cellKey = (caId: string, cell: CountedCell) => keyText(rowKey({ caId, ...cell }));

/** What a change touches at once: a transaction has place for 100, the head among them. */
export interface Touched {
  readonly rows: ReadonlySet<string>;
  readonly values: ReadonlySet<string>;
}

/** Whether these cells find place beside what is touched already, with so many other actions. */
export function fits(touched: Touched, caId: string, cells: readonly CountedCell[], others: number): boolean {
  const all = touchedWith(touched, caId, cells);
  return all.rows.size + all.values.size + others + 1 <= actionsMax;
}

export function touchedWith(touched: Touched, caId: string, cells: readonly CountedCell[]): Touched {
  return {
    rows: new Set([...touched.rows, ...cells.map((cell) => cellKey(caId, cell))]),
    values: new Set([...touched.values, ...cells.map(valueKey)]),
  };
}

interface State {
  readonly head: Item;
  readonly gen: number;
  readonly rows: Map<string, Row>;
  readonly sums: Map<string, Sums>;
}

/** The head first: what is read after it and was changed since has another head, so that the write is refused. */
async function readState(table: Table, caId: string, cells: readonly CountedCell[]): Promise<State> {
  const head = (await table.get(keys.counterHead(caId))) ?? {};
  const distinct = new Map(cells.map((cell) => [cellKey(caId, cell), cell]));
  const values = new Map(cells.map((cell) => [valueKey(cell), cell]));
  const [rowItems, sumsItems] = await Promise.all([
    table.getMany([...distinct.values()].map((cell) => rowKey({ caId, ...cell }))),
    table.getMany([...values.values()].map(({ dimension, value }) => keys.countedSums(caId, dimension, value))),
  ]);
  const rows = new Map<string, Row>();
  [...distinct.keys()].forEach((key, at) => {
    if (rowItems[at] !== undefined) rows.set(key, rowOf(rowItems[at]));
  });
  const sums = new Map<string, Sums>();
  [...values.keys()].forEach((key, at) => {
    if (sumsItems[at] !== undefined) sums.set(key, sumsOf(sumsItems[at]));
  });
  return { head, gen: numberOr(head, 'gen', 0), rows, sums };
}

/**
 * Adds cells to the folded counters, in one transaction with `others`, which take them from where they were. False when somebody
 * else changed the counters, or the journal, in between: nothing was written. What is of a bucket that was taken stands no more.
 */
export async function addCells(
  table: Table,
  caId: string,
  cells: readonly CountedCell[],
  others: readonly Action[],
): Promise<boolean> {
  const state = await readState(table, caId, cells);
  const gen = state.gen + 1;
  const before = new Map(state.sums);
  for (const cell of cells) {
    const { dimension, value, bucketStart, bucketMs, issued, revoked } = cell;
    const key = cellKey(caId, cell);
    const row = state.rows.get(key);
    const place = { caId, dimension, value, bucketStart, bucketMs };
    const taken = row?.taken ?? false;
    const [i, r] = [(row?.issued ?? 0) + issued, (row?.revoked ?? 0) + revoked];
    state.rows.set(key, { ...place, issued: i, revoked: r, taken, gen });
    const sums: Pick<Sums, 'issued' | 'revoked' | 'standing' | 'edge'> = state.sums.get(valueKey(cell)) ?? none;
    const edges = [...(sums.edge === undefined ? [] : [sums.edge]), ...(taken ? [] : [endOfBucket(cell)])];
    state.sums.set(valueKey(cell), {
      caId,
      dimension,
      value,
      issued: sums.issued + issued,
      revoked: sums.revoked + revoked,
      standing: sums.standing + (taken ? 0 : issued - revoked),
      ...(edges.length === 0 ? {} : { edge: Math.min(...edges) }),
      gen,
    });
  }
  return write(table, caId, state, before, others);
}

/** Takes buckets off the standing of their values. `edgeAfter` is where the buckets of a value go on. */
export async function takeRows(
  table: Table,
  caId: string,
  wanted: readonly Row[],
  edgeAfter: (sums: Sums, taken: readonly Row[]) => Promise<number | undefined>,
): Promise<boolean> {
  const state = await readState(table, caId, wanted);
  const gen = state.gen + 1;
  const before = new Map(state.sums);
  const ofValue = Map.groupBy(
    [...state.rows.values()].filter(({ taken }) => !taken),
    valueKey,
  );
  state.rows.clear();
  for (const [key, rows] of ofValue) {
    const sums = state.sums.get(key)!;
    const { edge: _, ...rest } = sums;
    const edge = await edgeAfter(sums, rows);
    const standing = rows.reduce((left, { issued, revoked }) => left - issued + revoked, sums.standing);
    state.sums.set(key, { ...rest, standing, ...(edge === undefined ? {} : { edge }), gen });
    for (const row of rows) state.rows.set(cellKey(caId, row), { ...row, taken: true, gen });
  }
  if (state.rows.size === 0) return true;
  return write(
    table,
    caId,
    { ...state, sums: new Map([...state.sums].filter(([key]) => ofValue.has(key))) },
    before,
    [],
  );
}

async function write(
  table: Table,
  caId: string,
  { head, gen, rows, sums }: State,
  before: ReadonlyMap<string, Sums>,
  others: readonly Action[],
): Promise<boolean> {
  const came = new Map<CountedDimension, number>();
  for (const [key, { dimension, standing }] of sums) {
    const change = Number(standing > 0) - Number((before.get(key)?.standing ?? 0) > 0);
    came.set(dimension, (came.get(dimension) ?? 0) + change);
  }
  const counts = Object.fromEntries(
    [...came].map(([dimension, change]) => [countName(dimension), number(valuesIn(head, dimension) + change)]),
  );
  const key: Key = keys.counterHead(caId);
  const outcome = await table.transact([
    {
      kind: 'put',
      item: { ...head, ...keyItem(key), ...counts, gen: number(gen + 1) },
      condition:
        gen === 0
          ? { expression: 'attribute_not_exists(PK)' }
          : { expression: 'gen = :gen', values: { ':gen': number(gen) } },
    },
    ...others,
    ...[...rows.values()].map((row): Action => ({ kind: 'put', item: rowItem(row) })),
    ...[...sums.values()].map((one): Action => ({ kind: 'put', item: sumsItem(one) })),
  ]);
  return outcome.kind === 'written';
}

const countName = (dimension: CountedDimension) => `n_${dimension}`;

/** Values of a dimension with something that stands, as the head has them. */
export function valuesIn(head: Item, dimension: CountedDimension): number {
  return numberOr(head, countName(dimension), 0);
}
