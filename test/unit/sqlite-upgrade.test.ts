import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, describe, expect, it } from 'vitest';
import { migrations } from '../../shared/adapters/sqlite/schema.ts';
import { openSqliteStore, type SqliteStore } from '../../shared/adapters/sqlite/store.ts';
import { recount } from '../../shared/issuance/recount.ts';
import { type CertificateQuery, searchCertificates } from '../../shared/issuance/search-certificates.ts';
import { dayMs, ledgerTime } from '../support/ledger-fixtures.ts';
import {
  inFlight,
  keyOfNobody,
  makeOlderLedger,
  type OlderCertificate,
  olderCertificate,
  renewedOf,
  versionWithoutCounts,
} from '../support/older-ledger.ts';

const rows = 2_400;
const at = ledgerTime + 10 * dayMs;
const folder = mkdtempSync(join(tmpdir(), 'sealwright-upgrade-'));
const all = Array.from({ length: rows }, (_, n) => olderCertificate(n + 1));
const versions = Array.from({ length: migrations.length - versionWithoutCounts }, (_, n) => versionWithoutCounts + n);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function everyId({ search }: SqliteStore, query: CertificateQuery): Promise<readonly string[]> {
  const found: string[] = [];
  let cursor: string | undefined;
  do {
    const page = await searchCertificates({ search, clock: () => at }, query, 100, cursor);
    found.push(...page.found.map(({ issuanceId }) => issuanceId));
    cursor = page.nextCursor;
  } while (cursor !== undefined);
  return found.toSorted();
}

const one = all[99]!;
const searches: readonly (readonly [CertificateQuery, (certificate: OlderCertificate) => boolean])[] = [
  [{ owner: 'plant-3' }, ({ owner }) => owner === 'plant-3'],
  [{ fleet: 'fleet-2', status: 'revoked' }, ({ fleet, isRevoked }) => fleet === 'fleet-2' && isRevoked],
  [{ owner: 'plant-1', fleet: 'fleet-4' }, ({ owner, fleet }) => owner === 'plant-1' && fleet === 'fleet-4'],
  [{ credential: one.credential }, ({ credential }) => credential === one.credential],
  [{ issuer: 'workloads' }, ({ caId }) => caId === 'workloads'],
  [{ serial: one.serial }, ({ n }) => n === one.n],
  [{ fingerprint: one.fingerprint }, ({ n }) => n === one.n],
  [{ key: one.key }, ({ key }) => key === one.key],
  [{ name: one.name }, ({ name }) => name === one.name],
  [{ notAfterBefore: at, profile: 'service' }, ({ notAfter, profile }) => notAfter < at && profile === 'service'],
];

describe('a ledger of an earlier program', () => {
  it.each(versions)('of schema version %i opens, and answers as it did (upgrade)', async (version) => {
    const path = join(folder, `version-${version}.sqlite`);
    makeOlderLedger(path, version, rows);
    // Once to migrate it, and once as it is then.
    for (const _ of [1, 2]) {
      const store = openSqliteStore({ path, clock: () => at });
      try {
        for (const [query, isFound] of searches)
          expect(await everyId(store, query), JSON.stringify(query)).toEqual(
            all
              .filter(isFound)
              .map(({ issuanceId }) => issuanceId)
              .toSorted(),
          );
        const record = await store.ledger.get(one.issuanceId);
        expect(record).toMatchObject({
          serial: one.serial,
          owner: one.owner,
          state: 'revoked',
          notAfter: one.notAfter,
        });
        expect((await store.search.history(one.issuanceId)).map(({ to }) => to)).toEqual(['received', 'issued']);
        const first = all.find(({ name }) => name === one.name)!;
        const { owner, key: spkiSha256, n } = first;
        expect(await store.ledger.holders([one.name, 'dns:none.example'], one.key)).toEqual({
          names: [{ name: one.name, owner, spkiSha256, heldAt: ledgerTime - n }],
          keyOwner: owner,
          keyCompromised: false,
        });
        const reader = new DatabaseSync(path, { readOnly: true });
        const renewal = olderCertificate(renewedOf);
        const found = reader.prepare('SELECT held_at FROM issuances_by_name WHERE name = ? AND issuance = ?');
        expect(found.get(renewal.name, inFlight)).toEqual({ held_at: null });
        reader.close();
        expect(await store.ledger.holders([], keyOfNobody)).toMatchObject({ keyCompromised: true });
        const { issued, revoked } = await store.inventory.sums('devices', 'total', '', at);
        const ofDevices = all.filter(({ caId }) => caId === 'devices');
        expect([issued, revoked]).toEqual([ofDevices.length, ofDevices.filter(({ isRevoked }) => isRevoked).length]);
        const random = (n: number) => crypto.getRandomValues(new Uint8Array(n));
        const counted = await recount({ source: store.inventory, random, pause: async () => undefined });
        expect(counted).toMatchObject({ equal: true, certificates: rows });
      } finally {
        store.close();
      }
    }
  });
});
