import { type CountedDimension, countedDimensions } from '../../inventory/counted.ts';
import type {
  CountedCertificate,
  CountedRow,
  RecountSource,
  RecountView,
  SumsRow,
} from '../../issuance/inventory-ports.ts';
import type { Table } from './calls.ts';
import type { CountedCell } from './counters.ts';
import { endOfBucket, type Row, rowKey, rowOf, rowsPage, sumsOf } from './folded.ts';
import { type Item, numberOf, text, textOf } from './items.ts';
import { type Journal, readJournal } from './journal.ts';
import { indexes, indexKeys, issuerShards, keys, valueText } from './table.ts';

const pageMax = 1_000;

/** Cells of the journals together that a recount holds at once: some 100 MB. With the upkeep running there are some thousand. */
const journalCellsMax = 200_000;

/** What was counted and is not folded is more than a recount holds in memory. */
export class JournalTooLong extends Error {
  readonly code = 'journal-too-long';
}

/**
 * The ledger for a recount: certificates by the index of issuers, shard by shard; counters as they are folded, with the journal added,
 * which is read once at the beginning. No instant: who issues meanwhile is counted or not.
 */
export function createDynamoRecount(table: Table, caIds: () => Promise<readonly string[]>): RecountSource {
  return {
    async open() {
      const all = [...(await caIds())].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
      const journals = new Map<string, Journal>();
      let cells = 0;
      let issuancesAbout = 0;
      for (const caId of all) {
        const journal = await readJournal(table, caId);
        for (const values of journal.cells.values()) for (const own of values.values()) cells += own.length;
        if (cells > journalCellsMax)
          throw new JournalTooLong(`more than ${journalCellsMax} counters are not folded: is the upkeep running?`);
        journals.set(caId, journal);
        const whole = await table.get(keys.countedSums(caId, 'total', ''));
        issuancesAbout += whole === undefined ? 0 : sumsOf(whole).issued;
        for (const { issued } of journal.cells.get('total')?.get('') ?? []) issuancesAbout += issued;
      }
      const places = all.flatMap((caId) => dimensionsInOrder.map((dimension) => ({ caId, dimension })));
      const view: RecountView = {
        issuancesAbout,
        certificates: createCertificates(table, all),
        counters: createCounters(table, places, journals),
        sums: createSums(table, places, journals),
        close: async () => undefined,
      };
      return { consistent: false, view };
    },
  };
}

const dimensionsInOrder = [...countedDimensions].sort();

function createCertificates(table: Table, caIds: readonly string[]): RecountView['certificates'] {
  const partitions = caIds.flatMap((caId) =>
    Array.from({ length: issuerShards }, (_, shard) => indexKeys.byIssuer(caId, shard)),
  );
  return async (after) => {
    const { at, start } = after === undefined ? { at: 0 } : (JSON.parse(after) as { at: number; start?: Item });
    if (partitions[at] === undefined) return { certificates: [], next: undefined };
    const page = await table.query({
      IndexName: indexes.byIssuer.name,
      KeyConditionExpression: 'iPk = :pk',
      ExpressionAttributeValues: { ':pk': text(partitions[at]) },
      Limit: pageMax,
      ...(start === undefined ? {} : { ExclusiveStartKey: { ...start } }),
    });
    const place = page.next === undefined ? { at: at + 1 } : { at, start: page.next };
    return {
      certificates: page.items.map(certificateOf),
      next: place.at < partitions.length ? JSON.stringify(place) : undefined,
    };
  };
}

function certificateOf(item: Item): CountedCertificate {
  return {
    caId: textOf(item, 'ca'),
    owner: textOf(item, 'own'),
    fleet: textOf(item, 'flt'),
    profile: textOf(item, 'prf'),
    keyType: textOf(item, 'kty'),
    credentialId: textOf(item, 'crd'),
    notBefore: numberOf(item, 'nb'),
    notAfter: numberOf(item, 'na'),
    revoked: item.rv !== undefined,
  };
}

interface Place {
  readonly caId: string;
  readonly dimension: CountedDimension;
}

/** What is read page by page, in the order of sort keys, with what is in memory put between. */
interface Listed<T> {
  readonly key: string;
  readonly row: T;
}

/**
 * A page of one place: what the table has, and between it what of the journal belongs there. `after` names place and sort key.
 */
