import {
  BatchGetItemCommand,
  BatchWriteItemCommand,
  DynamoDBClient,
  GetItemCommand,
  QueryCommand,
  TransactWriteItemsCommand,
  UpdateItemCommand,
} from '@aws-sdk/client-dynamodb';
import { mockClient } from 'aws-sdk-client-mock';
import { describe, expect, it } from 'vitest';
import type { TableOptions } from '../../shared/adapters/dynamodb/calls.ts';
import { flag, type Item, number, text, texts } from '../../shared/adapters/dynamodb/items.ts';
import { createDynamoLedger } from '../../shared/adapters/dynamodb/ledger.ts';
import { historyEntry, historyOf, newItems } from '../../shared/adapters/dynamodb/record-items.ts';
import { keyItem, keys } from '../../shared/adapters/dynamodb/table.ts';
import { issuanceIdOf } from '../../shared/issuance/ids.ts';
import type { NewIssuance } from '../../shared/issuance/issuance-record.ts';
import { isRedeemed } from '../../shared/lints/prepared-issuance.ts';
import { cancelled, serviceError } from '../support/dynamodb-errors.ts';
import { ledgerTime, moves, newCredential, newIssuance } from '../support/ledger-fixtures.ts';
import { makePrepared } from '../support/make-prepared.ts';

/** With `random` at 0 every write of the ledger has this id. */
const ours = 'A'.repeat(12);
const theirs = 'B'.repeat(12);
const credential = newCredential();

function world(options: Partial<TableOptions> = {}) {
  const client = new DynamoDBClient({ region: 'eu-central-1' });
  const mock = mockClient(client);
  const pause = async () => undefined;
  const ledger = createDynamoLedger({ client, tableName: 'T', random: () => 0, pause, ...options });
  const transactions = () =>
    mock.commandCalls(TransactWriteItemsCommand).map((call) => call.args[0].input.TransactItems!);
  /** Answers reads from these items, whichever way they are asked for. */
  const stored = new Map<string, Item>();
  const put = (...items: readonly Item[]) => {
    for (const item of items) stored.set(`${item.PK?.S} ${item.SK?.S}`, item);
  };
  mock.on(BatchGetItemCommand).callsFake(({ RequestItems }) => ({
    Responses: { T: RequestItems.T.Keys.flatMap((key: Item) => stored.get(`${key.PK?.S} ${key.SK?.S}`) ?? []) },
  }));
  mock.on(GetItemCommand).callsFake(({ Key }) => ({ Item: stored.get(`${Key.PK.S} ${Key.SK.S}`) }));
  mock.on(BatchWriteItemCommand).resolves({});
  return { mock, ledger, transactions, put };
}

/** The record of a new issuance, moved by writes of others. */
function recordOf(issuance: NewIssuance, state = 'received', writes: readonly string[] = [], changes: Item = {}): Item {
  const { record } = newItems(issuance, theirs);
  const history = [
    ...record.h!.L!.map((one) => one.S!),
    ...writes.map((write) => historyEntry(write, ledgerTime, 'approved')),
  ];
  return { ...record, st: text(state), mv: number(writes.length), h: texts(history), ...changes };
}

const idOf = ({ requestId, ordinal }: NewIssuance) => issuanceIdOf(requestId, ordinal);
const failed = (count: number, ...which: readonly number[]) =>
  cancelled(
    ...Array.from({ length: count }, (_, index) => (which.includes(index) ? 'ConditionalCheckFailed' : 'None')),
  );

