import { crlShardCapacity } from '../../issuance/crl-shards.ts';
import type { CrlChange, CrlSource } from '../../issuance/revocation-ports.ts';
import { type Action, actionsMax, chunksOf, type Table } from './calls.ts';
import { number, numberOf, numberOr, textOf } from './items.ts';
import { listPartition } from './lists.ts';
import { keyItem, keys } from './table.ts';

/** What is read of the changes at once; others when these are noted. An item has some 100 bytes, a page 1 MB. */
const changesMax = 10_000;
/** A shard has 2,000 slots, and after a restore of the table as many again; beyond this it is not ours. */
const revokedMax = 10 * crlShardCapacity;
/** Certificates of one generation over the slots of a shard: 100 M, as many as ACM PCA counts. */
const shardsMax = 50_000;

/** What CRLs are made from. Each list is one partition, read by Query, strongly consistent. */
export function createDynamoCrlSource(table: Table): CrlSource {
  return {
    async shardCount(caId, generation) {
      const item = await table.get(keys.crlSlots(caId, generation));
      const slots = item === undefined ? 0 : numberOr(item, 'slotNext', 0);
      return Math.max(1, Math.ceil(slots / crlShardCapacity));
    },
    async revokedOf(caId, generation, shard, notAfterMin) {
      const items = await listPartition(table, keys.revokedPartition(caId, generation, shard), revokedMax);
      return items
        .map((item) => ({
          serial: textOf(item, 'SK'),
          revokedAt: numberOf(item, 'rv'),
          reason: textOf(item, 'rr'),
          notAfter: numberOf(item, 'na'),
        }))
        .filter(({ notAfter }) => notAfter >= notAfterMin);
    },
    nextCrlNumber: (caId, generation, above) => nextCrlNumber(table, caId, generation, above),
    async changes(caId, generation) {
      const items = await listPartition(table, keys.crlPartition(caId, generation), changesMax, { begin: 'NEW#' });
      const serials = new Map<number, string[]>();
      for (const item of items) {
        const [, shard, serial] = textOf(item, 'SK').split('#');
        const ofShard = serials.get(Number(shard)) ?? [];
        ofShard.push(serial!);
        serials.set(Number(shard), ofShard);
      }
      return [...serials].map(([shard, mark]) => ({ shard, mark }));
    },
    async publications(caId, generation) {
      const items = await listPartition(table, keys.crlPartition(caId, generation), shardsMax, { begin: 'PUB#' });
      return new Map(items.map((item) => [Number(textOf(item, 'SK').slice(4)), numberOf(item, 'end')]));
    },
    notePublished: (caId, generation, shard, nextUpdate, change) =>
      notePublished(table, caId, generation, shard, nextUpdate, change),
  };
}

/**
 * One update, which nobody else is between: it takes the number under the condition that it is greater than `above`, or puts it
 * there. A repeat whose answer was lost leaves a number out, which may be; none is had twice.
 */
async function nextCrlNumber(table: Table, caId: string, generation: number, above: number): Promise<number> {
  const key = keys.crlNumber(caId, generation);
  const next = (expression: string, condition: string) =>
    table.update(
      {
        kind: 'update',
        key,
        set: { expression, values: { ':one': number(1), ':above': number(above) } },
        condition,
      },
      'UPDATED_NEW',
    );
  for (;;) {
    const outcome = await next('SET crl = crl + :one', 'crl >= :above');
    if (outcome.kind === 'written') return numberOf(outcome.attributes!, 'crl');
    // Behind what is published, as after a restore of the table; or there is none yet.
    const raised = await next('SET crl = :above + :one', 'attribute_not_exists(crl) OR crl < :above');
    if (raised.kind === 'written') return numberOf(raised.attributes!, 'crl');
  }
}

/** The end before the changes are taken away: what a crash leaves between is noted by the next run again. */
async function notePublished(
  table: Table,
  caId: string,
  generation: number,
  shard: number,
  nextUpdate: number,
  change: CrlChange | undefined,
): Promise<void> {
  const publication: Action = {
    kind: 'put',
    item: { ...keyItem(keys.crlPublication(caId, generation, shard)), end: number(nextUpdate) },
  };
  const gone = (change?.mark ?? []).map(
    (serial): Action => ({ kind: 'delete', key: keys.crlChange(caId, generation, shard, serial) }),
  );
  for (const actions of chunksOf([publication, ...gone], actionsMax)) await table.transact(actions);
}
