/** What was counted and is not folded yet, of one CA as a whole: what a reader adds to the folded counters. */
import type { CountedDimension } from '../../inventory/counted.ts';
import type { EpochMs } from '../../pki/epoch.ts';
import type { Table } from './calls.ts';
import { type CountedCell, partsOfCounter } from './counters.ts';
import { type Item, numberOr, text } from './items.ts';
import { mapBounded } from './retry.ts';
import { counterShards, keys, timeText } from './table.ts';

export interface Journal {
  /** How often the folded counters had been changed when it was read: none of them was, while it was read. */
  readonly gen: number;
  /** Cells by dimension and value; those of one bucket together. */
  readonly cells: ReadonlyMap<CountedDimension, ReadonlyMap<string, readonly CountedCell[]>>;
}

/** Pages of one shard at most. With the upkeep running there is one, with what was counted in some minutes. */
const pagesMax = 4_096;
/** Readings, while the upkeep folds in between. */
const readingsMax = 20;

/** Items of one shard by their window, those of windows before `before` only where it is given. Strongly consistent. */
export async function journalPage(
  table: Table,
  caId: string,
  shard: number,
  {
    before,
    start,
    countMax,
  }: { readonly before?: EpochMs; readonly start?: Item | undefined; readonly countMax?: number },
) {
  return table.query({
    KeyConditionExpression: before === undefined ? 'PK = :pk' : 'PK = :pk AND SK < :before',
    ExpressionAttributeValues: {
      ':pk': text(keys.counterPartition(caId, shard)),
      ...(before === undefined ? {} : { ':before': text(timeText(before)) }),
    },
    ConsistentRead: true,
    ...(start === undefined ? {} : { ExclusiveStartKey: { ...start } }),
    ...(countMax === undefined ? {} : { Limit: countMax }),
  });
}

export async function genOf(table: Table, caId: string): Promise<number> {
  return numberOr((await table.get(keys.counterHead(caId))) ?? {}, 'gen', 0);
}

/** The journal at one instant: what is folded while it is read would be in it, and in the counters as well. */
export async function readJournal(table: Table, caId: string): Promise<Journal> {
  for (let reading = 1; reading <= readingsMax; reading++) {
    const gen = await genOf(table, caId);
    const cells = new Map<CountedDimension, Map<string, CountedCell[]>>();
    const shards = Array.from({ length: counterShards }, (_, shard) => shard);
    await mapBounded(shards, table.inFlightMax, (shard) => readShard(table, caId, shard, cells));
    if ((await genOf(table, caId)) === gen) return { gen, cells };
  }
  throw new Error(`the counters of ${caId} were folded ${readingsMax} times while they were read`);
}

async function readShard(
  table: Table,
  caId: string,
  shard: number,
  cells: Map<CountedDimension, Map<string, CountedCell[]>>,
): Promise<void> {
  let start: Item | undefined;
  for (let page = 0; page < pagesMax; page++) {
    const found = await journalPage(table, caId, shard, { start });
    for (const item of found.items)
      for (const part of partsOfCounter(item)) for (const cell of part.cells) addCell(cells, cell);
    start = found.next;
    if (start === undefined) return;
  }
  throw new Error(`what was counted of ${caId} and is not folded is more than ${pagesMax} pages`);
}

function addCell(cells: Map<CountedDimension, Map<string, CountedCell[]>>, cell: CountedCell): void {
  const { dimension, value, bucketStart, bucketMs, issued, revoked } = cell;
  const values = cells.get(dimension) ?? new Map<string, CountedCell[]>();
  cells.set(dimension, values);
  const own = values.get(value) ?? [];
  values.set(value, own);
  const at = own.findIndex((one) => one.bucketStart === bucketStart && one.bucketMs === bucketMs);
  if (at < 0) own.push(cell);
  else own[at] = { ...cell, issued: own[at]!.issued + issued, revoked: own[at]!.revoked + revoked };
}

export function cellsOf(journal: Journal, dimension: CountedDimension, value: string): readonly CountedCell[] {
  return journal.cells.get(dimension)?.get(value) ?? [];
}

export interface Journals {
  /** As it was `ageMsMax` ago or later. */
  read(caId: string): Promise<Journal>;
  forget(caId: string): void;
}

/** Journals that are remembered for a moment: the reads of one headline share one. */
export function rememberJournals(table: Table, clock: () => EpochMs, ageMsMax: number): Journals {
  const kept = new Map<string, { readonly at: EpochMs; readonly journal: Promise<Journal> }>();
  return {
    read(caId) {
      const now = clock();
      const known = kept.get(caId);
      if (known !== undefined && now >= known.at && now - known.at <= ageMsMax) return known.journal;
      const journal = readJournal(table, caId);
      kept.set(caId, { at: now, journal });
      journal.catch(() => kept.delete(caId));
      return journal;
    },
    forget: (caId) => void kept.delete(caId),
  };
}
