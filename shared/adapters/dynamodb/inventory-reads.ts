import type { CountedDimension, LiveBucket } from '../../inventory/counted.ts';
import type { InventoryReads, StandingPlace, StandingValue } from '../../issuance/inventory-ports.ts';
import type { EpochMs } from '../../pki/epoch.ts';
import { invariant } from '../ledger/ledger-fault.ts';
import type { Table } from './calls.ts';
import { valuesIn } from './change-counters.ts';
import type { CountedCell } from './counters.ts';
import { endOfBucket, type Row, type Sums, sumsOf } from './folded.ts';
import { rowsOf } from './inventory-upkeep.ts';
import { type Item, numberOf, text, textOf } from './items.ts';
import { cellsOf, type Journal, type Journals } from './journal.ts';
import { indexes, indexKeys, keys, standingOfText, valueText } from './table.ts';

const pageMax = 1_000;
/** Readings, while the upkeep changes what is read. */
const readingsMax = 20;

export type CounterReads = Omit<InventoryReads, 'certificatesOfKey' | 'contacts'>;

export interface CounterReadsOptions {
  readonly table: Table;
  readonly journals: Journals;
  readonly clock: () => EpochMs;
}

/**
 * Folded counters and the journal together. What was folded after the journal was read says so by its number, and both are read
 * again: nothing is counted twice or left out.
 */
export function createCounterReads(options: CounterReadsOptions): CounterReads {
  return { ...createSums(options), ...createValues(options) };
}

type Changed = { readonly gen: number } | undefined;

async function together<T>(
  { journals }: CounterReadsOptions,
  caId: string,
  read: (journal: Journal, check: (...read: readonly Changed[]) => void) => Promise<T>,
): Promise<T> {
  for (let reading = 1; reading <= readingsMax; reading++) {
    const journal = await journals.read(caId);
    let isStale = false;
    const answer = await read(journal, (...all) => {
      isStale ||= all.some((one) => (one?.gen ?? 0) > journal.gen);
    });
    if (!isStale) return answer;
    journals.forget(caId);
  }
  throw new Error(`the counters of ${caId} were changed ${readingsMax} times while they were read`);
}

async function sumsMany(table: Table, caId: string, dimension: CountedDimension, values: readonly string[]) {
  const items = await table.getMany(values.map((value) => keys.countedSums(caId, dimension, value)));
  return items.map((item) => (item === undefined ? undefined : sumsOf(item)));
}

const left = ({ issued, revoked }: { readonly issued: number; readonly revoked: number }) => issued - revoked;
const total = (cells: readonly CountedCell[]) => cells.reduce((sum, cell) => sum + left(cell), 0);

function createSums(options: CounterReadsOptions): Pick<CounterReads, 'sums' | 'liveBuckets'> {
  const { table } = options;
  return {
    sums: (caId, dimension, value, at) =>
      together(options, caId, async (journal, check) => {
        const [sums] = await sumsMany(table, caId, dimension, [value]);
        check(sums);
        const ended: Row[] = [];
        if (sums?.edge !== undefined && sums.edge <= at)
          for await (const row of rowsOf(table, caId, dimension, value, sums.edge, at + 1)) ended.push(row);
        check(...ended);
        const cells = cellsOf(journal, dimension, value);
        return {
          issued: cells.reduce((sum, { issued }) => sum + issued, sums?.issued ?? 0),
          revoked: cells.reduce((sum, { revoked }) => sum + revoked, sums?.revoked ?? 0),
          outstanding:
            (sums?.standing ?? 0) -
            total(ended.filter(({ taken }) => !taken)) +
            total(cells.filter((cell) => endOfBucket(cell) > at)),
        };
      }),
    liveBuckets: (caId, dimension, value, at) =>
      together(options, caId, async (journal, check) => {
        const rows: Row[] = [];
        for await (const row of rowsOf(table, caId, dimension, value, at + 1)) rows.push(row);
        check(...rows);
        return bucketsOf([...rows, ...cellsOf(journal, dimension, value).filter((cell) => endOfBucket(cell) > at)]);
      }),
  };
}

