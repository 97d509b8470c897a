/** Moves of one call in few transactions: each move is all or nothing, and so is each transaction of several. */
import { type Action, actionsMax } from './calls.ts';
import { type Cells, countActions, countInto } from './counters.ts';
import { fenceCheck } from './fence.ts';
import { itemBytes } from './items.ts';
import { cellOf, ownKeys, type Plan } from './moves.ts';
import { issuanceIdOfItem } from './record-items.ts';
import { counterShards, fenceShards, shardOf } from './table.ts';

export interface Group {
  readonly plans: readonly Plan[];
}

/**
 * Moves in one transaction at most. A hundred moves of three actions and what they share need four transactions whatever is done
 * (DynamoDB takes 100 actions), and 25 is the least that gives four. More would only meet others more often: one that fails
 * fails them all.
 */
const plansPerGroupMax = 25;
/** Of the items of one transaction: DynamoDB takes 4 MB, and every record is counted whole, however little of it moves. */
const groupBytesMax = 3 * 1024 * 1024;

/**
 * Packs plans into transactions of at most 100 actions, and puts off those that touch an item of another plan: they would
 * only conflict. `alone` are those that are to be tried by themselves.
 */
export function packed(
  plans: readonly Plan[],
  isAlone: (plan: Plan) => boolean,
): { readonly groups: readonly Group[]; readonly putOff: readonly Plan[] } {
  const touched = new Set<string>();
  const putOff: Plan[] = [];
  const groups: Plan[][] = [];
  let open: Plan[] = [];
  let actions = 0;
  let bytes = 0;
  let shared = new Set<string>();
  for (const plan of plans) {
    const own = ownKeys(plan);
    if (own.some((key) => touched.has(key))) {
      putOff.push(plan);
      continue;
    }
    for (const key of own) touched.add(key);
    // A move of one item goes by itself: a plain update costs half of one in a transaction.
    if (isAlone(plan) || isSingle(plan)) {
      groups.push([plan]);
      continue;
    }
    const wanted = sharedKeys(plan).filter((key) => !shared.has(key));
    const planBytes = bytesOf(plan);
    if (
      open.length === plansPerGroupMax ||
      actions + plan.actions.length + wanted.length > actionsMax ||
      bytes + planBytes > groupBytesMax
    ) {
      if (open.length > 0) groups.push(open);
      [open, actions, bytes, shared] = [[], 0, 0, new Set()];
    }
    open.push(plan);
    bytes += planBytes;
    for (const key of sharedKeys(plan)) shared.add(key);
    actions = open.reduce((sum, { actions: some }) => sum + some.length, 0) + shared.size;
  }
  if (open.length > 0) groups.push(open);
  return { groups: groups.map((some) => ({ plans: some })), putOff };
}

/** At least what DynamoDB counts of a move: the record as it is, and what is written. */
function bytesOf({ actions, rec }: Plan): number {
  return itemBytes(rec) + actions.reduce((sum, action) => sum + actionBytes(action), 0);
}

function actionBytes(action: Action): number {
  switch (action.kind) {
    case 'put':
      return itemBytes(action.item);
    case 'update':
      return itemBytes(action.set.values ?? {});
    case 'delete':
    case 'check':
      return 0;
  }
}

export function isSingle(plan: Plan): boolean {
  return plan.actions.length === 1 && plan.fenceOf === undefined && plan.counts === undefined;
}

function sharedKeys(plan: Plan): readonly string[] {
  const cell = cellOf(plan);
  return [
    ...(plan.fenceOf === undefined ? [] : [`fence ${plan.fenceOf}`]),
    ...(cell === undefined ? [] : [`cell ${cell}`]),
  ];
}

/**
 * The actions of a group, its shared ones last. `shard` spreads the groups of one call, and calls among each other, over the
 * shards of the fence and the counters.
 */
export function actionsOf({ plans }: Group, shard: number): readonly Action[] {
  const cells: Cells = new Map();
  const fences = new Map<string, Action>();
  for (const { fenceOf, counts } of plans) {
    if (fenceOf !== undefined) fences.set(fenceOf, fenceCheck(fenceOf, shard % fenceShards));
    if (counts !== undefined) countInto(cells, counts);
  }
  return [
    ...plans.flatMap(({ actions }) => actions),
    ...fences.values(),
    ...countActions(cells, shard % counterShards),
  ];
}

/** Where the groups of a call begin in the shards. */
export function firstShard(plan: Plan): number {
  return shardOf(issuanceIdOfItem(plan.rec), counterShards);
}
