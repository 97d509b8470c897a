/**
 * Moves, in rounds: read the records, plan, write in few transactions, and look again at what did not pass.
 *
 *   read ──► conflict?  ──► plan ──► entries ──► transactions ──► moved
 *     ▲                                              │ a condition failed, or too many conflicts
 *     └──────────────────────────────────────────────┘
 *
 * Every move carries the id of its write into the history of the record. A write that took effect though its answer was lost
 * is found there at the next reading, however far others have moved the record since: it is `moved`, never `conflict`. The
 * client token of a transaction is not relied upon for that; DynamoDB forgets it after ten minutes.
 */
import type { IssuanceState } from '../../issuance/issuance-state.ts';
import type { AdvanceOutcome, IssuanceLedger, Transition } from '../../issuance/ports.ts';
import { type PreparedIssuance, redeem } from '../../lints/prepared-issuance.ts';
import { checkTransitions, issuanceIdOfTransition } from '../ledger/transition-checks.ts';
import { type Action, assertNotRefused, exhausted, isTransient, type Table } from './calls.ts';
import { type Contact, createContactNotes } from './contacts.ts';
import { DynamoError, type Failure } from './errors.ts';
import { actionsOf, firstShard, type Group, isSingle, packed } from './groups.ts';
import { refusalOf } from './holds.ts';
import { type Item, text, textOf, textsOf } from './items.ts';
import { keyOf, type Plan, planMove } from './moves.ts';
import { hasMade, historyOf } from './record-items.ts';
import { attemptsOf, mapBounded } from './retry.ts';
import { keys } from './table.ts';

/** One move on its way. */
interface Moving {
  readonly transition: Transition;
  readonly write: string;
  /** Rounds in which it was tried. */
  tries: number;
  /** Tried by itself from now on: its company was in conflict. */
  alone: boolean;
  /** What it planned in the round before, when a condition of it failed. */
  refused: Plan | undefined;
  entriesWritten: boolean;
  /** The record that it was planned from. */
  rec: Item | undefined;
  /** Holds that were taken before the transaction of the move. */
  early: readonly Action[];
  outcome: AdvanceOutcome | undefined;
  error: unknown;
}

/** Attempts at a transaction of several moves before each goes by itself. */
const groupAttemptsMax = 3;

export function createAdvance(table: Table): IssuanceLedger['advance'] {
  const inFlight = new Set<PreparedIssuance>();
  const noteContacts = createContactNotes(table);
  return async (transitions) => {
    checkTransitions(transitions, inFlight);
    const prepared = transitions.flatMap((one) => (one.to === 'intended' ? [one.prepared] : []));
    for (const one of prepared) inFlight.add(one);
    try {
      const moving = transitions.map((transition) => newMoving(transition, table.newWriteId()));
      await moveAll(table, moving);
      await giveBack(table, moving);
      // Redeemed after its intent is durable, and only then: a backend signs nothing that is not in the ledger.
      for (const { transition, outcome } of moving) {
        if (transition.to === 'intended' && outcome?.kind === 'moved') redeem(transition.prepared);
      }
      // A contact that is not noted is one less of a sample: the certificate is issued all the same.
      await noteContacts(moving.flatMap(contactsOf)).catch(() => undefined);
      return moving.map(({ outcome, error }) => {
        if (outcome === undefined) throw error;
        return outcome;
      });
    } finally {
      for (const one of prepared) inFlight.delete(one);
    }
  };
}

/** The contact of a device that was issued a certificate: when it asked, by the first of its names. */
function contactsOf({ transition, outcome, rec }: Moving): readonly Contact[] {
  if (transition.to !== 'issued' || outcome?.kind !== 'moved' || rec === undefined) return [];
  const [name] = textsOf(rec, 'nm');
  const [received] = historyOf(rec);
  if (name === undefined || received === undefined) return [];
  return [
    {
      caId: textOf(rec, 'ca'),
      fleet: textOf(rec, 'flt'),
      owner: textOf(rec, 'own'),
      profile: textOf(rec, 'prf'),
      name,
      credentialId: textOf(rec, 'crd'),
      at: received.at,
      notAfter: transition.certificate.notAfter,
    },
  ];
}