describe('a move whose condition failed', () => {
  it('is a conflict when another moved the issuance (conflict)', async () => {
    const { mock, ledger, put } = world();
    const issuance = newIssuance(credential);
    put(recordOf(issuance));
    mock.on(TransactWriteItemsCommand).callsFake(() => {
      put(recordOf(issuance, 'rejected', [theirs]));
      throw failed(3, 0);
    });
    expect(await ledger.advance([moves.approve(idOf(issuance))])).toEqual([{ kind: 'conflict', actual: 'rejected' }]);
  });

  it('was made when its write stands in the history, though its answer was lost (answer-lost)', async () => {
    const { mock, ledger, put, transactions } = world();
    const issuance = newIssuance(credential);
    put(recordOf(issuance));
    mock
      .on(TransactWriteItemsCommand)
      .rejectsOnce(new Error('socket hang up'))
      .callsFake(() => {
        put(recordOf(issuance, 'approved', [ours]));
        throw failed(3, 0);
      });
    expect(await ledger.advance([moves.approve(idOf(issuance))])).toEqual([{ kind: 'moved' }]);
    expect(transactions()).toHaveLength(2);
  });

  it('was made even when others have moved the issuance on since (answer-lost-long-ago)', async () => {
    const { mock, ledger, put } = world();
    const issuance = newIssuance(credential);
    put(recordOf(issuance));
    mock.on(TransactWriteItemsCommand).callsFake(() => {
      put(recordOf(issuance, 'issued', [ours, theirs, theirs]));
      throw failed(3, 0);
    });
    expect(await ledger.advance([moves.approve(idOf(issuance))])).toEqual([{ kind: 'moved' }]);
  });

  it('redeems the intent of a move whose answer was lost, and of no other (redeemed-when-found)', async () => {
    for (const [write, redeemed] of [
      [ours, true],
      [theirs, false],
    ] as const) {
      const { mock, ledger, put } = world();
      const issuance = newIssuance(credential);
      const prepared = makePrepared(idOf(issuance), 'devices');
      put(recordOf(issuance, 'approved', [theirs]));
      mock.on(TransactWriteItemsCommand).callsFake(() => {
        put(recordOf(issuance, 'intended', [theirs, write]));
        throw failed(3, 0);
      });
      const [outcome] = await ledger.advance([moves.intend(prepared)]);
      expect(outcome?.kind).toBe(redeemed ? 'moved' : 'conflict');
      expect(isRedeemed(prepared)).toBe(redeemed);
    }
  });

  it('names who holds the names, read anew, though the cancellation tells of one alone (held)', async () => {
    const { mock, ledger, put } = world();
    const issuance = newIssuance(credential, { names: ['dns:a', 'dns:b', 'dns:c'] });
    const hold = (name: string, owner: string) => ({
      ...keyItem(keys.holder(name)),
      nam: text(name),
      own: text(owner),
      spki: text(issuance.spkiSha256),
      heldAt: number(1),
    });
    put(recordOf(issuance), hold('dns:a', 'another'), hold('dns:b', issuance.owner), hold('dns:c', 'another'));
    mock.on(TransactWriteItemsCommand).rejects(failed(5, 3));
    expect(await ledger.advance([moves.approve(idOf(issuance))])).toEqual([
      { kind: 'held', names: ['dns:a', 'dns:c'] },
    ]);
  });

  it('is tried again when nothing stands in its way any more (obstacle-gone)', async () => {
    const { mock, ledger, put, transactions } = world();
    const issuance = newIssuance(credential);
    put(recordOf(issuance));
    mock.on(TransactWriteItemsCommand).rejectsOnce(failed(3, 1)).resolves({});
    expect(await ledger.advance([moves.approve(idOf(issuance))])).toEqual([{ kind: 'moved' }]);
    expect(transactions()).toHaveLength(2);
  });

  it('is frozen when the shared check failed, for every move of the transaction (frozen)', async () => {
    const { mock, ledger, put } = world();
    const issuances = [newIssuance(credential), newIssuance(credential)];
    put(...issuances.map((one) => recordOf(one, 'approved', [theirs])));
    put({ ...keyItem(keys.fence('devices', 3)), frozen: flag(true) });
    mock.on(TransactWriteItemsCommand).rejects(failed(5, 4));
    const asked = issuances.map((one) => moves.intend(makePrepared(idOf(one), 'devices')));
    expect(await ledger.advance(asked)).toEqual([{ kind: 'frozen' }, { kind: 'frozen' }]);
  });
});

