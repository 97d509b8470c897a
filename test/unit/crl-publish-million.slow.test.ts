import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createFileCrlObjects } from '../../shared/adapters/files/crl-objects.ts';
import { createSoftwareBackend } from '../../shared/adapters/software/backend.ts';
import { openSqliteStore, type SqliteStore } from '../../shared/adapters/sqlite/store.ts';
import type { IssuingAuthority } from '../../shared/issuance/authority-directory.ts';
import { crlShardCapacity } from '../../shared/issuance/crl-shards.ts';
import { createCustodyGate } from '../../shared/issuance/custody-gate.ts';
import { type CrlObjects, crlKeyOf, publishCrls } from '../../shared/issuance/publish-crls.ts';
import type { CrlSource } from '../../shared/issuance/revocation-ports.ts';
import { parseCertificateList } from '../../shared/pki/certificate-list.ts';
import { type IssuanceWorld, openIssuanceWorld } from '../support/issuance-world.ts';

const revokedCount = 1_000_000;
const shards = revokedCount / crlShardCapacity;
const minuteMs = 60_000;

const folder = mkdtempSync(join(tmpdir(), 'sealwright-crl-million-'));
const path = join(folder, 'ledger.sqlite');
let world: IssuanceWorld;
let store: SqliteStore;

/** A million certificates of `workloads`, every one revoked, in their shards: the day after the worst. */
function seed(notAfter: number): void {
  const database = new DatabaseSync(path);
  database.exec(`PRAGMA synchronous = OFF; BEGIN;
    WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < ${revokedCount - 1})
    INSERT INTO issuances (issuance, request_id, ordinal, state, state_at, ca_id, generation, policy_version, crl_shard,
      serial, revoked_at, revocation_reason)
    SELECT i + 1, printf('r%08d', i), 1, 'revoked', 0, 'workloads', 1, 'p', i / ${crlShardCapacity},
      '41' || lower(hex(randomblob(15))), ${notAfter - 86_400_000}, 'keyCompromise' FROM n;
    INSERT INTO certificates (issuance, der, not_before, not_after)
    SELECT issuance, x'00', 0, ${notAfter} FROM issuances;
    INSERT INTO crl_slots (ca_id, generation, slot_next) VALUES ('workloads', 1, ${revokedCount});
    COMMIT;`);
  database.close();
}

beforeAll(async () => {
  world = await openIssuanceWorld();
  const open = () => openSqliteStore({ path, clock: () => world.now });
  open().close();
  seed(world.now + 30 * 86_400_000);
  store = open();
}, 600_000);
afterAll(async () => {
  store.close();
  await world.close();
  rmSync(folder, { recursive: true, force: true });
});

function backendOf({ backendRef: ref, caId, spkiSha256 }: IssuingAuthority) {
  const { signingAlgorithm } = world.hierarchy.authorities.find(({ id }) => id === caId)!;
  const authority = { caId, ref, spkiSha256, signingAlgorithm };
  const clock = () => world.now;
  const { signCrl } = createSoftwareBackend({ stage: 'dev', folder: world.folder, clock, authority });
  return { ...world.workloads, signCrl: signCrl! };
}

it('of a million revoked certificates a run costs what has changed, and no more (crl-publish-million)', {
  timeout: 900_000,
}, async () => {
  const files = createFileCrlObjects(join(folder, 'crls'));
  const counts = { objects: 0, lists: 0, bytesMax: 0 };
  const crlObjects: CrlObjects = {
    ...files,
    current(key) {
      counts.objects += 1;
      return files.current(key);
    },
    replace(key, bytes, expected) {
      counts.bytesMax = Math.max(counts.bytesMax, bytes.length);
      return files.replace(key, bytes, expected);
    },
  };
  const crlSource: CrlSource = {
    ...store.revocations,
    revokedOf(...where) {
      counts.lists += 1;
      return store.revocations.revokedOf(...where);
    },
  };
  const { authorities, hierarchy } = world;
  const clock = () => world.now;
  const custody = createCustodyGate(hierarchy, clock);
  async function run(what: string) {
    Object.assign(counts, { objects: 0, lists: 0 });
    const begun = performance.now();
    const ports = { hierarchy, authorities, crlSource, crlObjects, backendOf, custody, clock };
    const { failed, left, published } = await publishCrls(ports, () => undefined);
    const ms = Math.round(performance.now() - begun);
    console.log(`${what}: ${published} CRLs made, ${counts.objects} read, ${counts.lists} shards read, ${ms} ms`);
    expect([failed, left]).toEqual([0, 0]);
    world.now += minuteMs;
    return { published, ms, ...counts };
  }

  const first = await run('all of them');
  expect(first.published).toBe(shards);
  expect(first.bytesMax).toBeLessThanOrEqual(128 * 1024);
  const idle: { readonly ms: number; readonly objects: number; readonly lists: number }[] = [];
  for (let minute = 0; minute < 10; minute += 1) {
    const one = await run('a minute in which nothing changed');
    expect(one.published).toBe(0);
    idle.push(one);
  }
  expect(Math.max(...idle.flatMap(({ lists, objects }) => [lists, objects]))).toBeLessThanOrEqual(9);
  const middle = idle.map(({ ms }) => ms).toSorted((a, b) => a - b)[5]!;
  expect(middle).toBeLessThan(first.ms / 10);

  const database = new DatabaseSync(path);
  database.exec(
    'INSERT INTO crl_changes SELECT ca_id, generation, crl_shard, issuance FROM issuances WHERE issuance = 900001',
  );
  database.close();
  const changed = await run('a minute in which one shard changed');
  // It has all that are revoked already: it is read, and not made again.
  expect([changed.published, changed.lists]).toEqual([0, expect.any(Number)]);
  expect(changed.lists).toBeLessThanOrEqual(10);
  const crl = parseCertificateList((await files.read(crlKeyOf('workloads', 1, shards - 1)))!);
  expect(crl.entries).toHaveLength(crlShardCapacity);
});
