import { afterAll, describe, expect, it } from 'vitest';
import { createTable } from '../../shared/adapters/dynamodb/calls.ts';
import { createDynamoSearch } from '../../shared/adapters/dynamodb/certificate-search.ts';
import type { CertificateQuery } from '../../shared/issuance/search-certificates.ts';
import { searchSuite } from '../contract/search-suite.ts';
import { disposable } from '../support/disposable.ts';
import { openDynamoHarness } from '../support/dynamodb-harness.ts';
import { type CommandCount, countCommands } from '../support/dynamodb-middleware.ts';
import { testDynamoClient } from '../support/dynamodb-table.ts';
import { dayMs, guideTo, ledgerTime } from '../support/ledger-fixtures.ts';

const counts: CommandCount[] = [];

async function openSearch(lookedAtMax?: number) {
  const h = await openDynamoHarness();
  const client = testDynamoClient();
  const count = countCommands(client);
  counts.push(count);
  const search = createDynamoSearch({
    table: createTable({ client, tableName: h.tableName }),
    caIds: async () => ['workloads', 'devices', 'edge'],
    credential: (id) => h.credentials.get(id),
    ...(lookedAtMax === undefined ? {} : { lookedAtMax }),
  });
  return {
    ...h,
    search,
    /** Requests since it was last asked. */
    requests() {
      const sum = [...count.commands.values()].reduce((total, n) => total + n, 0);
      count.commands.clear();
      return sum;
    },
    async close() {
      client.destroy();
      await h.close();
    },
  };
}

searchSuite('DynamoDB', openSearch, { numRuns: 5, boundNothing: ['fleet'] });

describe('what a search sends to DynamoDB', () => {
  it('is a bounded number of requests a call, whatever the filters (search-requests)', async () => {
    await using h = disposable(await openSearch());
    for (let n = 0; n < 20; n++) await guideTo('issued', h, { certificate: { notAfter: ledgerTime + n * dayMs } });
    const { issuance, certificate } = await guideTo('issued', h);
    const most: readonly (readonly [CertificateQuery, number])[] = [
      [{ fingerprint: certificate.fingerprint }, 2],
      [{ key: issuance.spkiSha256 }, 2],
      [{ name: issuance.names[0]! }, 5],
      [{ issuer: 'devices', serial: certificate.serial }, 2],
      [{ serial: certificate.serial }, 2],
      [{ owner: 'plant-7' }, 16],
      [{ owner: 'plant-7', fleet: 'sensors' }, 16],
      [{ issuer: 'devices' }, 32],
      [{ issuer: 'devices', notAfterAfter: ledgerTime + 400 * dayMs }, 16],
      [{ notAfterAfter: ledgerTime + 400 * dayMs }, 48],
      [{ notAfterAfter: ledgerTime + 2, notAfterBefore: ledgerTime + 1 }, 0],
    ];
    for (const [query, requests] of most) {
      h.requests();
      await h.search.find(query, ledgerTime, undefined, 100);
      expect(h.requests(), JSON.stringify(query)).toBeLessThanOrEqual(requests);
    }
  }, 60_000);

  it('is no Scan, and asks for one partition with every Query (no-scan)', () => {
    const names = new Set(counts.flatMap(({ commands }) => [...commands.keys()]));
    expect([...names].filter((name) => !/^(Query|GetItem|BatchGetItem)Command$/.test(name))).toEqual([]);
    const queries = counts.flatMap((count) => count.queries);
    expect(queries.length).toBeGreaterThan(500);
    expect(queries.filter(({ isBounded, limit }) => !isBounded || limit === undefined)).toEqual([]);
  });

  afterAll(() => counts.splice(0));
});
