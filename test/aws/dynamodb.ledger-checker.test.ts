/**
 * Three callers at once move issuances that share names, keys and a credential, over connections that lose calls and answers.
 * Then the whole state is checked: what was answered `moved` was made, once; what was not, was not.
 */
import { expect, it } from 'vitest';
import { createTable, type Table } from '../../shared/adapters/dynamodb/calls.ts';
import type { Item } from '../../shared/adapters/dynamodb/items.ts';
import { createDynamoLedger } from '../../shared/adapters/dynamodb/ledger.ts';
import { historyOf } from '../../shared/adapters/dynamodb/record-items.ts';
import { keys } from '../../shared/adapters/dynamodb/table.ts';
import { issuanceIdOf } from '../../shared/issuance/ids.ts';
import type { NewIssuance } from '../../shared/issuance/issuance-record.ts';
import { type IssuanceState, isEdge, nextStates } from '../../shared/issuance/issuance-state.ts';
import type { IssuanceLedger, Transition } from '../../shared/issuance/ports.ts';
import { disposable } from '../support/disposable.ts';
import { openDynamoHarness } from '../support/dynamodb-harness.ts';
import { forgetTokens, loseAnswers } from '../support/dynamodb-middleware.ts';
import { testDynamoClient } from '../support/dynamodb-table.ts';
import { digestOf, moves, newCertificate, newCredential, newIssuance, unique } from '../support/ledger-fixtures.ts';
import { makePrepared } from '../support/make-prepared.ts';

const issuancesCount = 10;
const countMax = 8;
const stepsPerCaller = 25;

/** The generator of Tommy Ettinger, mulberry32: a seed gives a run again. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** A ledger whose every fourth write is lost, half of them after it took effect. */
function lossyLedger(tableName: string, random: () => number): IssuanceLedger & Disposable {
  const client = testDynamoClient();
  forgetTokens(client);
  loseAnswers(client, (command) => {
    if (!command.startsWith('TransactWrite') && !command.startsWith('Update')) return undefined;
    const drawn = random();
    return drawn < 0.12 ? 'unsent' : drawn < 0.25 ? 'unanswered' : undefined;
  });
  const ledger = createDynamoLedger({
    client,
    tableName,
    pause: async () => undefined,
    attemptsMax: 60,
    silencesMax: 60,
  });
  return Object.assign(ledger, { [Symbol.dispose]: () => client.destroy() });
}

function moveTo(
  issuance: NewIssuance,
  from: IssuanceState,
  to: IssuanceState,
  serials: Map<string, string>,
): Transition {
  const id = issuanceIdOf(issuance.requestId, issuance.ordinal);
  const serial = serials.get(id);
  const certificate = newCertificate(serial === undefined ? {} : { serial });
  switch (to) {
    case 'approved':
      return { ...moves.approve(id), from } as Transition;
    case 'intended':
      return moves.intend(makePrepared(id, 'devices'));
    case 'issued':
      return { ...moves.issue(id, certificate), from } as Transition;
    case 'submitted':
      return moves.submit(id);
    case 'misissued':
      return { ...moves.misissue(id), from } as Transition;
    case 'revoked':
      return moves.revoke(id);
    case 'orphan-suspected':
      return moves.suspect(id);
    case 'rejected':
      return { ...moves.reject(id), from } as Transition;
    case 'lapsed':
      return { ...moves.lapse(id), from } as Transition;
    default:
      return { ...moves.fail(id), from } as Transition;
  }
}

interface Counts {
  /** Answers `moved`, by issuance. */
  readonly moved: Map<string, number>;
  received: number;
}

