import {
  BatchGetItemCommand,
  BatchWriteItemCommand,
  DynamoDBClient,
  GetItemCommand,
  TransactWriteItemsCommand,
  UpdateItemCommand,
} from '@aws-sdk/client-dynamodb';
import { mockClient } from 'aws-sdk-client-mock';
import { describe, expect, it } from 'vitest';
import { createTable, type TableOptions } from '../../shared/adapters/dynamodb/calls.ts';
import { failureOf } from '../../shared/adapters/dynamodb/errors.ts';
import { number, text } from '../../shared/adapters/dynamodb/items.ts';
import { pauseBefore } from '../../shared/adapters/dynamodb/retry.ts';
import { type Key, keyItem } from '../../shared/adapters/dynamodb/table.ts';
import { cancelled, serviceError } from '../support/dynamodb-errors.ts';

const key = (n: number): Key => ({ PK: `P#${n}`, SK: 'S' });
const item = (n: number) => ({ ...keyItem(key(n)), n: number(n) });

function world(options: Partial<TableOptions> = {}) {
  const client = new DynamoDBClient({ region: 'eu-central-1' });
  const mock = mockClient(client);
  const pauses: number[] = [];
  const pause = async (ms: number) => {
    pauses.push(ms);
  };
  return { mock, pauses, table: createTable({ client, tableName: 'T', random: () => 0.5, pause, ...options }) };
}

const throttled = () => serviceError('ProvisionedThroughputExceededException');

