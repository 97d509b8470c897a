import type { InventoryReads, InventoryUpkeep, RecountSource } from '../../issuance/inventory-ports.ts';
import type { EnrolmentCredential } from '../../issuance/issuance-record.ts';
import type { PermitStore } from '../../issuance/permits.ts';
import type {
  AuditStore,
  AuthorityRegistry,
  Clock,
  CredentialStore,
  DeadLetterStore,
  IssuanceLedger,
  IssuanceWatch,
  OperatorLog,
  OperatorStore,
} from '../../issuance/ports.ts';
import type { CrlSource, RevocationStore } from '../../issuance/revocation-ports.ts';
import type { CertificateSearch } from '../../issuance/search-certificates.ts';
import { createAuditStore } from './audit-store.ts';
import { createAuthorityRegistry } from './authority-registry.ts';
import { openCertificateSearch } from './certificate-search.ts';
import { type CommitStats, createCommitQueue } from './commit-queue.ts';
import { createCounters } from './counters.ts';
import { createCredentialCounts } from './credential-counts.ts';
import { createCredentialStore, createOperatorLog, createOperatorStore } from './credential-store.ts';
import { openDatabase, walBytes } from './database.ts';
import { createDrafts } from './drafts.ts';
import { withFreshMessages } from './fresh-messages.ts';
import { guarded } from './guarded.ts';
import { createInventoryReads } from './inventory-reads.ts';
import { createInventoryUpkeep } from './inventory-upkeep.ts';
import { createLateIndexes } from './late-indexes.ts';
import { createLedger } from './ledger.ts';
import { openLogSync } from './log-sync.ts';
import { createPace, type Pace } from './pace.ts';
import { createPermitStore } from './permit-store.ts';
import { createQueues, type QueueOptions, type SqliteQueue } from './queue.ts';
import { createMessageTable } from './queue-store.ts';
import { createRecordMemory } from './record-memory.ts';
import { createRecountSource } from './recount-view.ts';
import { createRevocations } from './revocations.ts';
import { goesByLateIndex } from './search-lanes.ts';
import { lockState } from './state-lock.ts';
import { gatheredTogether, nothingGathered } from './transaction.ts';
import { createWatch } from './watch.ts';

export interface SqliteStoreOptions {
  /** The database file, in a folder that exists; or `:memory:`. */
  readonly path: string;
  readonly clock: Clock;
  /** Writes in one transaction at most. */
  readonly flushOperationsMax?: number;
  /** Writes that may wait; beyond, `ledger-overloaded`. */
  readonly queuedOperationsMax?: number;
  /** Held answers and, apart from them, long polls that may wait at once. */
  readonly waitersMax?: number;
  readonly walPagesMax?: number;
  readonly pageCountMax?: number;
  readonly integrityCheckBytesMax?: number;
  /**
   * Ledger and queues answer what only the next stage in this process goes on with before it is durable: a request received,
   * a decision, what a backend answered, messages. What leaves the process waits: `durable`. False: every answer is durable.
   */
  readonly early?: boolean;
  readonly pace?: Pace;
}

export interface SqliteStoreStats extends CommitStats {
  readonly walBytes: number;
}

/** Ledger, queues, credentials and registry of one embedded stack, in one file with one writer. */
export interface SqliteStore {
  readonly ledger: IssuanceLedger;
  readonly watch: IssuanceWatch;
  readonly credentials: CredentialStore;
  readonly operators: OperatorStore;
  readonly operatorLog: OperatorLog;
  readonly authorities: AuthorityRegistry;
  readonly audits: AuditStore;
  readonly revocations: RevocationStore & CrlSource;
  readonly search: CertificateSearch;
  readonly permits: PermitStore;
  readonly inventory: InventoryReads & InventoryUpkeep & RecountSource;
  /** The queue of this name, made when it is new. Its redrive policy is what the first caller that gives one says. */
  queue(name: string, options?: QueueOptions): SqliteQueue;
  /** Those of every queue. */
  readonly deadLetters: DeadLetterStore;
  /** Resolves when everything that was answered so far is durable. */
  durable(): Promise<void>;
  /** And is found by every index: for whoever searches the file by a connection of their own. */
  indexed(): Promise<void>;
  stats(): SqliteStoreStats;
  /** Commits what waits, ends every wait, and lets the next process have the state. Twice is no error. */
  close(): void;
}