async function call(ledger: IssuanceLedger, issuances: readonly NewIssuance[], random: () => number, counts: Counts) {
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)]!;
  for (let step = 0; step < stepsPerCaller; step++) {
    const some = Array.from({ length: 1 + Math.floor(random() * 3) }, () => pick(issuances));
    if (random() < 0.3) {
      const outcome = await ledger.receive(pick(some));
      if (outcome.kind === 'received') counts.received += 1;
      continue;
    }
    const records = await ledger.getMany(some.map((one) => issuanceIdOf(one.requestId, one.ordinal)));
    const serials = new Map(
      records.flatMap((one) => (one?.serial === undefined ? [] : [[one.issuanceId, one.serial]])),
    );
    const asked = records.flatMap((record, index): Transition[] => {
      // Along the way to a certificate more often than off it.
      const next = record === undefined ? [] : nextStates[record.state];
      if (record === undefined || next.length === 0) return [];
      return [moveTo(some[index]!, record.state, random() < 0.7 ? next[0]! : pick(next), serials)];
    });
    const outcomes = await ledger.advance(asked);
    for (const [index, { kind }] of outcomes.entries()) {
      const transition = asked[index]!;
      const id = transition.to === 'intended' ? transition.prepared.issuanceId : transition.issuanceId;
      if (kind === 'moved') counts.moved.set(id, (counts.moved.get(id) ?? 0) + 1);
    }
  }
}

it.each([1, 2, 3, 4, 5, 6])(
  'ends in a state that is what was answered, whatever was lost (checker, seed %i)',
  async (seed) => {
    await using h = disposable(await openDynamoHarness());
    const random = seeded(seed);
    const credential = newCredential({ countMax });
    await h.credentials.create(credential);
    const [names, spkis] = [
      ['a', 'b', 'c'].map((one) => `dns:${unique(one)}`),
      ['k', 'l'].map((one) => digestOf(unique(one))),
    ];
    const issuances = Array.from({ length: issuancesCount }, (_, n) =>
      newIssuance(credential, {
        names: [names[n % 3]!, names[(n >> 1) % 3]!].filter((one, i, all) => all.indexOf(one) === i),
        spkiSha256: spkis[n % 2]!,
      }),
    );
    const counts: Counts = { moved: new Map(), received: 0 };
    const ledgers = [1, 2, 3].map(() => lossyLedger(h.tableName, random));
    await Promise.all(ledgers.map((ledger) => call(ledger, issuances, random, counts)));
    for (const ledger of ledgers) ledger[Symbol.dispose]();

    const client = testDynamoClient();
    await checkState(createTable({ client, tableName: h.tableName }), h.ledger, issuances, counts);
    client.destroy();
    expect((await h.credentials.get(credential.id))?.used).toBe(counts.received);
    expect(counts.received).toBeLessThanOrEqual(countMax);
  },
);

async function checkState(table: Table, ledger: IssuanceLedger, issuances: readonly NewIssuance[], counts: Counts) {
  const ids = issuances.map((one) => issuanceIdOf(one.requestId, one.ordinal));
  const recs = (await table.getMany(ids.map((id) => keys.record(id)!))).map(
    (rec, index) => [ids[index]!, rec] as const,
  );
  const there = recs.filter((one): one is readonly [string, Item] => one[1] !== undefined);
  expect(there).toHaveLength(counts.received);
  const approvedFor = new Map<string, string>();
  for (const [id, rec] of there) {
    const history = historyOf(rec);
    for (const { from, to } of history.slice(1)) expect(isEdge(from!, to), `${id}: ${from} to ${to}`).toBe(true);
    expect(history.length - 1, `moves of ${id}`).toBe(counts.moved.get(id) ?? 0);
    expect(history.at(-1)?.to).toBe(rec.st?.S);
    if (!history.some(({ to }) => to === 'approved')) continue;
    for (const name of rec.nm!.L!) {
      const holder = approvedFor.get(name.S!) ?? rec.spki!.S!;
      expect(rec.spki?.S, `${name.S} is approved for one key`).toBe(holder);
      approvedFor.set(name.S!, holder);
    }
  }
  const holders = await ledger.holders([...approvedFor.keys()], '');
  expect(new Map(holders.names.map(({ name, spkiSha256 }) => [name, spkiSha256]))).toEqual(approvedFor);
  const records = await ledger.getMany(there.map(([id]) => id));
  const serials = records.flatMap((record) => record?.serial ?? []);
  expect(new Set(serials).size).toBe(serials.length);
  const counted = records.filter((one) => one?.state === 'issued' || one?.state === 'revoked');
  const total = (await ledger.counters('devices')).find(({ dimension }) => dimension === 'total');
  expect(total?.issued ?? 0).toBe(counted.length);
  expect(total?.revoked ?? 0).toBe(records.filter((one) => one?.state === 'revoked').length);
}
