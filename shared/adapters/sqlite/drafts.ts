import type { DatabaseSync } from 'node:sqlite';
import { parseIssuanceId } from '../../issuance/ids.ts';
import type { IssuanceRecord, NewIssuance } from '../../issuance/issuance-record.ts';
import type { IssuanceState } from '../../issuance/issuance-state.ts';
import { receivedRecord } from '../ledger/record-after.ts';
import type { CommitQueue } from './commit-queue.ts';
import { createDraftWriter } from './draft-writer.ts';
import { type IssuanceRow, recordOf, recordQuery } from './issuance-rows.ts';
import type { LateIndexes } from './late-indexes.ts';
import type { RecordMemory, Remembered } from './record-memory.ts';
import { type Gathered, nothingGathered } from './transaction.ts';

/** One line of an issuance's history. `detail` is JSON. */
export interface HistoryLine {
  readonly at: number;
  readonly from: IssuanceState | null;
  readonly to: IssuanceState;
  readonly detail: string;
}

/** An issuance that the open transaction makes or moves. */
export interface Draft {
  /** Key of its row. */
  readonly issuance: number;
  /** As the tables have it; undefined where they do not yet. */
  readonly base: IssuanceRecord | undefined;
  record: IssuanceRecord;
  readonly lines: HistoryLine[];
}

/**
 * Issuances as the open transaction leaves them. Their rows are written once, by `write`, before COMMIT and before anything of
 * them is looked for in the tables: an issuance that is received, approved and intended in one transaction is one row, not
 * one that is rewritten twice.
 */
export interface Drafts extends Gathered {
  /** As the open transaction has it, with what has no row yet. */
  find(issuanceId: string): Remembered | undefined;
  /** Whether there is something that the tables do not say yet. */
  has(): boolean;
  add(issuance: NewIssuance, detail: string): IssuanceRecord;
  /** Writes all of them, and all that the late indexes lack, inside a transaction. */
  complete(): void;
  /** The same for all that there is now, by several transactions that leave room for others; resolves after COMMIT. */
  completed(commits: CommitQueue): Promise<void>;
  /** Without a line the history does not change. */
  change(standing: Remembered, after: IssuanceRecord, line?: HistoryLine): void;
}

export function createDrafts(database: DatabaseSync, memory: RecordMemory, late: LateIndexes): Drafts {
  const ofIssuance = database.prepare(`${recordQuery} WHERE i.issuance = ?`);
  const last = database.prepare('SELECT max(issuance) AS last FROM issuances');
  const writer = createDraftWriter(database, late);
  const drafts = new Map<string, Draft>();
  let next: number | undefined;

  function read(issuanceId: string): Remembered | undefined {
    const id = parseIssuanceId(issuanceId);
    const issuance = id === undefined ? undefined : late.issuanceOf(id.requestId, id.ordinal);
    if (issuance === undefined) return undefined;
    return { issuance, record: recordOf(ofIssuance.get(issuance) as unknown as IssuanceRow) };
  }

  function keep(draft: Draft): void {
    drafts.set(draft.record.issuanceId, draft);
    memory.put({ issuance: draft.issuance, record: draft.record });
  }

  function write(): void {
    for (const draft of drafts.values()) writer(draft);
    drafts.clear();
  }

  function complete(): void {
    write();
    late.complete();
  }

  return {
    find: (issuanceId) => drafts.get(issuanceId) ?? memory.get(issuanceId) ?? read(issuanceId),
    has: () => drafts.size > 0,
    add(issuance, detail) {
      next ??= ((last.get()!.last ?? 0) as number) + 1;
      const record = receivedRecord(issuance);
      const line: HistoryLine = { at: record.stateAt, from: null, to: 'received', detail };
      keep({ issuance: next, base: undefined, record, lines: [line] });
      late.received(next, record.requestId, record.ordinal);
      next += 1;
      return record;
    },
    change(standing, after, line) {
      const lines = line === undefined ? [] : [line];
      const draft = drafts.get(after.issuanceId);
      if (draft === undefined)
        return keep({ issuance: standing.issuance, base: standing.record, record: after, lines });
      draft.record = after;
      draft.lines.push(...lines);
      memory.put({ issuance: draft.issuance, record: after });
    },
    ...nothingGathered,
    write,
    complete,
    async completed(commits) {
      if (drafts.size === 0 && !late.has()) return;
      let round: number | undefined;
      const some = () => {
        write();
        round ??= late.roundOfAll();
        late.stretch();
        return round;
      };
      while ((await commits.submit(some, { plain: true })) > late.roundsOver());
    },
    lost() {
      drafts.clear();
      memory.clear();
      next = undefined;
    },
  };
}
