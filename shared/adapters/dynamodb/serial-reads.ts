import type { IssuanceState } from '../../issuance/issuance-state.ts';
import type { IssuanceLedger, KnownIssuance } from '../../issuance/ports.ts';
import { invariant } from '../ledger/ledger-fault.ts';
import { askedCountMax } from './bounds.ts';
import type { Table } from './calls.ts';
import { type Item, numberOf, text, textOf } from './items.ts';
import { keys, serialFirstDigits, serialPartition } from './table.ts';

type SerialReads = Pick<IssuanceLedger, 'knownSerials' | 'knownTickets' | 'issuedSerials'>;

/** What the list of serials needs of a record. */
const recordAttributes = 'PK, SK, st, sa, ser, tic';

/** The ledger as a list of serials: what a CA's own list of them is compared with. Strongly consistent. */
export function createSerialReads(table: Table): SerialReads {
  async function recordsOf(items: readonly (Item | undefined)[]): Promise<ReadonlyMap<string, Item>> {
    const ids = [...new Set(items.flatMap((item) => (item === undefined ? [] : [textOf(item, 'id')])))];
    const records = await table.getMany(
      ids.map((id) => keys.record(id)!),
      recordAttributes,
    );
    return new Map(ids.flatMap((id, index) => (records[index] === undefined ? [] : [[id, records[index]!] as const])));
  }

  /** Looks the keys up, and the records behind what is found; `counts` says whether it is what was asked for. */
  async function look(
    asked: readonly string[],
    key: typeof keys.ticket,
    counts: (item: Item, rec: Item, value: string) => boolean,
  ): Promise<ReadonlyMap<string, KnownIssuance>> {
    invariant(asked.length <= askedCountMax, 'out-of-bounds', `${asked.length} asked in one call`);
    const values = asked.filter((value) => value !== '');
    const items = await table.getMany(values.map(key));
    const records = await recordsOf(items);
    const known = new Map<string, KnownIssuance>();
    for (const [index, value] of values.entries()) {
      const item = items[index];
      const rec = item === undefined ? undefined : records.get(textOf(item, 'id'));
      if (item === undefined || rec === undefined || !counts(item, rec, value)) continue;
      known.set(value, { issuanceId: textOf(item, 'id'), state: textOf(rec, 'st') as IssuanceState });
    }
    return known;
  }

  return {
    knownSerials: (caId, generation, serials) =>
      look(
        serials,
        (serial) => keys.serial(caId, serial),
        (item) => numberOf(item, 'gen') === generation,
      ),
    knownTickets: (tickets) =>
      look(tickets, keys.ticket, (_, rec, ticket) => rec.ser === undefined && rec.tic?.S === ticket),
    async issuedSerials(caId, generation, after, countMax) {
      const isBounded = Number.isSafeInteger(countMax) && countMax >= 1 && countMax <= askedCountMax;
      invariant(isBounded, 'out-of-bounds', `countMax ${countMax}`);
      const rows = await serialsAfter(table, caId, after ?? '', countMax);
      const ofGeneration = rows.filter((row) => numberOf(row, 'gen') === generation);
      const records = await recordsOf(ofGeneration);
      const issued = ofGeneration.flatMap((row) => {
        const [serial, issuanceId] = [textOf(row, 'SK'), textOf(row, 'id')];
        const rec = records.get(issuanceId);
        const isIssued = rec?.st?.S === 'issued' || rec?.st?.S === 'revoked';
        return isIssued && rec.ser?.S === serial ? [{ serial, issuanceId, at: numberOf(rec, 'sa') }] : [];
      });
      return { issued, next: rows.length < countMax ? undefined : textOf(rows.at(-1)!, 'SK') };
    },
  };
}

/** Items of a CA's serials after one, in the order of their text: the partitions by first digit, one after another. */
async function serialsAfter(table: Table, caId: string, after: string, countMax: number): Promise<readonly Item[]> {
  const rows: Item[] = [];
  for (const digit of serialFirstDigits.filter((one) => one >= after.slice(0, 1))) {
    let next: Item | undefined;
    do {
      const page = await table.query({
        KeyConditionExpression: after === '' ? 'PK = :pk' : 'PK = :pk AND SK > :after',
        ExpressionAttributeValues: {
          ':pk': text(serialPartition(caId, digit)),
          ...(after === '' ? {} : { ':after': text(after) }),
        },
        // The intent beside the serial is not wanted; it is paid for, but not sent.
        ProjectionExpression: 'PK, SK, id, gen',
        ConsistentRead: true,
        ExclusiveStartKey: next,
        Limit: countMax - rows.length,
      });
      rows.push(...page.items);
      if (rows.length >= countMax) return rows;
      next = page.next;
    } while (next !== undefined);
  }
  return rows;
}