/** When the certificates of a bucket end is not known here: some may end at once, some at its end. */
function bucketsOf(cells: readonly CountedCell[]): readonly LiveBucket[] {
  const buckets = new Map<string, LiveBucket>();
  for (const { bucketStart, bucketMs, issued, revoked } of cells) {
    const key = `${bucketMs} ${bucketStart}`;
    const known = buckets.get(key) ?? { issued: 0, revoked: 0 };
    buckets.set(key, {
      bucketStart,
      bucketMs,
      issued: known.issued + issued,
      revoked: known.revoked + revoked,
      notAfterFirst: bucketStart,
      notAfterLast: bucketStart + bucketMs - 1_000,
    });
  }
  return [...buckets.values()]
    .filter(({ issued }) => issued > 0)
    .sort((a, b) => endOfBucket(a) - endOfBucket(b) || a.bucketMs - b.bucketMs);
}

/** A value that the journal has something of. */
interface Moved {
  readonly folded: Sums | undefined;
  /** What is folded, and what of the journal has not ended. */
  readonly standing: number;
}

type MovedValues = ReadonlyMap<string, Moved>;

/** Values of the journal with what stands of them, read once for each journal. */
function createMovedValues({ table, clock }: CounterReadsOptions) {
  const known = new WeakMap<Journal, Map<CountedDimension, Promise<MovedValues>>>();
  async function read(caId: string, journal: Journal, dimension: CountedDimension): Promise<MovedValues> {
    const cells = [...(journal.cells.get(dimension) ?? [])];
    const folded = await sumsMany(
      table,
      caId,
      dimension,
      cells.map(([value]) => value),
    );
    const now = clock();
    return new Map(
      cells.map(([value, own], at) => {
        const live = total(own.filter((cell) => endOfBucket(cell) > now));
        return [value, { folded: folded[at], standing: (folded[at]?.standing ?? 0) + live }];
      }),
    );
  }
  return (caId: string, journal: Journal, dimension: CountedDimension): Promise<MovedValues> => {
    const own = known.get(journal) ?? new Map<CountedDimension, Promise<MovedValues>>();
    known.set(journal, own);
    const values = own.get(dimension) ?? read(caId, journal, dimension);
    own.set(dimension, values);
    return values;
  };
}

const checkPage = (countMax: number) =>
  invariant(countMax >= 1 && countMax <= pageMax, 'out-of-bounds', `countMax ${countMax}`);

function createValues(
  options: CounterReadsOptions,
): Pick<CounterReads, 'largest' | 'standingValues' | 'standings' | 'countValues'> {
  const { table } = options;
  const movedValues = createMovedValues(options);

  async function merged(
    caId: string,
    dimension: CountedDimension,
    countMax: number,
    order: (value: StandingValue) => string,
    after: string | undefined,
    page: (after: string | undefined, start: Item | undefined) => Promise<Page>,
  ): Promise<readonly StandingValue[]> {
    checkPage(countMax);
    return together(options, caId, async (journal, check) => {
      const moved = await movedValues(caId, journal, dimension);
      check(...[...moved.values()].map(({ folded }) => folded));
      const found: StandingValue[] = [];
      let start: Item | undefined;
      do {
        const { values, next } = await page(after, start);
        found.push(...values.filter(({ value }) => !moved.has(value)));
        start = next;
      } while (start !== undefined && found.length < countMax);
      const own = [...moved].map(([value, { standing }]) => ({ value, standing }));
      return [...found, ...own.filter((one) => one.standing > 0 && (after === undefined || order(one) > after))]
        .map((one) => ({ one, place: Buffer.from(order(one)) }))
        .sort((a, b) => Buffer.compare(a.place, b.place))
        .slice(0, countMax)
        .map(({ one }) => one);
    });
  }

  return {
    largest: (caId, dimension, countMax, after) =>
      merged(caId, dimension, countMax, placeText, after && placeText(after), (from, start) =>
        standingPage(table, caId, dimension, from, start, countMax),
      ),
    standingValues: (caId, dimension, after, countMax) =>
      merged(
        caId,
        dimension,
        countMax,
        ({ value }) => valueText(value),
        after === undefined ? undefined : valueText(after),
        (from, start) => sumsPage(table, caId, dimension, from, start, countMax),
      ),
    async standings(caId, dimension, values) {
      invariant(values.length <= pageMax, 'out-of-bounds', `${values.length} values in one call`);
      return together(options, caId, async (journal, check) => {
        const moved = await movedValues(caId, journal, dimension);
        const folded = await sumsMany(table, caId, dimension, values);
        check(...folded, ...[...moved.values()].map((one) => one.folded));
        return values.map((value, at) => moved.get(value)?.standing ?? folded[at]?.standing ?? 0);
      });
    },
    async countValues(caIds, dimension, countMax) {
      const [first, ...others] = caIds;
      if (first === undefined) return { count: 0, exact: true };
      if (others.length > 0) return countDistinct(options, movedValues, caIds, dimension, countMax);
      const count = await together(options, first, async (journal, check) => {
        const moved = [...(await movedValues(first, journal, dimension)).values()];
        const head = (await table.get(keys.counterHead(first))) ?? {};
        check(head.gen === undefined ? undefined : { gen: numberOf(head, 'gen') });
        const came = (one: Moved) => Number(one.standing > 0) - Number((one.folded?.standing ?? 0) > 0);
        return moved.reduce((sum, one) => sum + came(one), valuesIn(head, dimension));
      });
      return { count: Math.min(count, countMax), exact: count <= countMax };
    },
  };
}

