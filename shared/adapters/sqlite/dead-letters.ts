import type { DatabaseSync } from 'node:sqlite';
import type { DeadLetter, DeadLetterStore } from '../../issuance/ports.ts';
import type { EpochMs } from '../../pki/epoch.ts';
import { invariant } from '../ledger/ledger-fault.ts';
import type { CommitQueue } from './commit-queue.ts';

/** The largest page. */
const pageCountMax = 1_000;

/** What a dead-letter queue keeps beside the body. */
export interface Reason {
  /** The queue that gave it up. */
  readonly source: string;
  readonly receiveCount: number;
  readonly lastError: string | undefined;
  readonly deadAt: EpochMs;
}

interface DeadLetterRow {
  readonly queue: number;
  readonly message: number;
  readonly body: string;
  readonly sent_at: number;
  readonly dead_letter: string;
}

/** The statements of the dead-letter queues. `bury` and `takeBack` run inside a transaction. */
export interface DeadLetterStatements {
  /** Takes the earlier dead letter of the same body out, and answers what the new one is to say. */
  bury(queue: number, body: string, reason: Reason): Reason;
  takeBack(queue: number, message: number): { readonly source: string; readonly body: string } | undefined;
  counts(): ReadonlyMap<string, number>;
  /** In the order of queue and message, after these; of one source, if it is given. */
  page(source: string | undefined, queue: number, message: number, countMax: number): readonly DeadLetter[];
  get(queue: number, message: number): DeadLetter | undefined;
}

export function createDeadLetterStatements(database: DatabaseSync): DeadLetterStatements {
  // Named, since the planner would else walk the queues' own messages to find the few that are dead letters.
  const deadLetters = 'messages INDEXED BY dead_letters';
  const columns = 'queue, message, body, sent_at, dead_letter';
  const sameBody = database.prepare(`SELECT ${columns} FROM messages INDEXED BY dead_letters_by_body
    WHERE queue = ? AND body = ? AND dead_letter IS NOT NULL`);
  const one = database.prepare(
    `SELECT ${columns} FROM messages WHERE queue = ? AND message = ? AND dead_letter IS NOT NULL`,
  );
  const remove = database.prepare('DELETE FROM messages WHERE queue = ? AND message = ?');
  const count = database.prepare(`SELECT json_extract(dead_letter, '$.source') AS source, count(*) AS n
    FROM ${deadLetters} WHERE dead_letter IS NOT NULL GROUP BY source ORDER BY source`);
  const page = database.prepare(`SELECT ${columns} FROM ${deadLetters}
    WHERE dead_letter IS NOT NULL AND (queue, message) > (?, ?)
      AND (?3 IS NULL OR json_extract(dead_letter, '$.source') = ?3)
    ORDER BY queue, message LIMIT ?4`);

  const find = (queue: number, message: number) => one.get(queue, message) as unknown as DeadLetterRow | undefined;
  return {
    bury(queue, body, reason) {
      let { receiveCount } = reason;
      for (const earlier of sameBody.all(queue, body) as unknown as DeadLetterRow[]) {
        const known = JSON.parse(earlier.dead_letter) as Reason;
        if (known.source !== reason.source) continue;
        receiveCount += known.receiveCount;
        remove.run(queue, earlier.message);
      }
      return { ...reason, receiveCount };
    },
    takeBack(queue, message) {
      const row = find(queue, message);
      if (row === undefined) return undefined;
      remove.run(queue, message);
      return { source: (JSON.parse(row.dead_letter) as Reason).source, body: row.body };
    },
    counts: () => new Map(count.all().map(({ source, n }) => [source as string, n as number])),
    page: (source, queue, message, countMax) =>
      (page.all(queue, message, source ?? null, countMax) as unknown as DeadLetterRow[]).map(letterOf),
    get(queue, message) {
      const row = find(queue, message);
      return row === undefined ? undefined : letterOf(row);
    },
  };
}

function letterOf(row: DeadLetterRow): DeadLetter {
  const { source, receiveCount, lastError, deadAt } = JSON.parse(row.dead_letter) as Reason;
  return {
    id: `${row.queue}-${row.message}`,
    queue: source,
    body: row.body,
    receiveCount,
    ...(lastError === undefined ? {} : { lastError }),
    sentAt: row.sent_at,
    deadAt,
  };
}

/** Queue and message of an id or cursor. */
function parseId(id: string): readonly [number, number] | undefined {
  const match = /^([0-9]{1,15})-([0-9]{1,15})$/.exec(id);
  return match === null ? undefined : [Number(match[1]), Number(match[2])];
}

export interface DeadLetterStoreParts {
  readonly statements: DeadLetterStatements;
  readonly commits: CommitQueue;
  /** Inside a transaction: takes a dead letter back to its source. Answers the source. */
  readonly redrive: (queue: number, message: number) => string | undefined;
  /** Wakes the consumers of a queue. */
  readonly ring: (source: string) => void;
}

export function createDeadLetterStore({ statements, commits, redrive, ring }: DeadLetterStoreParts): DeadLetterStore {
  return {
    counts: async () => statements.counts(),
    async list({ queue, countMax, cursor }) {
      const isCount = Number.isInteger(countMax) && countMax >= 1 && countMax <= pageCountMax;
      invariant(isCount, 'out-of-bounds', `countMax ${countMax}`);
      const after = cursor === undefined ? ([0, 0] as const) : parseId(cursor);
      // A cursor that is none of ours has nothing after it.
      const letters = after === undefined ? [] : statements.page(queue, ...after, countMax + 1);
      if (letters.length <= countMax) return { letters };
      const page = letters.slice(0, countMax);
      return { letters: page, nextCursor: page.at(-1)!.id };
    },
    async get(id) {
      const place = parseId(id);
      return place === undefined ? undefined : statements.get(...place);
    },
    async redrive(id) {
      const place = parseId(id);
      if (place === undefined) return false;
      const source = await commits.submit(() => redrive(...place));
      if (source === undefined) return false;
      ring(source);
      return true;
    },
  };
}
