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
import { type Item, number, text, texts } from '../../shared/adapters/dynamodb/items.ts';
import { createDynamoLedger } from '../../shared/adapters/dynamodb/ledger.ts';
import { historyEntry, newItems } from '../../shared/adapters/dynamodb/record-items.ts';
import { issuanceIdOf } from '../../shared/issuance/ids.ts';
import type { NewIssuance } from '../../shared/issuance/issuance-record.ts';
import type { Transition } from '../../shared/issuance/ports.ts';
import { ledgerTime, moves, newCertificate, newCredential, newIssuance } from '../support/ledger-fixtures.ts';
import { makePrepared } from '../support/make-prepared.ts';

/** https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html and API_BatchWriteItem.html */
const limits = { transactionActions: 100, batchWrites: 25 };

const theirs = 'B'.repeat(12);
const batch = 100;

/** A table that has these records and takes every write; and how often it was asked. */
function tableWith(records: readonly Item[]) {
  const client = new DynamoDBClient({ region: 'eu-central-1' });
  const mock = mockClient(client);
  const stored = new Map(records.map((item) => [`${item.PK?.S} ${item.SK?.S}`, item]));
  mock.on(BatchGetItemCommand).callsFake(({ RequestItems }) => ({
    Responses: { T: RequestItems.T.Keys.flatMap((key: Item) => stored.get(`${key.PK?.S} ${key.SK?.S}`) ?? []) },
  }));
  mock.on(GetItemCommand).resolves({});
  mock.on(QueryCommand).resolves({ Items: [] });
  mock.on(BatchWriteItemCommand).resolves({});
  mock.on(UpdateItemCommand).resolves({});
  mock.on(TransactWriteItemsCommand).resolves({});
  const calls = (command: Parameters<typeof mock.commandCalls>[0]) => mock.commandCalls(command).length;
  const sizes = () => ({
    transactions: mock.commandCalls(TransactWriteItemsCommand).map((one) => one.args[0].input.TransactItems!.length),
    writes: mock.commandCalls(BatchWriteItemCommand).map((one) => one.args[0].input.RequestItems!.T!.length),
  });
  const counted = () => ({
    reads: calls(BatchGetItemCommand) + calls(GetItemCommand) + calls(QueryCommand),
    entryWrites: calls(BatchWriteItemCommand),
    transactions: calls(TransactWriteItemsCommand),
    updates: calls(UpdateItemCommand),
  });
  return { ledger: createDynamoLedger({ client, tableName: 'T', pause: async () => undefined }), counted, sizes };
}

function recordOf(issuance: NewIssuance, state: string): Item {
  const { record } = newItems(issuance, theirs);
  const history = [...record.h!.L!.map((one) => one.S!), historyEntry(theirs, ledgerTime, 'approved')];
  return { ...record, st: text(state), mv: number(1), h: texts(history) };
}

/** Moves a batch from one state on, and answers what that took. */
async function moveBatch(state: string, moveOf: (id: string) => Transition, changes: Item = {}) {
  const credential = newCredential();
  const issuances = Array.from({ length: batch }, () => newIssuance(credential));
  const { counted, ledger, sizes } = tableWith(issuances.map((one) => ({ ...recordOf(one, state), ...changes })));
  const outcomes = await ledger.advance(
    issuances.map(({ ordinal, requestId }) => moveOf(issuanceIdOf(requestId, ordinal))),
  );
  expect(outcomes.map(({ kind }) => kind)).toEqual(outcomes.map(() => 'moved'));
  for (const size of sizes().transactions) expect(size).toBeLessThanOrEqual(limits.transactionActions);
  for (const size of sizes().writes) expect(size).toBeLessThanOrEqual(limits.batchWrites);
  return counted();
}

describe('a batch of 100 on DynamoDB, nobody else about', () => {
  it('is approved in one read and four transactions (round-trips)', async () => {
    expect(await moveBatch('received', (id) => moves.approve(id))).toEqual({
      reads: 1,
      entryWrites: 0,
      transactions: 4,
      updates: 0,
    });
  });

  it('has its intents written in one read and four transactions (round-trips)', async () => {
    expect(await moveBatch('approved', (id) => moves.intend(makePrepared(id, 'devices'), 0))).toEqual({
      reads: 1,
      entryWrites: 0,
      transactions: 4,
      updates: 0,
    });
  });

  it('is issued in one read, the entries 25 at a time, and four transactions; contacts of a new fleet beside it (round-trips)', async () => {
    expect(await moveBatch('intended', (id) => moves.issue(id, newCertificate()))).toEqual({
      // The records; the share and the places of a fleet that no contact is known of.
      reads: 1 + 2,
      // Two entries of each certificate; one contact of each device.
      entryWrites: 8 + 4,
      transactions: 4,
      updates: 1,
    });
  });

  it('is split further where its records are large: a transaction takes 4 MB (transaction-bytes)', async () => {
    const { transactions } = await moveBatch('received', (id) => moves.approve(id), { scp: text('x'.repeat(300_000)) });
    // Ten records of 300 KB and what is written of them.
    expect(transactions).toBe(batch / 10);
  });
});
