import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { dataModelPage } from '../../docs/data-model-page.ts';
import { createDynamoAuthorities } from '../../shared/adapters/dynamodb/authorities.ts';
import { createTable, type Table } from '../../shared/adapters/dynamodb/calls.ts';
import { createDynamoCredentials } from '../../shared/adapters/dynamodb/credentials.ts';
import { createDynamoCrlSource } from '../../shared/adapters/dynamodb/crl-source.ts';
import { bytes, number, text } from '../../shared/adapters/dynamodb/items.ts';
import { createDynamoOperatorLog, createDynamoOperators } from '../../shared/adapters/dynamodb/operators.ts';
import { createDynamoPermits } from '../../shared/adapters/dynamodb/permits.ts';
import { createDynamoRevocations } from '../../shared/adapters/dynamodb/revocations.ts';
import { keyItem, keys } from '../../shared/adapters/dynamodb/table.ts';
import { meterCapacity } from '../support/dynamodb-middleware.ts';
import { createTestTable } from '../support/dynamodb-table.ts';
import { digestOf, ledgerTime, newAuthority, newCredential } from '../support/ledger-fixtures.ts';
import { newSerial } from '../support/make-prepared.ts';

const budget = { perSecond: 22.5, nextAt: ledgerTime, ratedAt: ledgerTime, cuts: 0, quietUntil: 0, deafUntil: 0 };

/** As revocations leave them: two certificates that no CRL lists yet, 500 published shards, a shard on its worst day. */
async function seedCrls(table: Table) {
  const entry = { rv: number(ledgerTime), rr: text('keyCompromise'), na: number(ledgerTime) };
  const serials = [newSerial(), newSerial()];
  const revoked = (shard: number, serial: string) => ({
    ...keyItem(keys.revokedSerial('workloads', 1, shard, serial)),
    ...entry,
  });
  const fingerprint = digestOf('a certificate');
  await table.putMany([
    ...serials.flatMap((serial) => [revoked(0, serial), keyItem(keys.crlChange('workloads', 1, 0, serial))]),
    ...Array.from({ length: 2_000 }, () => revoked(1, newSerial())),
    ...Array.from({ length: 500 }, (_, shard) => ({
      ...keyItem(keys.crlPublication('workloads', 1, shard)),
      end: number(ledgerTime),
    })),
    { ...keyItem(keys.crlSlots('workloads', 1)), slotNext: number(1_000_000) },
    { ...keyItem(keys.certificate(fingerprint, 'a.1')), der: bytes(new Uint8Array(760)), at: number(ledgerTime) },
  ]);
  return { fingerprint, change: { shard: 0, mark: serials } };
}

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
  const revocations = createDynamoRevocations(table);
  const crls = createDynamoCrlSource(table);
  const { fingerprint, change } = await seedCrls(table);
  await crls.nextCrlNumber('workloads', 1, 0);
  const intent = { issuanceId: 'a.1', reason: 'superseded' as const, at: ledgerTime, by: 'operator-1' };
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
    ['revocations.begin', () => revocations.begin(intent)],
    ['revocations.begin, again', () => revocations.begin(intent)],
    ['revocations.issuanceOfFingerprint', () => revocations.issuanceOfFingerprint(fingerprint)],
    ['revocations.unfinished, one', () => revocations.unfinished(100)],
    ['revocations.markCompromised', () => revocations.markCompromised(digestOf('key'), 'plant-7', ledgerTime)],
    ['revocations.finish', () => revocations.finish(intent.issuanceId)],
    ['crls.changes, of 2 in 1 shard', () => crls.changes('workloads', 1)],
    ['crls.publications, of 500 shards', () => crls.publications('workloads', 1)],
    ['crls.shardCount', () => crls.shardCount('workloads', 1)],
    ['crls.revokedOf, 2', () => crls.revokedOf('workloads', 1, 0, 0)],
    ['crls.revokedOf, 2,000', () => crls.revokedOf('workloads', 1, 1, 0)],
    ['crls.nextCrlNumber', () => crls.nextCrlNumber('workloads', 1, 0)],
    ['crls.notePublished, 2 changes', async () => crls.notePublished('workloads', 1, 0, ledgerTime, change)],
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
    .filter((line) => /^\| (credentials|operators|operatorLog|registry|permits|revocations|crls)\./.test(line));
  expect(written).toEqual(measured);
});