describe('a read of many items', () => {
  it('asks again for the keys that a 200 left out, and answers in the order asked (unprocessed-keys)', async () => {
    const { mock, table, pauses } = world();
    const left = { T: { Keys: [keyItem(key(2)), keyItem(key(3))], ConsistentRead: true } };
    mock
      .on(BatchGetItemCommand)
      .resolvesOnce({ Responses: { T: [item(1)] }, UnprocessedKeys: left as never })
      .resolvesOnce({ Responses: { T: [item(3)] }, UnprocessedKeys: { T: { Keys: [keyItem(key(2))] } } as never })
      .resolvesOnce({ Responses: { T: [item(2)] } });
    const found = await table.getMany([key(3), key(9), key(1), key(2), key(1)]);
    expect(found.map((one) => one?.n?.N)).toEqual(['3', undefined, '1', '2', '1']);
    const asked = mock
      .commandCalls(BatchGetItemCommand)
      .map((call) => call.args[0].input.RequestItems!.T!.Keys!.length);
    expect(asked).toEqual([4, 2, 1]);
    expect(pauses).toHaveLength(2);
  });

  it('gives up when keys stay out, as overloaded (unprocessed-keys-bounded)', async () => {
    const { mock, table } = world({ attemptsMax: 4 });
    mock.on(BatchGetItemCommand).resolves({ UnprocessedKeys: { T: { Keys: [keyItem(key(1))] } } as never });
    await expect(table.getMany([key(1)])).rejects.toMatchObject({ code: 'ledger-overloaded' });
    expect(mock.commandCalls(BatchGetItemCommand)).toHaveLength(4);
  });

  it('asks for a hundred keys at a time, and gathers what is asked for in one turn (batch-size)', async () => {
    const { mock, table } = world();
    mock.on(BatchGetItemCommand).callsFake(({ RequestItems }) => ({ Responses: { T: RequestItems.T.Keys } }));
    const asked = Array.from({ length: 250 }, (_, n) => table.getMany([key(n)]));
    expect((await Promise.all(asked)).map(([one]) => one?.PK?.S)).toEqual(
      Array.from({ length: 250 }, (_, n) => `P#${n}`),
    );
    const sizes = mock
      .commandCalls(BatchGetItemCommand)
      .map((call) => call.args[0].input.RequestItems!.T!.Keys!.length);
    expect(sizes).toEqual([100, 100, 50]);
  });

  it('rejects all that were gathered when the read fails (gathered-failure)', async () => {
    const { mock, table } = world();
    mock.on(BatchGetItemCommand).rejects(serviceError('ValidationException'));
    const settled = await Promise.allSettled([table.getMany([key(1)]), table.getMany([key(2)])]);
    expect(settled.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  });
});

describe('a write of many items', () => {
  it('sends again what a 200 left out, 25 at a time (unprocessed-items)', async () => {
    const { mock, table } = world();
    const items = Array.from({ length: 30 }, (_, n) => item(n));
    const left = { T: [{ PutRequest: { Item: items[7]! } }] };
    mock.on(BatchWriteItemCommand).resolvesOnce({ UnprocessedItems: left }).resolves({});
    await table.putMany(items);
    const sent = mock.commandCalls(BatchWriteItemCommand).map((call) => call.args[0].input.RequestItems!.T!);
    expect(sent.map((some) => some.length).sort((a, b) => a - b)).toEqual([1, 5, 25]);
    expect(sent.find((some) => some.length === 1)).toEqual(left.T);
  });

  it('gives up when items stay out, as overloaded (unprocessed-items-bounded)', async () => {
    const { mock, table } = world({ attemptsMax: 3 });
    mock.on(BatchWriteItemCommand).resolves({ UnprocessedItems: { T: [{ PutRequest: { Item: item(1) } }] } });
    await expect(table.putMany([item(1)])).rejects.toMatchObject({ code: 'ledger-overloaded' });
    expect(mock.commandCalls(BatchWriteItemCommand)).toHaveLength(3);
  });
});

describe('a throttle', () => {
  it('is waited out (throttled)', async () => {
    const { mock, table, pauses } = world();
    mock
      .on(GetItemCommand)
      .rejectsOnce(throttled())
      .rejectsOnce(throttled())
      .resolves({ Item: item(1) });
    expect((await table.get(key(1)))?.n).toEqual({ N: '1' });
    expect(pauses).toHaveLength(2);
  });

  it('that lasts is overloaded, not an unknown outcome (throttled-bounded)', async () => {
    const { mock, table } = world({ attemptsMax: 5 });
    mock.on(UpdateItemCommand).rejects(throttled());
    const update = {
      kind: 'update',
      key: key(1),
      set: { expression: 'ADD n :one', values: { ':one': number(1) } },
    } as const;
    await expect(table.update(update)).rejects.toMatchObject({ code: 'ledger-overloaded' });
    expect(mock.commandCalls(UpdateItemCommand)).toHaveLength(5);
  });
});

describe('a call without an answer', () => {
  it('is given up after three, whatever the patience for throttles: a Lambda is to outlive it (silences-bounded)', async () => {
    const { mock, table } = world();
    mock.on(GetItemCommand).rejects(new Error('socket hang up'));
    await expect(table.get(key(1))).rejects.toMatchObject({ code: 'storage-failed' });
    expect(mock.commandCalls(GetItemCommand)).toHaveLength(3);
    mock.on(TransactWriteItemsCommand).rejects(serviceError('InternalServerError', 500));
    await expect(table.transact([{ kind: 'put', item: item(1) }])).rejects.toMatchObject({ code: 'storage-failed' });
    expect(mock.commandCalls(TransactWriteItemsCommand)).toHaveLength(3);
  });
});

describe('a transaction', () => {
  const actions = [
    { kind: 'put', item: item(1), condition: { expression: 'attribute_not_exists(PK)' } },
    { kind: 'put', item: item(2) },
  ] as const;

  it('in conflict comes again with the same token, and answers which conditions failed (conflict, condition)', async () => {
    const { mock, table } = world();
    mock
      .on(TransactWriteItemsCommand)
      .rejectsOnce(cancelled('None', 'TransactionConflict'))
      .rejectsOnce(cancelled('ThrottlingError', 'None'))
      .rejectsOnce(serviceError('TransactionInProgressException'))
      .rejectsOnce(new Error('socket hang up'))
      .rejectsOnce(cancelled('ConditionalCheckFailed', 'None'));
    const outcome = await table.transact(actions);
    expect(outcome).toMatchObject({ kind: 'cancelled', reasons: [{ code: 'condition' }, { code: 'none' }] });
    const tokens = mock.commandCalls(TransactWriteItemsCommand).map((call) => call.args[0].input.ClientRequestToken);
    expect(tokens).toHaveLength(5);
    expect(new Set(tokens).size).toBe(1);
  });

  it('in conflict beyond patience is overloaded, without an answer beyond it unknown (bounded)', async () => {
    const { mock, table } = world({ attemptsMax: 3 });
    mock.on(TransactWriteItemsCommand).rejects(cancelled('TransactionConflict', 'None'));
    await expect(table.transact(actions)).rejects.toMatchObject({ code: 'ledger-overloaded' });
    mock.reset();
    mock.on(TransactWriteItemsCommand).rejects(new Error('socket hang up'));
    await expect(table.transact(actions)).rejects.toMatchObject({ code: 'storage-failed' });
    expect(mock.commandCalls(TransactWriteItemsCommand)).toHaveLength(3);
  });

  it.each(['ItemCollectionSizeLimitExceeded', 'ValidationError', 'SomethingNew'])(
    'that can never pass (%s) is not repeated (refused)',
    async (code) => {
      const { mock, table } = world();
      mock.on(TransactWriteItemsCommand).rejects(cancelled('None', code));
      await expect(table.transact(actions)).rejects.toThrow(/refuses the transaction/);
      expect(mock.commandCalls(TransactWriteItemsCommand)).toHaveLength(1);
    },
  );

  it.each([
    'ValidationException',
    'AccessDeniedException',
    'ResourceNotFoundException',
    'IdempotentParameterMismatchException',
  ])('that is our mistake (%s) is thrown as it came (refused)', async (name) => {
    const { mock, table } = world();
    mock.on(TransactWriteItemsCommand).rejects(serviceError(name));
    await expect(table.transact(actions)).rejects.toMatchObject({ name });
    expect(mock.commandCalls(TransactWriteItemsCommand)).toHaveLength(1);
  });
});

describe('what an error means', () => {
  it.each([
    ['ConditionalCheckFailedException', { kind: 'condition' }],
    ['TransactionConflictException', { kind: 'conflict' }],
    ['ThrottlingException', { kind: 'throttled' }],
    ['RequestLimitExceeded', { kind: 'throttled' }],
    ['ItemCollectionSizeLimitExceededException', { kind: 'refused' }],
    ['UnrecognizedClientException', { kind: 'refused' }],
  ])('%s', (name, failure) => expect(failureOf(serviceError(name))).toEqual(failure));

  it('takes a failure of the service, or none of the SDK at all, for an unknown outcome', () => {
    expect(failureOf(serviceError('InternalServerError', 500))).toEqual({ kind: 'unknown' });
    for (const error of [new Error('socket hang up'), undefined, 'text'])
      expect(failureOf(error)).toEqual({ kind: 'unknown' });
  });

  it('has the item that failed a condition', () => {
    const error = Object.assign(cancelled('ConditionalCheckFailed'), {
      CancellationReasons: [{ Code: 'ConditionalCheckFailed', Item: { a: text('b') } }],
    });
    expect(failureOf(error)).toMatchObject({ reasons: [{ code: 'condition', item: { a: { S: 'b' } } }] });
  });
});

it('pauses longer each time up to a bound, and never as long as another (full-jitter)', async () => {
  const pauses: number[] = [];
  const pause = async (ms: number) => {
    pauses.push(ms);
  };
  for (let attempt = 1; attempt <= 40; attempt++)
    await pauseBefore(attempt, { random: () => 0.999, pause, attemptsMax: 1, silencesMax: 1 });
  expect(pauses.every((ms, index) => index === 0 || ms >= pauses[index - 1]!)).toBe(true);
  expect(Math.max(...pauses)).toBeLessThan(800);
  await pauseBefore(40, { random: () => 0, pause, attemptsMax: 1, silencesMax: 1 });
  expect(pauses.at(-1)).toBe(0);
});
