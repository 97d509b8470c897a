import { DatabaseSync } from 'node:sqlite';
import { describe, expect, it } from 'vitest';
import { createCertificateSearch, type RowOf } from '../../shared/adapters/sqlite/certificate-search.ts';
import { guarded } from '../../shared/adapters/sqlite/guarded.ts';
import { createIssuanceOf } from '../../shared/adapters/sqlite/late-lookups.ts';
import { parseIssuanceId } from '../../shared/issuance/ids.ts';
import { searchTexts } from '../../shared/issuance/search-certificates.ts';
import { disposable } from '../support/disposable.ts';
import { dayMs, guideTo, ledgerTime } from '../support/ledger-fixtures.ts';
import { listening, scansOf } from '../support/listening-database.ts';
import { openHarness } from '../support/sqlite-harness.ts';
import { searchSuite } from './search-suite.ts';

function rowIn(database: DatabaseSync): RowOf {
  const issuanceOf = createIssuanceOf(database);
  return (issuanceId) => {
    const id = parseIssuanceId(issuanceId);
    return id === undefined ? undefined : issuanceOf(id.requestId, id.ordinal);
  };
}

async function openSearch(lookedAt: number) {
  const h = await openHarness('file');
  const own = new DatabaseSync(h.path, { readOnly: true });
  return {
    ...h,
    search: guarded(createCertificateSearch(own, rowIn(own), lookedAt), h.indexed),
    async close() {
      own.close();
      await h.close();
    },
  };
}

searchSuite('SQLite', openSearch, { numRuns: 25, boundNothing: [] });

describe('what a search asks SQLite', () => {
  it('goes by an index for each filter: it scans no table and sorts nothing (search-plans)', async () => {
    await using h = disposable(await openHarness('file'));
    const { certificate, issuance } = await guideTo('issued', h, { certificate: { notAfter: ledgerTime + dayMs } });
    await guideTo('issued', h, { issuance: { caId: 'workloads', owner: 'plant-8' } });
    await h.indexed();
    const own = new DatabaseSync(h.path, { readOnly: true });
    const prepared: string[] = [];
    const search = createCertificateSearch(listening(own, prepared), rowIn(own));
    const values: Readonly<Record<string, string | number>> = {
      ...{
        issuer: 'devices',
        owner: 'plant-7',
        fleet: 'sensors',
        serial: certificate.serial,
        key: issuance.spkiSha256,
      },
      ...{ fingerprint: certificate.fingerprint, name: issuance.names[0]!, credential: issuance.credentialId },
      ...{ profile: 'device', notAfterBefore: ledgerTime + 2 * dayMs, notAfterAfter: ledgerTime },
    };
    const filters = [...search.findsBy.map((one) => [one]), ['owner', 'fleet'], ['issuer', 'serial'], [...searchTexts]];
    for (const names of filters) {
      const query = Object.fromEntries(names.map((name) => [name, values[name]!]));
      expect((await search.find(query, ledgerTime, undefined, 10)).found.length, names.join()).toBeGreaterThan(0);
    }
    // A rare issuer: of one certificate in twenty.
    for (let n = 0; n < 20; n++) await guideTo('issued', h);
    expect((await search.find({ issuer: 'workloads' }, ledgerTime, undefined, 10)).found).toHaveLength(1);
    expect(prepared.some((sql) => sql.includes('ORDER BY m.serial'))).toBe(true);
    for (const sql of new Set(prepared)) expect([sql, ...scansOf(own, sql)]).toEqual([sql]);
    own.close();
  });
});
