import type { DatabaseSync } from 'node:sqlite';
import { issuanceIdOf, parseIssuanceId, requestIdOfIssuance } from '../../issuance/ids.ts';
import type { IssuanceRecord, NewIssuance } from '../../issuance/issuance-record.ts';
import { type IssuanceState, isPending } from '../../issuance/issuance-state.ts';
import type { IssuanceLedger, NameHold, ReceiveOutcome, StaleIssuance } from '../../issuance/ports.ts';
import type { PreparedIssuance } from '../../lints/prepared-issuance.ts';
import { redeem } from '../../lints/prepared-issuance.ts';
import { invariant } from '../ledger/ledger-fault.ts';
import { checkTransitions, issuanceIdOfTransition, transitionsCountMax } from '../ledger/transition-checks.ts';
import type { CommitQueue } from './commit-queue.ts';
import type { Counters } from './counters.ts';
import type { CredentialCounts } from './credential-counts.ts';
import type { Drafts } from './drafts.ts';
import type { LateIndexes } from './late-indexes.ts';
import { createMoves } from './moves.ts';
import { createSerialReads } from './serial-reads.ts';

/** Issuances one call may ask for, and rows one may be answered. */
const readCountMax = 10_000;
/** Names of one certificate at most (`shared/interface`: 100), with room for a caller's own bound. */
const namesCountMax = 1_000;

export interface LedgerParts {
  readonly database: DatabaseSync;
  readonly commits: CommitQueue;
  readonly counters: Counters;
  readonly credentialCounts: CredentialCounts;
  readonly drafts: Drafts;
  readonly late: LateIndexes;
  /** See `SqliteStoreOptions`. */
  readonly early: boolean;
  /** Called after the commit that settles an issuance. */
  readonly onSettled: (issuanceId: string) => void;
}

/** The ledger on SQLite. Writes go through the commit queue; what is read of an issuance is answered when it is durable. */
export function createLedger(parts: LedgerParts): IssuanceLedger {
  const { database, commits, counters, drafts } = parts;
  const touched = createTouched(commits);
  return {
    receive: createReceive(parts, touched),
    advance: createAdvance(parts, touched),
    ...createReads(parts, touched),
    ...createSerialReads(database, () => writeDrafts(commits, drafts)),
    ...createHolds(parts),
    noteAttempts: createNoteAttempts(parts, touched),
    async counters(caId) {
      await commits.durable();
      return counters.read(caId);
    },
    leaseCrlSlots: createLeaseCrlSlots(database, commits),
  };
}

/** Before anything of them is looked for in the tables. */
async function writeDrafts(commits: CommitQueue, drafts: Drafts): Promise<void> {
  if (drafts.has()) await commits.apply(() => drafts.write(), { plain: true });
}

/** The requests whose issuances were written by transactions that are not durable yet. */
interface Touched {
  add(requestId: string): void;
  has(requestId: string): boolean;
}

function createTouched(commits: CommitQueue): Touched {
  const transactions = new Map<string, number>();
  return {
    add(requestId) {
      // Oldest first: those that are durable by now need not be known any more.
      for (const [known, transaction] of transactions) {
        if (transaction > commits.durableThrough()) break;
        transactions.delete(known);
      }
      transactions.delete(requestId);
      transactions.set(requestId, commits.current());
    },
    has: (requestId) => (transactions.get(requestId) ?? 0) > commits.durableThrough(),
  };
}

function createReceive(
  { commits, credentialCounts, drafts, early, late }: LedgerParts,
  touched: Touched,
): IssuanceLedger['receive'] {
  function write(n: NewIssuance): ReceiveOutcome {
    const { principal, credentialId, policyVersion, caId, generation, csrSha256, ordinal, requestId } = n;
    if (ordinal !== late.ordinalMax(requestId) + 1) return { kind: 'conflict' };
    const use = credentialCounts.take(credentialId);
    if (use === 'revoked') return { kind: 'credential-revoked' };
    if (use === 'used-up') return { kind: 'credential-count-used-up' };
    const detail = JSON.stringify({ principal, credentialId, policyVersion, caId, generation, csrSha256 });
    return { kind: 'received', record: drafts.add(n, detail) };
  }

  return async (issuance) => {
    const issuanceId = issuanceIdOf(issuance.requestId, issuance.ordinal);
    invariant(parseIssuanceId(issuanceId) !== undefined, 'out-of-bounds', 'the request id or ordinal is malformed');
    invariant(issuance.names.length <= namesCountMax, 'out-of-bounds', `${issuance.names.length} names`);
    const work = () => {
      touched.add(issuance.requestId);
      return write(issuance);
    };
    return early ? commits.apply(work, { plain: true }) : commits.submit(work, { plain: true });
  };
}

