import { afterAll, describe, expect, it } from 'vitest';
import { ledgerSuite } from '../contract/ledger-suite.ts';
import { openDynamoHarness } from '../support/dynamodb-harness.ts';
import { type CommandCount, countCommands } from '../support/dynamodb-middleware.ts';

const counts: CommandCount[] = [];

ledgerSuite('DynamoDB', () => openDynamoHarness({ onLedgerClient: (client) => counts.push(countCommands(client)) }), {
  durable: true,
  lagMsMax: 5_000,
});

describe('what the ledger sent in all of the above', () => {
  const sent = (name: string) => counts.reduce((sum, { commands }) => sum + (commands.get(name) ?? 0), 0);

  it('is no Scan, and nothing but what the table is made for (no-scan)', () => {
    const names = new Set(counts.flatMap(({ commands }) => [...commands.keys()]));
    expect([...names].sort()).toEqual([
      'BatchGetItemCommand',
      'BatchWriteItemCommand',
      'GetItemCommand',
      'QueryCommand',
      'TransactWriteItemsCommand',
      'UpdateItemCommand',
    ]);
    expect(sent('TransactWriteItemsCommand')).toBeGreaterThan(300);
  });

  it('asks for one partition with every Query (query-bounded)', () => {
    const queries = counts.flatMap((count) => count.queries);
    expect(queries.length).toBeGreaterThan(100);
    expect(queries.filter(({ isBounded }) => !isBounded)).toEqual([]);
  });

  afterAll(() => counts.splice(0));
});
