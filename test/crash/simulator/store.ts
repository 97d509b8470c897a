/**
 * The SQLite store of the product in memory, put together as `openSqliteStore` does it, over a database that the simulator
 * can look into, and empty between two schedules without opening another.
 */
import type { DatabaseSync } from 'node:sqlite';
import { createAuditStore } from '../../../shared/adapters/sqlite/audit-store.ts';
import { createAuthorityRegistry } from '../../../shared/adapters/sqlite/authority-registry.ts';
import { createCommitQueue } from '../../../shared/adapters/sqlite/commit-queue.ts';
import { createCounters } from '../../../shared/adapters/sqlite/counters.ts';
import { createCredentialCounts } from '../../../shared/adapters/sqlite/credential-counts.ts';
import { createCredentialStore } from '../../../shared/adapters/sqlite/credential-store.ts';
import { openDatabase } from '../../../shared/adapters/sqlite/database.ts';
import { createDrafts } from '../../../shared/adapters/sqlite/drafts.ts';
import { withFreshMessages } from '../../../shared/adapters/sqlite/fresh-messages.ts';
import { guarded } from '../../../shared/adapters/sqlite/guarded.ts';
import { createLateIndexes } from '../../../shared/adapters/sqlite/late-indexes.ts';
import { createLedger } from '../../../shared/adapters/sqlite/ledger.ts';
import { createPace } from '../../../shared/adapters/sqlite/pace.ts';
import { createPermitStore } from '../../../shared/adapters/sqlite/permit-store.ts';
import { createQueues, type SqliteQueue } from '../../../shared/adapters/sqlite/queue.ts';
import { createMessageTable } from '../../../shared/adapters/sqlite/queue-store.ts';
import { createRecordMemory } from '../../../shared/adapters/sqlite/record-memory.ts';
import { gatheredTogether } from '../../../shared/adapters/sqlite/transaction.ts';
import { receiveCountMax } from '../../../shared/adapters/stack/stack.ts';
import type { PermitStore } from '../../../shared/issuance/permits.ts';
import type {
  AuditStore,
  AuthorityRegistry,
  Clock,
  CredentialStore,
  IssuanceLedger,
} from '../../../shared/issuance/ports.ts';
import type { EpochMs } from '../../../shared/pki/epoch.ts';

export interface SimulatedStore {
  readonly database: DatabaseSync;
  readonly ledger: IssuanceLedger;
  readonly credentials: CredentialStore;
  readonly registry: AuthorityRegistry;
  readonly audits: AuditStore;
  readonly permits: PermitStore;
  queue(name: string): SqliteQueue;
  /** Looks past the ports, at no time and without faults. */
  readonly look: Look;
  /** As a start after a kill finds it: what the late indexes lack is read from the tables, and put in. */
  restart(): void;
  /** Forgets everything but the installed CAs. */
  wipe(): void;
}

export interface Look {
  readonly pending: () => 'none' | 'orphans' | 'some';
  /** Issuances without an end. */
  readonly unfinished: () => readonly string[];
  /** Those of them that wait on an ACM PCA intent of before then. */
  readonly intendedBefore: (at: EpochMs) => readonly string[];
  /** Messages on all queues that have a reader. */
  readonly queued: () => number;
  /** Bodies on a queue, hidden or not. */
  readonly bodies: (queue: string) => readonly string[];
  /** When the next message of a queue is or was visible; undefined when there is none. */
  readonly visibleNext: (queue: string) => number | undefined;
  /** What the history says of every intent, oldest first. */
  readonly intents: () => readonly Readonly<Record<string, unknown>>[];
}

const kept: ReadonlySet<string> = new Set(['authorities', 'queues']);