/** What is asked of a backend after these moves rests on them: they are answered when they are durable. */
const callsRestOn: ReadonlySet<IssuanceState> = new Set(['intended', 'submitted', 'revoked']);

/**
 * A `PreparedIssuance` is redeemed after the COMMIT of its intent and only when the move was made: a backend, which
 * signs what is redeemed, can then never sign an intent that is not in the ledger, whatever became of the call. Until
 * then it counts as in flight, so that no second call can use it.
 */
function createAdvance(
  { database, commits, counters, drafts, early, late, onSettled }: LedgerParts,
  touched: Touched,
): IssuanceLedger['advance'] {
  const apply = createMoves(database, counters, drafts, late);
  const inFlight = new Set<PreparedIssuance>();

  return async (transitions) => {
    checkTransitions(transitions, inFlight);
    const prepared = transitions.flatMap((transition) => (transition.to === 'intended' ? [transition.prepared] : []));
    for (const one of prepared) inFlight.add(one);
    try {
      const answered =
        early && !transitions.some(({ to }) => callsRestOn.has(to)) ? commits.applyAll : commits.submitAll;
      const results = await answered(
        transitions.map((transition) => () => {
          touched.add(requestIdOfIssuance(issuanceIdOfTransition(transition)));
          return apply(transition);
        }),
        {
          plain: true,
          committed: (outcome, index) => {
            const transition = transitions[index]!;
            if (outcome.kind === 'moved' && !isPending(transition.to)) onSettled(issuanceIdOfTransition(transition));
          },
        },
      );
      results.forEach((result, index) => {
        const transition = transitions[index]!;
        const isMoved = result.status === 'fulfilled' && result.value.kind === 'moved';
        if (isMoved && transition.to === 'intended') redeem(transition.prepared);
      });
      return results.map((result) => {
        if (result.status === 'rejected') throw result.reason;
        return result.value;
      });
    } finally {
      for (const one of prepared) inFlight.delete(one);
    }
  };
}

type Reads = Pick<IssuanceLedger, 'current' | 'get' | 'getMany' | 'stale' | 'unsettled'>;

const settledStates = ['issued', 'revoked', 'rejected', 'failed', 'lapsed'] as const satisfies readonly IssuanceState[];

/** What a record says in these states is read again by the next stage only, and decided upon there. */
const withinPipeline: ReadonlySet<IssuanceState> = new Set(['received', 'approved']);

