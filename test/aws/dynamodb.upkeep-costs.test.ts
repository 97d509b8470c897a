import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { dataModelPage } from '../../docs/data-model-page.ts';
import { createTable } from '../../shared/adapters/dynamodb/calls.ts';
import { type Cells, countActions, countInto } from '../../shared/adapters/dynamodb/counters.ts';
import { createDynamoUpkeep } from '../../shared/adapters/dynamodb/inventory-upkeep.ts';
import { meterCapacity } from '../support/dynamodb-middleware.ts';
import { createTestTable } from '../support/dynamodb-table.ts';
import { dayMs, ledgerTime } from '../support/ledger-fixtures.ts';

const hourMs = 3_600_000;

/** What the upkeep reads and writes to fold a window, and what it does where there is nothing to fold. */
async function measure(): Promise<readonly string[]> {
  const test = await createTestTable();
  const take = meterCapacity(test.client);
  const table = createTable(test);
  const upkeep = createDynamoUpkeep(table, async () => ['devices']);
  const rows: string[] = [];
  const fold = async (what: string, certificates: number) => {
    take();
    while ((await upkeep.expire(ledgerTime + hourMs, 1_000)).more);
    const { indexWriteUnits, readUnits, requests, tableWriteUnits } = take();
    rows.push(`| ${what} | ${certificates} | ${requests} | ${readUnits} | ${tableWriteUnits} | ${indexWriteUnits} |`);
  };
  const count = async (first: number, certificates: number, owners: number) => {
    const cells: Cells = new Map();
    for (let n = 0; n < certificates; n++)
      countInto(cells, {
        change: 'issued',
        at: ledgerTime,
        certificate: {
          ...{ caId: 'devices', owner: `plant-${first + (n % owners)}`, fleet: 'sensors', profile: 'device' },
          ...{ keyType: 'P-256', credentialId: `of-plant-${first + (n % owners)}` },
          ...{ notBefore: ledgerTime, notAfter: ledgerTime + 30 * dayMs },
        },
      });
    await table.transact(countActions(cells, first % 16));
  };
  await fold('nothing to fold', 0);
  await count(0, 1_000, 1);
  await fold('a window of one owner, new', 1_000);
  await count(0, 1_000, 1);
  await fold('the next window of that owner', 1_000);
  await count(100, 50, 50);
  await fold('a window of fifty owners, new', 50);
  await test.drop();
  return rows;
}

it('costs what the page of the data model says of the upkeep (costs-measured)', async () => {
  const measured = await measure();
  const [, table = ''] = readFileSync(dataModelPage, 'utf8').split('Of one run of the upkeep');
  const written = table.split('\n').filter((line) => /^\| .*\d \|$/.test(line));
  for (const [index, row] of measured.entries()) {
    const figures = (text = '') => text.split('|').slice(2, -1).map(Number);
    expect(written[index]?.split('|')[1], `measured: ${measured.join('\n')}`).toBe(row.split('|')[1]);
    for (const [column, value] of figures(row).entries()) {
      const expected = figures(written[index])[column]!;
      expect(Math.abs(value - expected), `measured: ${measured.join('\n')}`).toBeLessThanOrEqual(
        Math.max(2, expected * 0.15),
      );
    }
  }
}, 120_000);
