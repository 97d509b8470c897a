import { type IssuanceState, isPending } from '../../issuance/issuance-state.ts';
import type { IssuanceLedger, StaleIssuance } from '../../issuance/ports.ts';
import type { EpochMs } from '../../pki/epoch.ts';
import { invariant } from '../ledger/ledger-fault.ts';
import { readCountMax } from './bounds.ts';
import type { Table } from './calls.ts';
import { type Item, text, textOf } from './items.ts';
import { issuanceIdOfItem } from './record-items.ts';
import { mapBounded } from './retry.ts';
import { indexes, indexKeys, timeText, unsettledShards } from './table.ts';

const unsettledStates = ['received', 'approved', 'intended', 'submitted', 'orphan-suspected', 'misissued'] as const;
/** Pages of one shard of one state at most: half a gigabyte, some three million issuances. */
const pagesMax = 512;
const shards = Array.from({ length: unsettledShards }, (_, shard) => shard);

/** The reconciler's and the operator's reads, over the sparse index of what is not settled. Eventually consistent. */
export function createUnsettledReads(table: Table): Pick<IssuanceLedger, 'stale' | 'unsettled'> {
  return {
    async stale(state, stateAtBefore, countMax) {
      const isWatched = isPending(state) || state === 'misissued';
      invariant(isWatched, 'state-not-watched', `${state} is settled: nothing in it is stale`);
      const isBounded = Number.isSafeInteger(countMax) && countMax >= 1 && countMax <= readCountMax;
      invariant(isBounded, 'out-of-bounds', `countMax ${countMax}`);
      return oldest(table, state, stateAtBefore, countMax);
    },
    async unsettled(caId) {
      const counts = { received: 0, approved: 0, intended: 0, submitted: 0, 'orphan-suspected': 0, misissued: 0 };
      const partitions = unsettledStates.flatMap((state) => shards.map((shard) => ({ state, shard })));
      await mapBounded(partitions, table.inFlightMax, async ({ state, shard }) => {
        const count = await countIn(table, caId, indexKeys.unsettled(state, shard));
        counts[state] += count;
      });
      return counts;
    },
  };
}

async function countIn(table: Table, caId: string, partition: string): Promise<number> {
  let [count, next]: [number, Item | undefined] = [0, undefined];
  for (let page = 0; page < pagesMax; page++) {
    const found = await table.query({
      IndexName: indexes.unsettled.name,
      KeyConditionExpression: 'uPk = :partition',
      FilterExpression: 'ca = :ca',
      Select: 'COUNT',
      ExpressionAttributeValues: { ':partition': text(partition), ':ca': text(caId) },
      ExclusiveStartKey: next,
    });
    count += found.count;
    next = found.next;
    if (next === undefined) return count;
  }
  throw new Error(`${partition} has more than ${pagesMax} pages`);
}

/** What has been read of one shard: `next` undefined when there is no more. */
interface Lane {
  readonly shard: number;
  readonly found: Item[];
  next: Item | undefined;
  isRead: boolean;
}

/**
 * The oldest of all shards: some of each, then more of those whose last is still among the oldest, until none is. Reads
 * about `countMax` entries in all, not that many of each shard.
 */
async function oldest(
  table: Table,
  state: IssuanceState,
  before: EpochMs,
  countMax: number,
): Promise<readonly StaleIssuance[]> {
  const lanes = shards.map((shard): Lane => ({ shard, found: [], next: undefined, isRead: false }));
  const pageCount = Math.min(countMax, Math.ceil((countMax * 1.25) / unsettledShards) + 4);
  let wanting: readonly Lane[] = lanes;
  while (wanting.length > 0) {
    await Promise.all(wanting.map((lane) => readMore(table, lane, state, before, pageCount)));
    const merged = lanes.flatMap(({ found }) => found).sort(byTime);
    const last = merged[countMax - 1];
    wanting = lanes.filter((lane) => {
      if (lane.isRead) return false;
      const end = lane.found.at(-1);
      return last === undefined || end === undefined || byTime(end, last) < 0;
    });
  }
  return lanes
    .flatMap(({ found }) => found)
    .sort(byTime)
    .slice(0, countMax)
    .map((item) => ({
      issuanceId: issuanceIdOfItem(item),
      caId: textOf(item, 'ca'),
      state,
      stateAt: Number(textOf(item, 'uSk')),
    }));
}

async function readMore(table: Table, lane: Lane, state: IssuanceState, before: EpochMs, Limit: number): Promise<void> {
  const { items, next } = await table.query({
    IndexName: indexes.unsettled.name,
    KeyConditionExpression: 'uPk = :partition AND uSk < :before',
    ExpressionAttributeValues: {
      ':partition': text(indexKeys.unsettled(state, lane.shard)),
      ':before': text(timeText(before)),
    },
    ExclusiveStartKey: lane.next,
    Limit,
  });
  lane.found.push(...items);
  lane.next = next;
  lane.isRead = next === undefined;
}

function byTime(a: Item, b: Item): number {
  const [left, right] = [textOf(a, 'uSk') + textOf(a, 'ca'), textOf(b, 'uSk') + textOf(b, 'ca')];
  return left < right ? -1 : left > right ? 1 : 0;
}
