/**
 * The freeze fence of a CA. The transaction of `intended` checks one shard of it, by issuance; freezing writes them all, one
 * by one, since one transaction over all of them would meet an intent under way on some shard every time it tries. When
 * `setFrozen` answers, no intent passes any more; while it works, some do, as if they had come before it.
 */
import type { AuthorityFence } from '../../issuance/ports.ts';
import type { Action, Table } from './calls.ts';
import { flag, flagOf, number, numberOf, text, textOf } from './items.ts';
import { fenceShards, keys } from './table.ts';

/** The check for a transaction of intents. */
export function fenceCheck(caId: string, shard: number): Extract<Action, { kind: 'check' }> {
  return {
    kind: 'check',
    key: keys.fence(caId, shard),
    // A CA that was never frozen has no shards yet.
    condition: { expression: 'attribute_not_exists(frozen) OR frozen = :no', values: { ':no': flag(false) } },
  };
}

/**
 * The control item counts the changes, and a shard takes only a later change than it has: of two operators at once, the
 * later one's word stands on every shard.
 */
export async function setFrozen(table: Table, caId: string, frozen: boolean, at: number, by: string): Promise<void> {
  const set = 'frozen = :frozen, changedAt = :at, changedBy = :by';
  const values = { ':frozen': flag(frozen), ':at': number(at), ':by': text(by) };
  const change = await table.update(
    {
      kind: 'update',
      key: keys.control(caId),
      set: { expression: `SET ${set} ADD changes :one`, values: { ...values, ':one': number(1) } },
    },
    'UPDATED_NEW',
  );
  if (change.kind !== 'written' || change.attributes?.changes?.N === undefined)
    throw new Error('the change is unknown');
  const changes = change.attributes.changes;
  await Promise.all(
    Array.from({ length: fenceShards }, (_, shard) =>
      table.update({
        kind: 'update',
        key: keys.fence(caId, shard),
        set: { expression: `SET ${set}, changes = :changes`, values: { ...values, ':changes': changes } },
        condition: 'attribute_not_exists(changes) OR changes < :changes',
      }),
    ),
  );
}

export async function isFrozen(table: Table, caId: string): Promise<boolean> {
  const control = await table.get(keys.control(caId));
  return control !== undefined && flagOf(control, 'frozen');
}

export async function fenceOf(table: Table, caId: string): Promise<AuthorityFence | undefined> {
  const control = await table.get(keys.control(caId));
  if (control === undefined || control.frozen === undefined) return undefined;
  return { frozen: flagOf(control, 'frozen'), at: numberOf(control, 'changedAt'), by: textOf(control, 'changedBy') };
}

/** True when any shard of the fence stands: what a check that failed met. */
export async function isFrozenFor(table: Table, caId: string): Promise<boolean> {
  const shards = await table.getMany(Array.from({ length: fenceShards }, (_, shard) => keys.fence(caId, shard)));
  return shards.some((item) => item !== undefined && flagOf(item, 'frozen'));
}