function createReads({ database, commits, drafts, early, late }: LedgerParts, touched: Touched): Reads {
  // The condition is that of the index, word for word: SQLite uses a partial index only for a condition it finds in the query.
  const unsettled = settledStates.map((state) => `state <> '${state}'`).join(' AND ');
  const staleIn = database.prepare(`SELECT request_id, ordinal, ca_id, state_at FROM issuances
    WHERE ${unsettled} AND state = ? AND state_at < ? ORDER BY state_at, ca_id, issuance LIMIT ?`);
  const countIn = database.prepare(`SELECT state, count(*) AS n FROM issuances
    WHERE ${unsettled} AND ca_id = ? GROUP BY state`);
  const get = (issuanceId: string) => drafts.find(issuanceId)?.record;

  return {
    async current(requestId) {
      const ordinal = late.ordinalMax(requestId);
      if (ordinal === 0) return undefined;
      const record = get(issuanceIdOf(requestId, ordinal));
      if (touched.has(requestId)) await commits.durable();
      return record;
    },
    async get(issuanceId) {
      const record = get(issuanceId);
      if (record !== undefined && touched.has(record.requestId)) await commits.durable();
      return record;
    },
    async getMany(issuanceIds) {
      invariant(issuanceIds.length <= readCountMax, 'out-of-bounds', `${issuanceIds.length} issuances in one call`);
      const records = issuanceIds.map(get);
      const waits = (record: IssuanceRecord | undefined) =>
        record !== undefined && !(early && withinPipeline.has(record.state)) && touched.has(record.requestId);
      if (records.some(waits)) await commits.durable();
      return records;
    },
    async stale(state, stateAtBefore, countMax) {
      const isWatched = !(settledStates as readonly IssuanceState[]).includes(state);
      invariant(isWatched, 'state-not-watched', `${state} is settled: nothing in it is stale`);
      invariant(countMax >= 1 && countMax <= readCountMax, 'out-of-bounds', `countMax ${countMax}`);
      await writeDrafts(commits, drafts);
      return staleIn.all(state, stateAtBefore, countMax).map((row): StaleIssuance => {
        const issuanceId = issuanceIdOf(row.request_id as string, row.ordinal as number);
        return { issuanceId, caId: row.ca_id as string, state, stateAt: row.state_at as number };
      });
    },
    async unsettled(caId) {
      await writeDrafts(commits, drafts);
      const counts = { received: 0, approved: 0, intended: 0, submitted: 0, 'orphan-suspected': 0, misissued: 0 };
      for (const row of countIn.all(caId)) counts[row.state as keyof typeof counts] = row.n as number;
      return counts;
    },
  };
}

function createHolds({
  commits,
  database,
  drafts,
  late,
}: LedgerParts): Pick<IssuanceLedger, 'holders' | 'releaseName'> {
  const release = database.prepare(
    'UPDATE issuances_by_name SET held_at = NULL WHERE name = ? AND held_at IS NOT NULL',
  );
  const addRelease = database.prepare(
    'INSERT INTO name_releases (name, owner, spki_sha256, held_at, released_at) VALUES (?, ?, ?, ?, ?)',
  );
  return {
    async holders(names, spkiSha256) {
      invariant(names.length <= namesCountMax, 'out-of-bounds', `${names.length} names in one call`);
      const holds: NameHold[] = [];
      for (const name of names) {
        const hold = late.holdOf(name);
        if (hold !== undefined) holds.push({ name, ...hold });
      }
      const key = late.keyOf(spkiSha256);
      if (key === undefined) return { names: holds, keyCompromised: false };
      return { names: holds, keyOwner: key.owner, keyCompromised: key.compromised };
    },
    async releaseName(name, at) {
      if (late.holdOf(name) === undefined) return false;
      await drafts.completed(commits);
      return commits.submit(() => {
        const hold = late.holdOf(name);
        if (hold === undefined) return false;
        // What came while the others were inserted.
        drafts.complete();
        addRelease.run(name, hold.owner, hold.spkiSha256, hold.heldAt, at);
        release.run(name);
        return true;
      });
    },
  };
}

function createNoteAttempts({ commits, drafts }: LedgerParts, touched: Touched): IssuanceLedger['noteAttempts'] {
  return async (attempts) => {
    invariant(attempts.length <= transitionsCountMax, 'out-of-bounds', `${attempts.length} attempts in one call`);
    const works = attempts.map(({ issuanceId, error }) => () => {
      const standing = drafts.find(issuanceId);
      if (standing === undefined) return;
      const { record } = standing;
      touched.add(record.requestId);
      drafts.change(standing, { ...record, attempts: record.attempts + 1, lastError: error });
    });
    for (const result of await commits.submitAll(works, { plain: true }))
      if (result.status === 'rejected') throw result.reason;
  };
}

function createLeaseCrlSlots(database: DatabaseSync, commits: CommitQueue): IssuanceLedger['leaseCrlSlots'] {
  const lease = database.prepare(`
    INSERT INTO crl_slots (ca_id, generation, slot_next) VALUES (?, ?, ?)
    ON CONFLICT DO UPDATE SET slot_next = slot_next + excluded.slot_next RETURNING slot_next`);
  return async (caId, generation, count) => {
    invariant(Number.isSafeInteger(count) && count >= 1, 'out-of-bounds', `${count} CRL slots`);
    return commits.submit(() => (lease.get(caId, generation, count)!.slot_next as number) - count);
  };
}
