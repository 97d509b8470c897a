import type { IssuanceState } from '../../issuance/issuance-state.ts';
import type { EpochMs } from '../../pki/epoch.ts';
import type { Action } from './calls.ts';
import { type Item, number, numberOf, text, textOf, texts } from './items.ts';
import { historyEntry, issuanceIdOfItem, unsettledAttributes } from './record-items.ts';

export interface RecordChange {
  readonly to: IssuanceState;
  readonly at: EpochMs;
  /** Id of the write that makes the move. */
  readonly write: string;
  /** What the move carries that no other item has. */
  readonly detail?: object;
  readonly set?: Item;
  readonly remove?: readonly string[];
}

/** The move of a record from the version that was read: another move since then fails the condition. */
export function recordUpdate(rec: Item, change: RecordChange): Extract<Action, { kind: 'update' }> {
  const moves = numberOf(rec, 'mv');
  const unsettled = unsettledAttributes(issuanceIdOfItem(rec), change.to, change.at);
  const set: Item = { st: text(change.to), sa: number(change.at), mv: number(moves + 1), ...unsettled, ...change.set };
  const wasListed = rec.uPk !== undefined && unsettled === undefined;
  const remove = [
    ...(change.remove ?? []).filter((name) => rec[name] !== undefined),
    ...(wasListed ? ['uPk', 'uSk'] : []),
  ];
  const assignments = Object.keys(set).map((name) => `${name} = :${name}`);
  return {
    kind: 'update',
    key: { PK: textOf(rec, 'PK'), SK: textOf(rec, 'SK') },
    set: {
      expression: `SET ${assignments.join(', ')}, h = list_append(h, :h)${remove.length === 0 ? '' : ` REMOVE ${remove.join(', ')}`}`,
      values: {
        ...Object.fromEntries(Object.entries(set).map(([name, value]) => [`:${name}`, value])),
        ':h': texts([historyEntry(change.write, change.at, change.to, change.detail)]),
        ':moves': number(moves),
      },
    },
    condition: 'mv = :moves',
  };
}