function newMoving(transition: Transition, write: string): Moving {
  return {
    transition,
    write,
    tries: 0,
    alone: false,
    refused: undefined,
    entriesWritten: false,
    rec: undefined,
    early: [],
    outcome: undefined,
    error: undefined,
  };
}

async function moveAll(table: Table, moving: readonly Moving[]): Promise<void> {
  for (;;) {
    const open = moving.filter(({ outcome, error }) => outcome === undefined && error === undefined);
    if (open.length === 0) return;
    try {
      await moveRound(table, open);
    } catch (error) {
      // A read or an entry failed: of what has no outcome yet, none is known.
      for (const one of open) if (one.outcome === undefined) one.error ??= error;
    }
  }
}

async function moveRound(table: Table, open: readonly Moving[]): Promise<void> {
  const records = await readRecords(table, open);
  const planned = new Map<Plan, Moving>();
  await mapBounded(open, table.inFlightMax, async (one, index) => {
    const plan = await planOrSettle(table, one, records[index]);
    if (plan !== undefined) planned.set(plan, one);
  });
  // In the order asked, whatever the order of the reads above.
  const plans = [...planned.keys()].sort((a, b) => open.indexOf(planned.get(a)!) - open.indexOf(planned.get(b)!));
  const { groups: all } = packed(plans, (plan) => planned.get(plan)!.alone);
  const refused = await holdEarly(
    table,
    all.flatMap((group) => group.plans),
    planned,
  );
  const groups = all
    .map((group) => ({ plans: group.plans.filter((plan) => !refused.has(plan)) }))
    .filter((group) => group.plans.length > 0);
  await writeEntries(table, groups, planned);
  const shard = plans[0] === undefined ? 0 : firstShard(plans[0]);
  await mapBounded(groups, table.inFlightMax, (group, index) => moveGroup(table, group, shard + index, planned));
}

async function readRecords(table: Table, open: readonly Moving[]): Promise<readonly (Item | undefined)[]> {
  const wanted = open.map(({ transition }) => keys.record(issuanceIdOfTransition(transition)));
  const found = await table.getMany(wanted.filter((key) => key !== undefined));
  let next = 0;
  return wanted.map((key) => (key === undefined ? undefined : found[next++]));
}

/** The plan of a move, or its outcome, known from what the record says now. */
async function planOrSettle(table: Table, one: Moving, rec: Item | undefined): Promise<Plan | undefined> {
  const { transition, write, refused } = one;
  if (rec !== undefined && one.tries > 0 && hasMade(rec, write)) {
    one.outcome = { kind: 'moved' };
    return undefined;
  }
  const actual = rec === undefined ? undefined : (textOf(rec, 'st') as IssuanceState);
  if (rec === undefined || actual !== transition.from) {
    one.outcome = { kind: 'conflict', actual };
    return undefined;
  }
  one.refused = undefined;
  const refusal = refused === undefined ? undefined : await refusalOf(table, rec, transition);
  if (refusal !== undefined) {
    one.outcome = refusal;
    return undefined;
  }
  if (one.tries >= table.patience.attemptsMax) {
    one.error = new DynamoError('ledger-overloaded', 'the issuance was contended for longer than our patience');
    return undefined;
  }
  try {
    one.rec = rec;
    return planMove(rec, transition, write);
  } catch (error) {
    one.error = error;
    return undefined;
  }
}

/** Takes the holds that find no place in the transactions; answers the plans that one of them refused. */
async function holdEarly(table: Table, plans: readonly Plan[], planned: Map<Plan, Moving>): Promise<ReadonlySet<Plan>> {
  const refused = new Set<Plan>();
  await mapBounded(plans, table.inFlightMax, async (plan) => {
    const { earlier } = plan;
    if (earlier === undefined) return;
    const one = planned.get(plan)!;
    one.early = earlier;
    if ((await table.transact(earlier)).kind === 'written') return;
    one.tries += 1;
    one.refused = plan;
    refused.add(plan);
  });
  return refused;
}