const placeText = ({ standing, value }: StandingPlace) => indexKeys.standingAndValue(standing, value);

interface Page {
  readonly values: readonly StandingValue[];
  readonly next: Item | undefined;
}

const startAt = (start: Item | undefined) => (start === undefined ? {} : { ExclusiveStartKey: { ...start } });

/** Values by what stands of them. Eventually consistent, as an index is. */
async function standingPage(
  table: Table,
  caId: string,
  dimension: CountedDimension,
  after: string | undefined,
  start: Item | undefined,
  countMax: number,
): Promise<Page> {
  const page = await table.query({
    IndexName: indexes.byStanding.name,
    KeyConditionExpression: after === undefined ? 'sPk = :pk' : 'sPk = :pk AND sSk > :after',
    ExpressionAttributeValues: {
      ':pk': text(indexKeys.byStanding(caId, dimension)),
      ...(after === undefined ? {} : { ':after': text(after) }),
    },
    Limit: countMax,
    ...startAt(start),
  });
  const values = page.items.map((item) => ({
    value: textOf(item, 'val'),
    standing: standingOfText(textOf(item, 'sSk')),
  }));
  return { values, next: page.next };
}

/** Values by their text. Those of which nothing stands any more are passed over, and cost their reading. */
async function sumsPage(
  table: Table,
  caId: string,
  dimension: CountedDimension,
  after: string | undefined,
  start: Item | undefined,
  countMax: number,
): Promise<Page> {
  const page = await table.query({
    KeyConditionExpression: after === undefined ? 'PK = :pk' : 'PK = :pk AND SK > :after',
    FilterExpression: 'std > :none',
    ExpressionAttributeValues: {
      ':pk': text(keys.countedSumsPartition(caId, dimension)),
      ':none': { N: '0' },
      ...(after === undefined ? {} : { ':after': text(after) }),
    },
    Limit: countMax,
    ...startAt(start),
  });
  const values = page.items.map((item) => ({ value: textOf(item, 'val'), standing: numberOf(item, 'std') }));
  return { values, next: page.next };
}

/** Different values of several CAs: their names are read, up to `countMax` of each. */
async function countDistinct(
  { table, journals }: CounterReadsOptions,
  movedValues: ReturnType<typeof createMovedValues>,
  caIds: readonly string[],
  dimension: CountedDimension,
  countMax: number,
): Promise<{ readonly count: number; readonly exact: boolean }> {
  const names = new Set<string>();
  let exact = true;
  await Promise.all(
    caIds.map(async (caId) => {
      const moved = await movedValues(caId, await journals.read(caId), dimension);
      for (const [value, { standing }] of moved) if (standing > 0) names.add(value);
      let start: Item | undefined;
      let seen = 0;
      do {
        const page = await standingPage(table, caId, dimension, undefined, start, countMax - seen);
        for (const { value } of page.values) if (!moved.has(value)) names.add(value);
        seen += page.values.length;
        start = page.next;
      } while (start !== undefined && seen < countMax);
      exact &&= start === undefined;
    }),
  );
  return { count: names.size, exact };
}
