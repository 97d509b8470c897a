import type { IssuanceRecord } from '../../issuance/issuance-record.ts';
import type { IssuanceLedger } from '../../issuance/ports.ts';
import { invariant } from '../ledger/ledger-fault.ts';
import { readCountMax } from './bounds.ts';
import type { Table } from './calls.ts';
import { type Item, ItemError, text } from './items.ts';
import { partsOf, recordOf } from './record-items.ts';
import { pauseBefore } from './retry.ts';
import { type Key, keys } from './table.ts';

/** `REC` and `REQ` of one issuance. */
type Pair = readonly [rec: Item, request: Item];

/**
 * Reads by id, strongly consistent. `REC` and `REQ` come first; the intent and the certificate, if that version of `REC` has
 * them, in a second round. They were written in one transaction with it, of whose items a reader may see one before another:
 * what is missing is read again, a moment later.
 */
export function createRecordReads(table: Table): Pick<IssuanceLedger, 'current' | 'get' | 'getMany'> {
  const getMany = async (issuanceIds: readonly string[]): Promise<readonly (IssuanceRecord | undefined)[]> => {
    invariant(issuanceIds.length <= readCountMax, 'out-of-bounds', `${issuanceIds.length} issuances in one call`);
    const distinct = [...new Set(issuanceIds)].filter((id) => keys.record(id) !== undefined);
    const records = await read(distinct);
    const byId = new Map(distinct.map((id, index) => [id, records[index]]));
    return issuanceIds.map((id) => byId.get(id));
  };

  async function read(ids: readonly string[]): Promise<readonly (IssuanceRecord | undefined)[]> {
    const found = await table.getMany(ids.flatMap((id) => [keys.record(id)!, keys.request(id)!]));
    const pairs = ids.map((_, index) => pairOf(found[2 * index], found[2 * index + 1]));
    const records = await withParts(table, pairs);
    for (let attempt = 1; attempt < table.patience.attemptsMax; attempt++) {
      const torn = ids.filter((_, index) => records[index] === 'torn');
      if (torn.length === 0) break;
      await pauseBefore(attempt, table.patience);
      const again = await table.getMany(torn.flatMap((id) => [keys.record(id)!, keys.request(id)!]));
      const repaired = await withParts(
        table,
        torn.map((_, index) => pairOf(again[2 * index], again[2 * index + 1])),
      );
      for (const [index, id] of torn.entries()) records[ids.indexOf(id)] = repaired[index]!;
    }
    return records.map(untorn);
  }

  return {
    getMany,
    get: async (issuanceId) => (await getMany([issuanceId]))[0],
    async current(requestId) {
      for (let attempt = 1; attempt < table.patience.attemptsMax; attempt++) {
        const { items } = await table.query({
          KeyConditionExpression: 'PK = :pk',
          ExpressionAttributeValues: { ':pk': text(keys.requestPartition(requestId)) },
          ScanIndexForward: false,
          ConsistentRead: true,
          Limit: 2,
        });
        if (items.length === 0) return undefined;
        // The newest two of the partition are `REQ` and `REC` of the highest ordinal.
        const [request, rec] = items;
        const isPair = rec !== undefined && request!.SK!.S!.slice(0, 9) === rec.SK!.S!.slice(0, 9);
        const [record] = isPair ? await withParts(table, [pairOf(rec, request)]) : ['torn' as const];
        if (record !== 'torn') return record;
        await pauseBefore(attempt, table.patience);
      }
      return untorn('torn');
    },
  };
}

type Read = IssuanceRecord | undefined | 'torn';

function pairOf(rec: Item | undefined, request: Item | undefined): Pair | undefined | 'torn' {
  if (rec === undefined && request === undefined) return undefined;
  return rec === undefined || request === undefined ? 'torn' : [rec, request];
}

async function withParts(table: Table, pairs: readonly (Pair | undefined | 'torn')[]): Promise<Read[]> {
  const parts = pairs.map((pair) => (Array.isArray(pair) ? partsOf(pair[0]) : {}));
  const wanted = parts.flatMap(({ intent, certificate }) => [intent, certificate]);
  const found = await readSome(table, wanted);
  return pairs.map((pair, index): Read => {
    if (pair === undefined || pair === 'torn') return pair;
    const [intent, certificate] = [found[2 * index], found[2 * index + 1]];
    const { intent: intentKey, certificate: certificateKey } = parts[index]!;
    const isWhole =
      (intentKey === undefined) === (intent === undefined) &&
      (certificateKey === undefined) === (certificate === undefined);
    return isWhole ? recordOf(pair[0], pair[1], intent, certificate) : 'torn';
  });
}

async function readSome(table: Table, wanted: readonly (Key | undefined)[]): Promise<readonly (Item | undefined)[]> {
  const found = await table.getMany(wanted.filter((key) => key !== undefined));
  let next = 0;
  return wanted.map((key) => (key === undefined ? undefined : found[next++]));
}

function untorn(read: Read): IssuanceRecord | undefined {
  if (read === 'torn') throw new ItemError('parts of an issuance are not where its record says');
  return read;
}
