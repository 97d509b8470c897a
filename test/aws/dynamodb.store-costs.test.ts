import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { dataModelPage } from '../../docs/data-model-page.ts';
import { createDynamoAuthorities } from '../../shared/adapters/dynamodb/authorities.ts';
import { createTable } from '../../shared/adapters/dynamodb/calls.ts';
import { createDynamoCredentials } from '../../shared/adapters/dynamodb/credentials.ts';
import { createDynamoOperatorLog, createDynamoOperators } from '../../shared/adapters/dynamodb/operators.ts';
import { createDynamoPermits } from '../../shared/adapters/dynamodb/permits.ts';
import { meterCapacity } from '../support/dynamodb-middleware.ts';
import { createTestTable } from '../support/dynamodb-table.ts';
import { digestOf, ledgerTime, newAuthority, newCredential } from '../support/ledger-fixtures.ts';

const budget = { perSecond: 22.5, nextAt: ledgerTime, ratedAt: ledgerTime, cuts: 0, quietUntil: 0, deafUntil: 0 };

/** Requests, read and write units of each call of the stores beside the ledger, in the order of the page. */
async function measure(): Promise<readonly string[]> {
  const test = await createTestTable();
  const take = meterCapacity(test.client);
  const table = createTable(test);
  const credentials = createDynamoCredentials(table);
  const operators = createDynamoOperators(table);
  const log = createDynamoOperatorLog(table);
  const authorities = createDynamoAuthorities(table);
  const permits = createDynamoPermits(table);
  const large = newCredential({ countMax: 100_000 });
  const small = newCredential({ countMax: 1 });
  const operator = {
    id: 'operator-1',
    name: 'Custodian',
    roles: ['inventory:read' as const],
    createdAt: ledgerTime,
    sha256: digestOf('operator-1'),
  };
  const entry = { at: ledgerTime, operatorId: 'operator-1', action: 'dlq:redrive', subject: 'a.1', outcome: 'done' };
  const der = (bytes: number) => new Uint8Array(bytes);
  const calls: readonly (readonly [call: string, run: () => Promise<unknown>])[] = [
    ['credentials.create, count 100,000', () => credentials.create(large)],
    ['credentials.create, count 1', () => credentials.create(small)],
    ['credentials.findBySha256, count 100,000', () => credentials.findBySha256(large.sha256)],
    ['credentials.findBySha256, count 1', () => credentials.findBySha256(small.sha256)],
    ['credentials.revoke, count 100,000', () => credentials.revoke(large.id, ledgerTime)],
    ['credentials.list, these two', () => credentials.list(100)],
    ['operators.create', () => operators.create(operator)],
    ['operators.findBySha256', () => operators.findBySha256(operator.sha256)],
    ['operatorLog.append', () => log.append(entry as never)],
    [
      'registry.install, 1 KB and a chain of 2 KB',
      () => authorities.install(newAuthority({ certificateDer: der(1_000), chain: [der(1_000), der(1_000)] })),
    ],
    ['registry.list, one', () => authorities.list()],
    ['registry.setFrozen', () => authorities.setFrozen('devices', true, ledgerTime, 'operator-1')],
    ['registry.isFrozen', () => authorities.isFrozen('devices')],
    ['permits.exchange', () => permits.exchange('a', 0, budget)],
    ['permits.read', () => permits.read('a')],
  ];
  const rows: string[] = [];
  for (const [call, run] of calls) {
    take();
    await run();
    const { requests, readUnits, tableWriteUnits, indexWriteUnits } = take();
    expect(indexWriteUnits, call).toBe(0);
    rows.push(`| ${call} | ${requests} | ${readUnits} | ${tableWriteUnits} |`);
  }
  await test.drop();
  return rows;
}

it('costs what the page of the data model says of the stores beside the ledger (costs-measured)', async () => {
  const measured = await measure();
  const [, table = ''] = readFileSync(dataModelPage, 'utf8').split('Of one call of a store beside the ledger');
  const written = table
    .split('\n')
    .filter((line) => /^\| (credentials|operators|operatorLog|registry|permits)\./.test(line));
  expect(written).toEqual(measured);
});