/** Gives back what was held early for moves that were not made: each hold that this write took and nobody stood on since. */
async function giveBack(table: Table, moving: readonly Moving[]): Promise<void> {
  const wasInVain = ({ outcome }: Moving) => outcome !== undefined && outcome.kind !== 'moved';
  const holds = moving.filter(wasInVain).flatMap(({ early, write }) => early.map((action) => ({ action, write })));
  await mapBounded(holds, table.inFlightMax, async ({ action, write }) => {
    const condition = { expression: 'wr = :by AND lw = :by', values: { ':by': text(write) } };
    await table.transact([{ kind: 'delete', key: keyOf(action), condition }]);
  });
}

async function writeEntries(table: Table, groups: readonly Group[], planned: Map<Plan, Moving>): Promise<void> {
  const plans = groups.flatMap((group) => group.plans).filter((plan) => !planned.get(plan)!.entriesWritten);
  await table.putMany(plans.flatMap(({ entries = [] }) => entries));
  for (const plan of plans) planned.get(plan)!.entriesWritten = true;
}

async function moveGroup(table: Table, group: Group, shard: number, planned: Map<Plan, Moving>): Promise<void> {
  const { plans } = group;
  const movings = plans.map((plan) => planned.get(plan)!);
  for (const one of movings) one.tries += 1;
  try {
    const [first] = plans;
    const failure = isSingle(first!) ? await moveSingle(table, first!) : await moveTogether(table, group, shard);
    if (failure === undefined) {
      for (const one of movings) one.outcome = { kind: 'moved' };
      return;
    }
    noteRefused(group, failure, movings);
    if (failure.kind !== 'cancelled' || isTransient(failure)) for (const one of movings) one.alone = true;
  } catch (error) {
    for (const one of movings) one.error = error;
  }
}

/** A move of one item: a conditional update, half the price of a transaction. */
async function moveSingle(table: Table, plan: Plan): Promise<Failure | undefined> {
  const [action] = plan.actions;
  const outcome = await table.update(action as Extract<Action, { kind: 'update' }>);
  if (outcome.kind === 'written') return undefined;
  return { kind: 'cancelled', reasons: [{ code: 'condition', message: '' }] };
}

/**
 * One transaction, repeated while nothing but patience is asked for. An unknown outcome is repeated with the same actions:
 * either the first took effect, and the repeat fails its condition and is recognised, or it did not.
 */
async function moveTogether(table: Table, group: Group, shard: number): Promise<Failure | undefined> {
  const { patience } = table;
  const isOne = group.plans.length === 1;
  const actions = actionsOf(group, shard);
  const token = table.newToken();
  const attempts = attemptsOf(patience);
  for (let made = 1; ; made++) {
    const failure = await table.attempt(actions, token);
    if (failure === undefined) return undefined;
    if (failure.kind === 'cancelled' && !isTransient(failure)) {
      assertNotRefused(failure.reasons);
      return failure;
    }
    if (!isOne && failure.kind !== 'unknown' && made >= groupAttemptsMax) return failure;
    if (!attempts.another(failure.kind === 'unknown')) throw exhausted(failure);
    await attempts.pause();
  }
}

/** Marks those whose own condition failed; when a shared one did, all of them. */
function noteRefused({ plans }: Group, failure: Failure, movings: readonly Moving[]): void {
  if (failure.kind !== 'cancelled' || isTransient(failure)) return;
  let start = 0;
  let own = false;
  for (const [index, plan] of plans.entries()) {
    const reasons = failure.reasons.slice(start, start + plan.actions.length);
    start += plan.actions.length;
    if (!reasons.some(({ code }) => code === 'condition')) continue;
    movings[index]!.refused = plan;
    own = true;
  }
  const shared = failure.reasons.slice(start).some(({ code }) => code === 'condition');
  if (!shared && own) return;
  for (const [index, one] of movings.entries()) one.refused = plans[index];
}