/**
 * Opens the state at `path`. Throws `StorageError`: `state-in-use`, `state-newer`, `state-foreign`, `state-corrupt`,
 * `storage-full`, `storage-failed`.
 */
export function openSqliteStore(options: SqliteStoreOptions): SqliteStore {
  const { path, clock, early = false, pace = createPace(), waitersMax = 10_000 } = options;
  const inMemory = path === ':memory:';
  const lock = inMemory ? undefined : lockState(path);
  try {
    const database = openDatabase({
      path,
      synchronous: inMemory ? 'FULL' : 'NORMAL',
      walPagesMax: options.walPagesMax ?? 4_000,
      integrityCheckBytesMax: options.integrityCheckBytesMax ?? 8 * 1024 * 1024,
      ...(options.pageCountMax === undefined ? {} : { pageCountMax: options.pageCountMax }),
    });
    const sync = inMemory ? undefined : openLogSync(path);
    const counters = createCounters(database);
    const messages = withFreshMessages(createMessageTable(database));
    const late = createLateIndexes(database);
    const drafts = createDrafts(database, createRecordMemory(), late);
    const credentialCounts = createCredentialCounts(database);
    const credentials = new Map<string, EnrolmentCredential>();
    const lost = () => credentials.clear();
    const commits = createCommitQueue({
      database,
      flushOperationsMax: options.flushOperationsMax ?? 1_000,
      queuedOperationsMax: options.queuedOperationsMax ?? 20_000,
      gathered: gatheredTogether([drafts, late, credentialCounts, counters, messages, { ...nothingGathered, lost }]),
      pace,
      ...(sync === undefined ? {} : { sync }),
    });
    const indexed = async () => {
      await drafts.completed(commits);
      await commits.durable();
    };
    const watch = createWatch(waitersMax);
    const search = openCertificateSearch(database, path, (issuanceId) => drafts.find(issuanceId)?.issuance);
    const find: CertificateSearch['find'] = async (query, ...more) => {
      if (goesByLateIndex(query)) await drafts.completed(commits);
      return search.find(query, ...more);
    };
    const queues = createQueues({ store: messages, commits, clock, waitersMax, early, pace });
    let closed = false;
    return {
      ledger: guarded(
        createLedger({ database, commits, counters, credentialCounts, drafts, early, late, onSettled: watch.settled }),
      ),
      watch: { untilSettled: watch.untilSettled },
      credentials: guarded(createCredentialStore(database, commits, credentialCounts, credentials)),
      operators: guarded(createOperatorStore(database, commits)),
      operatorLog: guarded(createOperatorLog(database, commits)),
      authorities: guarded(createAuthorityRegistry(database, commits)),
      audits: guarded(createAuditStore(database, commits), commits.durable),
      revocations: guarded(createRevocations(database, commits, drafts, late), commits.durable),
      // What its own connection sees is committed, and maybe not synced yet.
      search: guarded({ ...search, find }, commits.durable),
      permits: guarded(createPermitStore(database, commits)),
      inventory: guarded(
        {
          ...createInventoryReads(database),
          ...createInventoryUpkeep(database, commits),
          ...createRecountSource(database, path),
        },
        commits.durable,
      ),
      queue: queues.queue,
      deadLetters: queues.deadLetters,
      durable: commits.durable,
      indexed,
      stats: () => ({ ...commits.stats(), walBytes: inMemory ? 0 : walBytes(path) }),
      close() {
        if (closed) return;
        closed = true;
        // What it takes to fill the late indexes is spared the next start; without it they are filled then.
        commits.submit(drafts.complete, { plain: true }).catch(() => undefined);
        commits.close();
        sync?.close();
        queues.close();
        watch.close();
        search.close();
        database.close();
        lock?.release();
      },
    };
  } catch (error) {
    lock?.release();
    throw error;
  }
}