async function nextPage<T>(
  places: readonly Place[],
  after: string | undefined,
  stored: (
    place: Place,
    after: string | undefined,
  ) => Promise<{ readonly rows: readonly Listed<T>[]; readonly isLast: boolean }>,
  journal: (place: Place) => readonly Listed<T>[],
  merge: (stored: T | undefined, journal: T) => T,
): Promise<{ readonly rows: readonly T[]; readonly next: string | undefined }> {
  const { at, key } = after === undefined ? { at: 0 } : (JSON.parse(after) as { at: number; key?: string });
  const place = places[at];
  if (place === undefined) return { rows: [], next: undefined };
  const page = await stored(place, key);
  const last = page.isLast ? undefined : page.rows.at(-1)?.key;
  const rows = new Map(page.rows.map((one) => [one.key, one.row]));
  for (const one of journal(place))
    if ((key === undefined || isAfter(one.key, key)) && (last === undefined || !isAfter(one.key, last)))
      rows.set(one.key, merge(rows.get(one.key), one.row));
  const next = last === undefined ? { at: at + 1 } : { at, key: last };
  return {
    rows: [...rows].sort(([a], [b]) => (isAfter(a, b) ? 1 : -1)).map(([, row]) => row),
    next: next.at < places.length ? JSON.stringify(next) : undefined,
  };
}

function isAfter(a: string, b: string): boolean {
  return Buffer.compare(Buffer.from(a), Buffer.from(b)) > 0;
}

function createCounters(
  table: Table,
  places: readonly Place[],
  journals: ReadonlyMap<string, Journal>,
): RecountView['counters'] {
  const listed = (row: CountedCell & { readonly caId: string; readonly taken: boolean }): Listed<CountedRow> => {
    const { caId, dimension, value, bucketStart, bucketMs, issued, revoked, taken } = row;
    return { key: rowKey(row).SK, row: { caId, dimension, value, bucketStart, bucketMs, issued, revoked, taken } };
  };
  return (after) =>
    nextPage<CountedRow>(
      places,
      after,
      async ({ caId, dimension }, key) => {
        const page = await rowsPage(table, caId, dimension, { after: key, countMax: pageMax });
        return { rows: page.rows.map(listed), isLast: page.next === undefined };
      },
      ({ caId, dimension }) =>
        [...(journals.get(caId)?.cells.get(dimension)?.values() ?? [])]
          .flat()
          .map((cell) => listed({ ...cell, caId, taken: false })),
      (folded, { issued, revoked, ...rest }) => ({
        ...rest,
        issued: (folded?.issued ?? 0) + issued,
        revoked: (folded?.revoked ?? 0) + revoked,
        taken: folded?.taken ?? false,
      }),
    );
}

/** Sums as they are folded, with the journal's added as folding would add them. */
function createSums(
  table: Table,
  places: readonly Place[],
  journals: ReadonlyMap<string, Journal>,
): RecountView['sums'] {
  return async (after) => {
    const { at } = after === undefined ? { at: 0 } : (JSON.parse(after) as { at: number });
    const place = places[at];
    const unfolded = place === undefined ? [] : await unfoldedSums(table, place, journals.get(place.caId));
    return nextPage<SumsRow>(
      places,
      after,
      async ({ caId, dimension }, key) => {
        const page = await table.query({
          KeyConditionExpression: key === undefined ? 'PK = :pk' : 'PK = :pk AND SK > :after',
          ExpressionAttributeValues: {
            ':pk': text(keys.countedSumsPartition(caId, dimension)),
            ...(key === undefined ? {} : { ':after': text(key) }),
          },
          ConsistentRead: true,
          Limit: pageMax,
        });
        const rows = page.items.map((item) => {
          const { edge: _, gen: __, ...row } = sumsOf(item);
          return { key: textOf(item, 'SK'), row };
        });
        return { rows, isLast: page.next === undefined };
      },
      () => unfolded,
      (folded, row) => ({
        ...row,
        issued: (folded?.issued ?? 0) + row.issued,
        revoked: (folded?.revoked ?? 0) + row.revoked,
        standing: (folded?.standing ?? 0) + row.standing,
      }),
    );
  };
}

async function unfoldedSums(
  table: Table,
  { caId, dimension }: Place,
  journal: Journal | undefined,
): Promise<readonly Listed<SumsRow>[]> {
  const cells = [...(journal?.cells.get(dimension)?.values() ?? [])].flat();
  const rows = await table.getMany(cells.map((cell) => rowKey({ caId, ...cell })));
  const taken = new Set(rows.flatMap((item) => (item === undefined ? [] : takenKey(rowOf(item)))));
  const sums = new Map<string, Listed<SumsRow>>();
  for (const cell of cells) {
    const { value, issued, revoked } = cell;
    const key = valueText(value);
    const known = sums.get(key)?.row ?? { issued: 0, revoked: 0, standing: 0 };
    const standing = taken.has(cellText(cell)) ? 0 : issued - revoked;
    sums.set(key, {
      key,
      row: {
        caId,
        dimension,
        value,
        issued: known.issued + issued,
        revoked: known.revoked + revoked,
        standing: known.standing + standing,
      },
    });
  }
  return [...sums.values()];
}

const cellText = (cell: CountedCell) => JSON.stringify([cell.value, cell.bucketMs, endOfBucket(cell)]);
const takenKey = (row: Row) => (row.taken ? [cellText(row)] : []);
