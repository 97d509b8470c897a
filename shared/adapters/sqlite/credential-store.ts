import type { DatabaseSync } from 'node:sqlite';
import type { EnrolmentScope } from '../../hierarchy/policy.ts';
import type { EnrolmentCredential, Operator, OperatorRole } from '../../issuance/issuance-record.ts';
import type { CredentialStore, OperatorLog, OperatorLogEntry, OperatorStore } from '../../issuance/ports.ts';
import { invariant } from '../ledger/ledger-fault.ts';
import type { CommitQueue } from './commit-queue.ts';
import type { CredentialCounts } from './credential-counts.ts';

const listCountMax = 10_000;

type Row = Readonly<Record<string, unknown>>;

function credentialOf(row: Row): EnrolmentCredential {
  return {
    id: row.id as string,
    principal: row.principal as string,
    owner: row.owner as string,
    fleet: row.fleet as string,
    profiles: JSON.parse(row.profiles as string) as string[],
    names: JSON.parse(row.names as string) as EnrolmentScope['names'],
    countMax: row.count_max as number,
    used: row.used as number,
    createdAt: row.created_at as number,
    expiresAt: row.expires_at as number,
    ...(row.revoked_at === null ? {} : { revokedAt: row.revoked_at as number }),
    sha256: row.sha256 as string,
  };
}

/** Credentials that are remembered by their digest: those of a fleet that enrols. */
const rememberedMax = 1_024;

/**
 * Listed in the order of their ids. An id or a digest that exists already throws `already-exists`. What `findBySha256` has read
 * is in `remembered` until a credential changes or a transaction is lost, with `used` as it was read: whoever counts does so
 * where it is written.
 */
export function createCredentialStore(
  database: DatabaseSync,
  commits: CommitQueue,
  counts: CredentialCounts,
  remembered: Map<string, EnrolmentCredential> = new Map(),
): CredentialStore {
  const add = database.prepare(`INSERT INTO credentials (id, principal, owner, fleet, profiles, names, count_max, used,
    created_at, expires_at, revoked_at, sha256) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`);
  const byId = database.prepare('SELECT * FROM credentials WHERE id = ?');
  const bySha256 = database.prepare('SELECT * FROM credentials WHERE sha256 = ?');
  const page = database.prepare('SELECT * FROM credentials WHERE id > ? ORDER BY id LIMIT ?');
  const revoke = database.prepare('UPDATE credentials SET revoked_at = coalesce(revoked_at, ?) WHERE id = ?');
  /** Before `used` is told, and before what it is held against changes. */
  const counted = async () => {
    if (counts.has()) await commits.apply(counts.write, { plain: true });
  };
  const found = (row: Row | undefined) => (row === undefined ? undefined : credentialOf(row));

  return {
    create: (c) =>
      commits.submit(() => {
        remembered.clear();
        const { changes } = add.run(
          c.id,
          c.principal,
          c.owner,
          c.fleet,
          JSON.stringify(c.profiles),
          JSON.stringify(c.names),
          c.countMax,
          c.used,
          c.createdAt,
          c.expiresAt,
          c.revokedAt ?? null,
          c.sha256,
        );
        invariant(changes === 1, 'already-exists', `the credential ${c.id}, or its digest, exists already`);
      }),
    async get(id) {
      await counted();
      return found(byId.get(id));
    },
    async findBySha256(sha256) {
      const known = remembered.get(sha256);
      if (known !== undefined) return known;
      const read = found(bySha256.get(sha256));
      if (read === undefined) return undefined;
      if (remembered.size >= rememberedMax) remembered.delete(remembered.keys().next().value!);
      remembered.set(sha256, read);
      return read;
    },
    async list(countMax, after = '') {
      invariant(countMax >= 1 && countMax <= listCountMax, 'out-of-bounds', `countMax ${countMax}`);
      await counted();
      return page.all(after, countMax).map(credentialOf);
    },
    revoke: (id, at) =>
      commits.submit(() => {
        remembered.clear();
        counts.write();
        return revoke.run(at, id).changes === 1;
      }),
  };
}

function operatorOf(row: Row): Operator {
  return {
    id: row.id as string,
    name: row.name as string,
    roles: JSON.parse(row.roles as string) as OperatorRole[],
    createdAt: row.created_at as number,
    ...(row.expires_at === null ? {} : { expiresAt: row.expires_at as number }),
    ...(row.revoked_at === null ? {} : { revokedAt: row.revoked_at as number }),
    sha256: row.sha256 as string,
  };
}

export function createOperatorStore(database: DatabaseSync, commits: CommitQueue): OperatorStore {
  const add = database.prepare(`INSERT INTO operators (id, name, roles, created_at, expires_at, revoked_at, sha256)
    VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`);
  const bySha256 = database.prepare('SELECT * FROM operators WHERE sha256 = ?');
  return {
    create: (o) =>
      commits.submit(() => {
        const roles = JSON.stringify(o.roles);
        const { changes } = add.run(
          o.id,
          o.name,
          roles,
          o.createdAt,
          o.expiresAt ?? null,
          o.revokedAt ?? null,
          o.sha256,
        );
        invariant(changes === 1, 'already-exists', `the operator ${o.id}, or its digest, exists already`);
      }),
    async findBySha256(sha256) {
      const row = bySha256.get(sha256);
      return row === undefined ? undefined : operatorOf(row);
    },
  };
}

/** Listed newest first. */
export function createOperatorLog(database: DatabaseSync, commits: CommitQueue): OperatorLog {
  const add = database.prepare(
    'INSERT INTO operator_log (at, operator_id, action, subject, outcome) VALUES (?, ?, ?, ?, ?)',
  );
  const newest = database.prepare(`SELECT at, operator_id AS operatorId, action, subject, outcome FROM operator_log
    ORDER BY entry DESC LIMIT ?`);
  return {
    append: (entry) =>
      commits.submit(() => {
        add.run(entry.at, entry.operatorId, entry.action, entry.subject, entry.outcome);
      }),
    async list(countMax) {
      invariant(countMax >= 1 && countMax <= listCountMax, 'out-of-bounds', `countMax ${countMax}`);
      return newest.all(countMax).map((row) => ({ ...row }) as unknown as OperatorLogEntry);
    },
  };
}