describe('a transaction of several moves', () => {
  it('goes on without the one whose condition failed (one-of-many)', async () => {
    const { mock, ledger, put, transactions } = world();
    const issuances = Array.from({ length: 4 }, () => newIssuance(credential));
    put(...issuances.map((one) => recordOf(one)));
    mock
      .on(TransactWriteItemsCommand)
      .callsFakeOnce(() => {
        put(recordOf(issuances[2]!, 'lapsed', [theirs]));
        throw failed(12, 6);
      })
      .resolves({});
    expect(await ledger.advance(issuances.map((one) => moves.approve(idOf(one))))).toEqual([
      { kind: 'moved' },
      { kind: 'moved' },
      { kind: 'conflict', actual: 'lapsed' },
      { kind: 'moved' },
    ]);
    expect(transactions().map((actions) => actions.length)).toEqual([12, 9]);
  });

  it('in conflict is tried three times, then each move by itself (conflict-alone)', async () => {
    const { mock, ledger, put, transactions } = world();
    const issuances = [newIssuance(credential), newIssuance(credential)];
    put(...issuances.map((one) => recordOf(one)));
    mock.on(TransactWriteItemsCommand).callsFake(({ TransactItems }) => {
      if (TransactItems.length > 3) throw cancelled(...TransactItems.map(() => 'TransactionConflict'));
      return {};
    });
    const outcomes = await ledger.advance(issuances.map((one) => moves.approve(idOf(one))));
    expect(outcomes).toEqual([{ kind: 'moved' }, { kind: 'moved' }]);
    expect(transactions().map((actions) => actions.length)).toEqual([6, 6, 6, 3, 3]);
  });

  it('never has two actions on one item, nor more than a hundred (transaction-limits)', async () => {
    const { mock, ledger, put, transactions } = world();
    const names = (n: number) => Array.from({ length: 40 }, (_, i) => `dns:${n}-${i}`);
    const issuances = [1, 2, 3, 4, 1].map((n) => newIssuance(credential, { names: names(n) }));
    put(...issuances.map((one) => recordOf(one)));
    const moved = new Set<string>();
    mock.on(TransactWriteItemsCommand).callsFake(({ TransactItems }) => {
      for (const { Update } of TransactItems) if (Update.Key.SK.S.endsWith('#REC')) moved.add(Update.Key.PK.S);
      return {};
    });
    await ledger.advance(issuances.map((one) => moves.approve(idOf(one))));
    expect(moved.size).toBe(5);
    for (const actions of transactions()) {
      const touched = actions.map(({ Update }) => JSON.stringify(Update?.Key));
      expect(new Set(touched).size).toBe(touched.length);
      expect(touched.length).toBeLessThanOrEqual(100);
    }
  });

  it('moves a counter once for all its certificates, and only beside a record (counted-together)', async () => {
    const { mock, ledger, put, transactions } = world();
    const issuances = Array.from({ length: 3 }, () => newIssuance(credential));
    put(...issuances.map((one) => recordOf(one, 'issued', [theirs], { nb: number(1), na: number(2) })));
    mock.on(TransactWriteItemsCommand).resolves({});
    await ledger.advance(issuances.map((one) => moves.revoke(idOf(one))));
    const [actions] = transactions();
    expect(actions).toHaveLength(4);
    const counter = actions!.at(-1)!.Update!;
    expect(counter.UpdateExpression).toMatch(/ADD .*#a0 :a0/);
    expect(counter.ExpressionAttributeNames).toMatchObject({ '#a0': 'r' });
    expect(counter.ExpressionAttributeValues).toMatchObject({ ':a0': { N: '3' } });
    expect(actions!.slice(0, 3).every(({ Update }) => Update?.ConditionExpression === 'mv = :moves')).toBe(true);
  });

  it('that DynamoDB does not answer ends as unknown; others of the call keep their outcome (storage-failed)', async () => {
    const { mock, ledger, put } = world({ attemptsMax: 4 });
    const issuances = [newIssuance(credential), newIssuance(credential)];
    put(recordOf(issuances[0]!), recordOf(issuances[1]!, 'approved', [theirs]));
    const prepared = makePrepared(idOf(issuances[1]!), 'devices');
    mock.on(TransactWriteItemsCommand).rejects(new Error('socket hang up'));
    mock.on(UpdateItemCommand).resolves({});
    await expect(ledger.advance([moves.reject(idOf(issuances[0]!)), moves.intend(prepared)])).rejects.toMatchObject({
      code: 'storage-failed',
    });
    expect(mock.commandCalls(UpdateItemCommand)).toHaveLength(1);
    expect(isRedeemed(prepared)).toBe(false);
  });
});

describe('a move of one item', () => {
  it('is a plain update, whose lost answer is found in the history too (single)', async () => {
    const { mock, ledger, put } = world();
    const issuance = newIssuance(credential);
    put(recordOf(issuance));
    mock
      .on(UpdateItemCommand)
      .rejectsOnce(new Error('socket hang up'))
      .callsFake(() => {
        put(recordOf(issuance, 'rejected', [ours]));
        throw serviceError('ConditionalCheckFailedException');
      });
    expect(await ledger.advance([moves.reject(idOf(issuance))])).toEqual([{ kind: 'moved' }]);
    expect(mock.commandCalls(TransactWriteItemsCommand)).toHaveLength(0);
  });

  it('notes an attempt once, however often it is sent (attempt-once)', async () => {
    const { mock, ledger } = world();
    const error = { code: 'throttled', message: 'x'.repeat(10_000), at: ledgerTime };
    mock
      .on(UpdateItemCommand)
      .rejectsOnce(new Error('socket hang up'))
      .rejects(serviceError('ConditionalCheckFailedException'));
    await ledger.noteAttempts([{ issuanceId: idOf(newIssuance(credential)), error }]);
    const [first, second] = mock.commandCalls(UpdateItemCommand).map((call) => call.args[0].input);
    expect(second).toEqual(first);
    expect(first?.ConditionExpression).toContain('aw <> :write');
    expect(first?.ExpressionAttributeValues?.[':error']?.S?.length).toBeLessThan(2_100);
  });
});

describe('a POST', () => {
  const share = (index: number, max: number, used: number, more: Item = {}) => ({
    ...keyItem(keys.credentialShare(credential.id, index)),
    max: number(max),
    used: number(used),
    ...more,
  });
  const head = { ...keyItem(keys.credential(credential.id)), shares: number(2) };

  it('that took its ordinal though the answer was lost is received (answer-lost)', async () => {
    const { mock, ledger, put } = world();
    const issuance = newIssuance(credential);
    put(head);
    mock
      .on(TransactWriteItemsCommand)
      .rejectsOnce(new Error('socket hang up'))
      .callsFake(() => {
        put(newItems(issuance, ours).record);
        throw failed(3, 0, 1);
      });
    expect(await ledger.receive(issuance)).toMatchObject({ kind: 'received', record: { state: 'received' } });
  });

  it('that finds the ordinal taken by another is a conflict (conflict)', async () => {
    const { mock, ledger, put } = world();
    const issuance = newIssuance(credential);
    put(head, newItems(issuance, theirs).record);
    mock.on(TransactWriteItemsCommand).rejects(failed(3, 0, 1));
    expect(await ledger.receive(issuance)).toEqual({ kind: 'conflict' });
  });

  it('takes from another share when its own is used up, and is refused when all are (shares)', async () => {
    const { mock, ledger, put, transactions } = world();
    put(head);
    mock
      .on(QueryCommand)
      .resolvesOnce({ Items: [head, share(0, 5, 5), share(1, 5, 4)] })
      .resolvesOnce({ Items: [head, share(0, 5, 4), share(1, 5, 5)] })
      .resolves({ Items: [head, share(0, 5, 5), share(1, 5, 5)] });
    mock.on(TransactWriteItemsCommand).rejects(failed(3, 2));
    expect(await ledger.receive(newIssuance(credential))).toEqual({ kind: 'credential-count-used-up' });
    expect(
      transactions()
        .slice(1)
        .map((actions) => actions[2]?.Update?.Key?.SK?.S),
    ).toEqual(['USE#01', 'USE#00']);
  });

  it('is refused when its credential was revoked, on whichever of its items (revoked)', async () => {
    const { mock, ledger, put } = world();
    put(head);
    mock.on(QueryCommand).resolves({ Items: [head, share(0, 5, 0), share(1, 5, 0, { revokedAt: number(1) })] });
    mock.on(TransactWriteItemsCommand).rejects(failed(3, 2));
    expect(await ledger.receive(newIssuance(credential))).toEqual({ kind: 'credential-revoked' });
  });

  it('is refused before anything is sent when an item would be too large (bounds)', async () => {
    const { mock, ledger } = world();
    const large = [
      { csrDer: new Uint8Array(32 * 1024 + 1) },
      { names: Array.from({ length: 101 }, (_, n) => `dns:${n}`) },
      { names: ['x'.repeat(64 * 1024 + 1)] },
      { requestId: 'short' },
    ];
    for (const changes of large) {
      await expect(ledger.receive(newIssuance(credential, changes))).rejects.toMatchObject({ code: 'out-of-bounds' });
    }
    expect(mock.calls()).toHaveLength(0);
  });
});

describe('a read', () => {
  it('that sees half of a transaction reads again, and says so when the half stays (torn)', async () => {
    const issuance = newIssuance(credential);
    const { record, request } = newItems(issuance, theirs);
    const { mock, ledger, put } = world();
    put(record);
    let reads = 0;
    const answer = mock.on(BatchGetItemCommand);
    answer.callsFake(({ RequestItems }) => {
      reads += 1;
      const items = reads < 3 ? [record] : [record, request];
      return {
        Responses: { T: items.filter(({ SK }) => RequestItems.T.Keys.some((key: Item) => key.SK?.S === SK?.S)) },
      };
    });
    expect((await ledger.get(idOf(issuance)))?.state).toBe('received');
    answer.resolves({ Responses: { T: [record] } });
    await expect(ledger.get(idOf(issuance))).rejects.toMatchObject({ code: 'state-corrupt' });
  });

  it('has the history of a record: each state, when, and what the move carried (history)', () => {
    const rec = {
      h: texts([historyEntry(theirs, 1, 'received'), historyEntry(ours, 2, 'approved', { caId: 'devices' })]),
    };
    expect(historyOf(rec)).toEqual([
      { at: 1, from: undefined, to: 'received', detail: {} },
      { at: 2, from: 'received', to: 'approved', detail: { caId: 'devices' } },
    ]);
  });
});
