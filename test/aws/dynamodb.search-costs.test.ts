import { readFileSync, writeFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { dataModelPage } from '../../docs/data-model-page.ts';
import { createTable } from '../../shared/adapters/dynamodb/calls.ts';
import { createDynamoSearch } from '../../shared/adapters/dynamodb/certificate-search.ts';
import type { CertificateQuery } from '../../shared/issuance/search-certificates.ts';
import { disposable } from '../support/disposable.ts';
import { openDynamoHarness } from '../support/dynamodb-harness.ts';
import { meterCapacity } from '../support/dynamodb-middleware.ts';
import { testDynamoClient } from '../support/dynamodb-table.ts';
import { dayMs, guideTo, ledgerTime, moves, newCredential } from '../support/ledger-fixtures.ts';

const certificates = 120;

/** Requests and read units of each search, in the order of the page. */
async function measure(): Promise<readonly string[]> {
  await using h = disposable(await openDynamoHarness());
  const client = testDynamoClient();
  const take = meterCapacity(client);
  const credential = newCredential();
  await h.credentials.create(credential);
  const { id: credentialId, principal } = credential;
  const search = createDynamoSearch({
    table: createTable({ client, tableName: h.tableName }),
    caIds: async () => ['devices', 'workloads', 'edge'],
    credential: async () => credential,
  });
  const made = [];
  for (let n = 0; n < certificates; n++)
    made.push(
      await guideTo('issued', h, {
        issuance: { credentialId, principal },
        certificate: { notAfter: ledgerTime + (1 + (n % 90)) * dayMs },
      }),
    );
  const [{ certificate, issuance, issuanceId }] = made as [(typeof made)[number]];
  await h.ledger.advance([moves.revoke(issuanceId)]);
  const soon = { notAfterAfter: ledgerTime, notAfterBefore: ledgerTime + 2 * dayMs };
  const searches: readonly (readonly [string, CertificateQuery])[] = [
    ['fingerprint', { fingerprint: certificate.fingerprint }],
    ['key', { key: issuance.spkiSha256 }],
    ['name', { name: issuance.names[0]! }],
    ['issuer and serial', { issuer: 'devices', serial: certificate.serial }],
    ['serial, of three CAs', { serial: certificate.serial }],
    ['owner and fleet, a page of 100', { owner: 'plant-7', fleet: 'sensors' }],
    ['issuer, a page of 100', { issuer: 'devices' }],
    ['issuer and status revoked, 1 of 120', { issuer: 'devices', status: 'revoked' }],
    ['a window of notAfter, 2 of 120, of three CAs', soon],
  ];
  const rows: string[] = [];
  for (const [what, query] of searches) {
    take();
    const { found } = await search.find(query, ledgerTime, undefined, 100);
    const { readUnits, requests, tableWriteUnits, indexWriteUnits } = take();
    expect(tableWriteUnits + indexWriteUnits, what).toBe(0);
    rows.push(`| ${what} | ${found.length} | ${requests} | ${readUnits} |`);
  }
  client.destroy();
  return rows;
}

const heading = 'Of one call of the search';

/** The table is the last of the page. */
function writeSearchCosts(rows: readonly string[]): void {
  const [before = '', table = ''] = readFileSync(dataModelPage, 'utf8').split(heading);
  const kept = table.split('\n').filter((line) => !/^\| [a-z].*\d+ \|$/.test(line));
  writeFileSync(dataModelPage, `${before}${heading}${kept.join('\n').trimEnd()}\n${rows.join('\n')}\n`);
}

it('costs what the page of the data model says of a search (costs-measured)', async () => {
  const measured = await measure();
  if (process.env.SEALWRIGHT_WRITE_COSTS === '1') writeSearchCosts(measured);
  const [, table = ''] = readFileSync(dataModelPage, 'utf8').split(heading);
  const written = table
    .split('\n')
    .filter((line) => /^\| .* \|$/.test(line))
    .slice(1);
  // Which shards a certificate falls into, and so how many partitions are looked into, is its id's.
  const figures = (row: string) => row.split('|').slice(2, -1).map(Number);
  expect(written.map((row) => row.split('|')[1])).toEqual(measured.map((row) => row.split('|')[1]));
  for (const [index, row] of measured.entries())
    for (const [column, value] of figures(row).entries()) {
      const expected = figures(written[index]!)[column]!;
      expect(Math.abs(value - expected), `measured: ${row}`).toBeLessThanOrEqual(Math.max(3, expected * 0.15));
    }
}, 120_000);
