import type { InventoryUpkeep } from '../../issuance/inventory-ports.ts';
import type { EpochMs } from '../../pki/epoch.ts';
import { invariant } from '../ledger/ledger-fault.ts';
import type { Action, Table } from './calls.ts';
import { addCells, fits, type Touched, takeRows, touchedWith } from './change-counters.ts';
import { type CountedCell, type Part, partsOfCounter, windowMs } from './counters.ts';
import { endOfBucket, type Row, rowOf, type Sums } from './folded.ts';
import { type Item, number, numberOf, text, textOf } from './items.ts';
import { journalPage } from './journal.ts';
import { mapBounded } from './retry.ts';
import { afterValue, counterShards, indexes, indexKeys, keys, timeText, valueText } from './table.ts';

const rowsMaxMax = 1_000;

/**
 * Folds what was counted in windows that are over, and takes what has expired off the standings. A transaction each: whoever is
 * killed, or runs beside another, leaves every counter right.
 */
export function createDynamoUpkeep(table: Table, caIds: () => Promise<readonly string[]>): InventoryUpkeep {
  return {
    async expire(at, rowsMax) {
      invariant(rowsMax >= 1 && rowsMax <= rowsMaxMax, 'out-of-bounds', `rowsMax ${rowsMax}`);
      let left = rowsMax;
      for (const caId of await caIds()) {
        for (const step of [foldWindows, takeEnded]) {
          const { done, more } = await step(table, caId, at, left);
          left -= done;
          if (more || left <= 0) return { more: true };
        }
      }
      return { more: false };
    },
  };
}

interface Unfolded {
  readonly item: Item;
  readonly part: Part;
  readonly partsOfItem: number;
}

interface Step {
  readonly done: number;
  /** There is more to do, or somebody else was at it. */
  readonly more: boolean;
}

async function foldWindows(table: Table, caId: string, at: EpochMs, countMax: number): Promise<Step> {
  const before = Math.floor(at / windowMs) * windowMs;
  const shards = Array.from({ length: counterShards }, (_, shard) => shard);
  const each = Math.max(1, Math.ceil(countMax / counterShards));
  const pages = await mapBounded(shards, table.inFlightMax, (shard) =>
    journalPage(table, caId, shard, { before, countMax: each }),
  );
  const found = pages.flatMap((page) => page.items);
  const items = found.slice(0, countMax);
  let more = found.length > items.length || pages.some(({ next }) => next !== undefined);
  let open: Unfolded[] = [];
  let touched: Touched = { rows: new Set(), values: new Set() };
  for (const item of items) {
    const parts = partsOfCounter(item);
    for (const part of parts) {
      const others = new Set([...open.map((one) => one.item), item]).size;
      if (open.length > 0 && !fits(touched, caId, part.cells, others)) {
        if (!(await fold(table, caId, open))) return { done: items.length, more: true };
        // What is left of an item that was folded in part has changed: the next run reads it again.
        const inPart = open.some((one) => one.item === item);
        open = [];
        touched = { rows: new Set(), values: new Set() };
        if (inPart) {
          more = true;
          break;
        }
      }
      open.push({ item, part, partsOfItem: parts.length });
      touched = touchedWith(touched, caId, part.cells);
    }
  }
  if (open.length > 0 && !(await fold(table, caId, open))) more = true;
  return { done: items.length, more };
}

async function fold(table: Table, caId: string, unfolded: readonly Unfolded[]): Promise<boolean> {
  const byItem = Map.groupBy(unfolded, ({ item }) => item);
  const taking = [...byItem].map(([item, own]) => takeParts(item, own));
  const cells = unfolded.flatMap(({ part }): readonly CountedCell[] => part.cells);
  return addCells(table, caId, cells, taking);
}

/** Removes the item, where all of it is folded; else what is. Refused when it is not what was read. */
function takeParts(item: Item, own: readonly Unfolded[]): Action {
  const key = { PK: textOf(item, 'PK'), SK: textOf(item, 'SK') };
  const values = { ':mv': number(numberOf(item, 'mv')) };
  if (own.length === own[0]!.partsOfItem) return { kind: 'delete', key, condition: { expression: 'mv = :mv', values } };
  const attributes = own.flatMap(({ part }) => part.attributes);
  return {
    kind: 'update',
    key,
    set: {
      expression: `SET mv = mv + :one REMOVE ${attributes.map((_, at) => `#a${at}`).join(', ')}`,
      names: Object.fromEntries(attributes.map((name, at) => [`#a${at}`, name])),
      values: { ...values, ':one': number(1) },
    },
    condition: 'mv = :mv',
  };
}

/** Buckets of one transaction: each with its value, beside the head. */
const rowsPerChange = 49;

async function takeEnded(table: Table, caId: string, at: EpochMs, countMax: number): Promise<Step> {
  const page = await table.query({
    IndexName: indexes.byStanding.name,
    KeyConditionExpression: 'sPk = :pk AND sSk < :after',
    ExpressionAttributeValues: { ':pk': text(indexKeys.ends(caId)), ':after': text(timeText(at + 1)) },
    Limit: countMax,
  });
  const items = await table.getMany(page.items.map((item) => ({ PK: textOf(item, 'PK'), SK: textOf(item, 'SK') })));
  const rows = items.flatMap((item) => (item === undefined ? [] : [rowOf(item)]));
  for (let start = 0; start < rows.length; start += rowsPerChange)
    if (!(await takeRows(table, caId, rows.slice(start, start + rowsPerChange), edgeOf(table))))
      return { done: rows.length, more: true };
  return { done: rows.length, more: page.next !== undefined };
}

/** End of the first bucket of a value that is neither taken nor about to be. */
function edgeOf(table: Table) {
  return async ({ caId, dimension, value, edge = 0 }: Sums, taken: readonly Row[]): Promise<EpochMs | undefined> => {
    const ends = new Set(taken.map((row) => `${row.bucketMs} ${row.bucketStart}`));
    for await (const row of rowsOf(table, caId, dimension, value, edge))
      if (!row.taken && !ends.has(`${row.bucketMs} ${row.bucketStart}`)) return endOfBucket(row);
    return undefined;
  };
}

/** Buckets of a value that end at `from` or later, by their end. Strongly consistent. */
export async function* rowsOf(
  table: Table,
  caId: string,
  dimension: Row['dimension'],
  value: string,
  from: EpochMs,
  before?: EpochMs,
): AsyncGenerator<Row> {
  let start: Item | undefined;
  const place = (end: string) => text(`${valueText(value)}${afterValue}${end}`);
  do {
    const page = await table.query({
      KeyConditionExpression: 'PK = :pk AND SK BETWEEN :from AND :before',
      ExpressionAttributeValues: {
        ':pk': text(keys.countedRowsPartition(caId, dimension)),
        ':from': place(timeText(from)),
        ':before': place(before === undefined ? '~' : timeText(before)),
      },
      ConsistentRead: true,
      ...(start === undefined ? {} : { ExclusiveStartKey: { ...start } }),
    });
    for (const item of page.items) yield rowOf(item);
    start = page.next;
  } while (start !== undefined);
}