export function openSimulatedStore(clock: Clock): SimulatedStore {
  const database = openDatabase({ path: ':memory:', walPagesMax: 2_000, integrityCheckBytesMax: 0 });
  // What keeps the history from being deleted would keep one schedule's from making room for the next one's.
  database.exec('DROP TRIGGER history_is_not_deleted; DROP TRIGGER operator_log_is_not_deleted');
  const counters = createCounters(database);
  const messages = withFreshMessages(createMessageTable(database));
  const late = createLateIndexes(database);
  const drafts = createDrafts(database, createRecordMemory(), late);
  const credentialCounts = createCredentialCounts(database);
  const pace = createPace();
  const commits = createCommitQueue({
    database,
    flushOperationsMax: 1_000,
    queuedOperationsMax: 20_000,
    gathered: gatheredTogether([drafts, late, credentialCounts, counters, messages]),
    pace,
  });
  const queues = createQueues({
    store: messages,
    commits,
    clock,
    waitersMax: 100,
    early: false,
    pace,
  });
  const tables = database
    .prepare("SELECT name FROM sqlite_schema WHERE type = 'table'")
    .all()
    .map(({ name }) => name as string)
    .filter((name) => !kept.has(name));
  const wipes = [
    ...tables.map((table) => database.prepare(`DELETE FROM ${table}`)),
    database.prepare('UPDATE queues SET message_next = 1'),
  ];
  const begin = database.prepare('BEGIN');
  const commit = database.prepare('COMMIT');
  return {
    database,
    ledger: guarded(
      createLedger({
        database,
        commits,
        counters,
        credentialCounts,
        drafts,
        early: false,
        late,
        onSettled: () => undefined,
      }),
    ),
    credentials: guarded(createCredentialStore(database, commits, credentialCounts)),
    registry: guarded(createAuthorityRegistry(database, commits)),
    audits: guarded(createAuditStore(database, commits)),
    permits: guarded(createPermitStore(database, commits)),
    queue: (name) => queues.queue(name, { receiveCountMax, deadLetterQueue: `${name}-dead` }),
    look: createLook(database),
    restart() {
      begin.run();
      drafts.write();
      late.lost();
      drafts.complete();
      commit.run();
    },
    wipe() {
      begin.run();
      for (const statement of wipes) statement.run();
      drafts.lost();
      late.lost();
      commit.run();
    },
  };
}

function createLook(database: DatabaseSync): Look {
  const states = database.prepare(`SELECT DISTINCT state FROM issuances
    WHERE state IN ('received', 'approved', 'intended', 'submitted', 'orphan-suspected')`);
  const unfinished = database.prepare(`SELECT request_id || '.' || ordinal AS id FROM issuances
    WHERE state IN ('received', 'approved', 'intended', 'submitted')`);
  const intendedBefore = database.prepare(`SELECT i.request_id || '.' || i.ordinal AS id
    FROM issuances i JOIN intents n ON n.issuance = i.issuance
    WHERE i.state = 'intended' AND i.ca_id = 'devices' AND json_extract(n.document, '$.at') < ?`);
  const ofQueue = 'FROM messages m JOIN queues q ON q.queue = m.queue WHERE q.name';
  const queued = database.prepare(`SELECT count(*) AS n ${ofQueue} NOT LIKE '%-dead'`);
  const bodies = database.prepare(`SELECT body ${ofQueue} = ? ORDER BY m.message`);
  const next = database.prepare(`SELECT min(visible_at) AS at ${ofQueue} = ?`);
  const intents = database.prepare("SELECT detail FROM history WHERE to_state = 'intended' ORDER BY change");
  return {
    pending() {
      const found = states.all();
      if (found.length === 0) return 'none';
      return found.length === 1 && found[0]!.state === 'orphan-suspected' ? 'orphans' : 'some';
    },
    unfinished: () => unfinished.all().map(({ id }) => id as string),
    intendedBefore: (at) => intendedBefore.all(at).map(({ id }) => id as string),
    queued: () => queued.get()!.n as number,
    bodies: (queue) => [...new Set(bodies.all(queue).map(({ body }) => body as string))],
    visibleNext: (queue) => (next.get(queue)?.at as number | null) ?? undefined,
    intents: () =>
      intents
        .all()
        .map(({ detail }) => (JSON.parse(detail as string) as { readonly intent: Record<string, unknown> }).intent),
  };
}
