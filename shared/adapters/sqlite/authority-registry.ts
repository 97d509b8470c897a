import type { DatabaseSync } from 'node:sqlite';
import type { InstalledAuthority } from '../../issuance/issuance-record.ts';
import type { AuthorityRegistry } from '../../issuance/ports.ts';
import { invariant } from '../ledger/ledger-fault.ts';
import type { CommitQueue } from './commit-queue.ts';

/** A row of the registry. */
export function authorityOf(row: Readonly<Record<string, unknown>>): InstalledAuthority {
  return {
    caId: row.ca_id as string,
    generation: row.generation as number,
    tier: row.tier as InstalledAuthority['tier'],
    ...(row.parent === null ? {} : { parent: row.parent as string }),
    backend: row.backend as InstalledAuthority['backend'],
    backendRef: row.backend_ref as string,
    certificateDer: row.certificate as Uint8Array,
    chain: (JSON.parse(row.chain as string) as string[]).map((der) => new Uint8Array(Buffer.from(der, 'base64'))),
    spkiSha256: row.spki_sha256 as string,
    notBefore: row.not_before as number,
    notAfter: row.not_after as number,
    installedAt: row.installed_at as number,
  };
}

/** Listed by CA, then generation. */
export function createAuthorityRegistry(database: DatabaseSync, commits: CommitQueue): AuthorityRegistry {
  const all = database.prepare('SELECT * FROM authorities ORDER BY ca_id, generation');
  const certificateOf = database.prepare('SELECT certificate FROM authorities WHERE ca_id = ? AND generation = ?');
  const add =
    database.prepare(`INSERT INTO authorities (ca_id, generation, tier, parent, backend, backend_ref, certificate, chain,
    spki_sha256, not_before, not_after, installed_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`);
  const freeze =
    database.prepare(`INSERT INTO authority_controls (ca_id, frozen, changed_at, changed_by) VALUES (?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET frozen = excluded.frozen, changed_at = excluded.changed_at, changed_by = excluded.changed_by`);
  const fenceOf = database.prepare('SELECT frozen, changed_at, changed_by FROM authority_controls WHERE ca_id = ?');

  function install(a: InstalledAuthority): void {
    const installed = certificateOf.get(a.caId, a.generation);
    if (installed !== undefined) {
      const same = Buffer.compare(installed.certificate as Uint8Array, a.certificateDer) === 0;
      invariant(
        same,
        'authority-differs',
        `${a.caId} generation ${a.generation} is installed with another certificate`,
      );
      return;
    }
    add.run(
      a.caId,
      a.generation,
      a.tier,
      a.parent ?? null,
      a.backend,
      a.backendRef,
      a.certificateDer,
      JSON.stringify(a.chain.map((der) => Buffer.from(der).toString('base64'))),
      a.spkiSha256,
      a.notBefore,
      a.notAfter,
      a.installedAt,
    );
  }

  return {
    list: async () => all.all().map(authorityOf),
    install: (authority) => commits.submit(() => install(authority)),
    setFrozen: (caId, frozen, at, by) =>
      commits.submit(() => {
        freeze.run(caId, Number(frozen), at, by);
      }),
    isFrozen: async (caId) => fenceOf.get(caId)?.frozen === 1,
    async fenceOf(caId) {
      const row = fenceOf.get(caId);
      if (row === undefined) return undefined;
      return { frozen: row.frozen === 1, at: row.changed_at as number, by: row.changed_by as string };
    },
  };
}
