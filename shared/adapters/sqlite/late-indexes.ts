import type { DatabaseSync } from 'node:sqlite';
import type { EpochMs } from '../../pki/epoch.ts';
import { createLateIndex } from './late-index.ts';
import {
  createDerive,
  createHoldOf,
  createIssuanceOf,
  createKeyOf,
  createOrdinalMax,
  type Hold,
  type KeyHold,
  type Named,
  requestStartOf,
  startOf,
} from './late-lookups.ts';
import { type Gathered, nothingGathered } from './transaction.ts';

/**
 * Indexes whose keys come in no order: requests, names, digests. Inserted one by one each would write a page of its own for every
 * certificate; so they are kept in memory over many transactions and inserted in the order of their keys, a stretch at a time,
 * neighbours together. `index_mark` is the last change of the history that they all have: what is after it is read from the
 * tables when the store is opened, or when a transaction is lost.
 *
 * Who looks something up in these tables, but for what is answered here, has `complete` run first.
 */
export interface LateIndexes extends Gathered {
  received(issuance: number, requestId: string, ordinal: number): void;
  /** What an issuance is found by that is approved; of its names, those that it holds from now on. */
  approved(issuance: number, record: Named, free: readonly string[], at: number): void;
  issued(issuance: number, fingerprint: string): void;
  issuanceOf(requestId: string, ordinal: number): number | undefined;
  /** The highest of a request; 0 when there is none. */
  ordinalMax(requestId: string): number;
  holdOf(name: string): Hold | undefined;
  keyOf(spkiSha256: string): KeyHold | undefined;
  /** Refuses a key from now on, for ever, whether or not somebody holds it; inside a transaction. The first time stays. */
  markCompromised(spkiSha256: string, owner: string, at: EpochMs): void;
  /** Whether the tables lack anything. */
  has(): boolean;
  /**
   * Inserts all there is, inside a transaction and in a write that fails, if it does, with its whole transaction: what is inserted
   * is remembered no more. The rows of all issuances must be written: see `Drafts`.
   */
  complete(): void;
  /** Inserts some of it, in the same way. */
  stretch(): void;
  /** Rounds that are over and durable; and the one with which all that there is now will be. */
  roundsOver(): number;
  roundOfAll(): number;
}

/** As many as make neighbours share pages. */
const roundMinDefault = 16_384;

/** Of each index, where somebody waits for all of them: what a COMMIT can carry and nobody beside it notices. */
const stretchLength = 512;

/** A round begins when one index has `roundMin` entries for it. */
export function createLateIndexes(database: DatabaseSync, roundMin: number = roundMinDefault): LateIndexes {
  // A stretch of some length costs a fraction of its entries one by one, and no COMMIT has to carry a whole round.
  const strideMin = Math.ceil(roundMin / 64);
  const parts = createParts(database);
  const all = Object.values(parts);
  const issuanceOf = createIssuanceOf(database);
  const ordinalMax = createOrdinalMax(database);
  const holdOf = createHoldOf(database);
  const keyOf = createKeyOf(database);
  const derive = createDerive(database);
  const lastChange = database.prepare('SELECT max(change) AS change FROM history');
  const setMark = database.prepare(
    'INSERT INTO index_mark (mark, change) VALUES (1, ?) ON CONFLICT DO UPDATE SET change = excluded.change',
  );
  const mark = database.prepare(
    'INSERT INTO compromised_keys (spki_sha256, owner, compromised_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING',
  );
  /** Of the round under way: the last change of the history whose entries are in it or in the tables. */
  let through: number | undefined;
  let roundsOver = 0;
  /** By the open transaction. */
  let roundsEnded = 0;
  /** A transaction was lost, or the store has just been opened: what is in memory is not what the tables lack. */
  let stale = true;

  const newest = () => (lastChange.get()!.change ?? 0) as number;

  const has = () => all.some((part) => part.has());

  const holder = (name: string) => parts.names.find(name)?.[0] ?? parts.names.looked(name, holdOf);

  function received(issuance: number, requestId: string, ordinal: number): void {
    parts.requests.add(requestId, issuance, { issuance, ordinal });
  }

  function approved(issuance: number, { names, owner, spkiSha256 }: Named, free: readonly string[], at: number): void {
    const hold = free.length === 0 ? undefined : { owner, spkiSha256, heldAt: at };
    for (const name of names) parts.names.add(name, issuance, free.includes(name) ? hold : undefined);
    parts.keys.add(spkiSha256, issuance, owner);
  }

  function issued(issuance: number, fingerprint: string): void {
    parts.fingerprints.add(fingerprint, issuance, undefined);
  }

  function recover(): void {
    through = undefined;
    for (const part of all) part.clear();
    for (const { at, fingerprint, issuance, named, ordinal, requestId, to } of derive()) {
      if (to === 'received') received(issuance, requestId, ordinal);
      else if (to === 'issued') issued(issuance, fingerprint!);
      else {
        const free = named.names.filter((name) => holder(name) === undefined);
        approved(issuance, named, free, at);
      }
    }
    stale = false;
  }

  function begin(): void {
    through = newest();
    for (const part of all) part.begin();
  }

  /** So many of each, and when there are no more, the round is over. */
  function step(count: number): void {
    let left = false;
    for (const part of all) left = part.step(count) || left;
    if (left) return;
    setMark.run(through!);
    through = undefined;
    roundsEnded += 1;
  }

  /** Nothing is looked up in a memory that is not true. What a read throws then is thrown, and the next use tries again. */
  function whenFresh<P extends readonly unknown[], T>(use: (...given: P) => T): (...given: P) => T {
    return (...given) => {
      if (stale) recover();
      return use(...given);
    };
  }

  return {
    received: whenFresh(received),
    approved: whenFresh(approved),
    issued: whenFresh(issued),
    issuanceOf: whenFresh((requestId: string, ordinal: number) => {
      const one = parts.requests.find(requestId)?.find((other) => other.ordinal === ordinal);
      return one?.issuance ?? issuanceOf(requestId, ordinal);
    }),
    ordinalMax: whenFresh(
      (requestId: string) =>
        parts.requests.find(requestId)?.at(-1)?.ordinal ?? parts.requests.looked(requestId, ordinalMax) ?? 0,
    ),
    holdOf: whenFresh(holder),
    keyOf: whenFresh((spkiSha256: string) =>
      parts.keys.looked(spkiSha256, () => keyOf(spkiSha256, parts.keys.find(spkiSha256)?.[0])),
    ),
    markCompromised: whenFresh((spkiSha256: string, owner: string, at: EpochMs) => {
      mark.run(spkiSha256, owner, at);
      parts.keys.changed(spkiSha256);
    }),
    has: whenFresh(has),
    complete: whenFresh(() => {
      if (!has()) return;
      if (through !== undefined) step(Number.POSITIVE_INFINITY);
      begin();
      step(Number.POSITIVE_INFINITY);
    }),
    stretch: whenFresh(() => {
      if (through === undefined) begin();
      step(stretchLength);
    }),
    roundsOver: () => roundsOver,
    roundOfAll: () => roundsOver + roundsEnded + (through === undefined ? 1 : 2),
    ...nothingGathered,
    write: whenFresh(() => {
      if (through === undefined) {
        if (!all.some((part) => part.arrived() >= roundMin)) return;
        begin();
      }
      // Some more than have come since in any of them, so that a round ends in all of them.
      const owed = Math.max(...all.map((part) => part.owed()));
      if (owed >= strideMin) step(owed + 1);
    }),
    committed() {
      roundsOver += roundsEnded;
      roundsEnded = 0;
    },
    lost() {
      roundsEnded = 0;
      stale = true;
    },
  };
}

interface Received {
  readonly issuance: number;
  readonly ordinal: number;
}

function createParts(database: DatabaseSync) {
  const request = database.prepare(`INSERT INTO issuances_by_request (request_id_start, ordinal, issuance)
    VALUES (${requestStartOf('?')}, ?, ?) ON CONFLICT DO NOTHING`);
  const name = database.prepare(`INSERT INTO issuances_by_name (name, issuance, held_at) VALUES (?, ?, ?)
    ON CONFLICT DO UPDATE SET held_at = excluded.held_at WHERE held_at IS NULL AND excluded.held_at IS NOT NULL`);
  const byDigest = (table: string, start: string) => {
    const add = database.prepare(
      `INSERT INTO ${table} (${start}, issuance) VALUES (${startOf('?')}, ?) ON CONFLICT DO NOTHING`,
    );
    return (digest: string, issuance: number) => void add.run(digest, issuance);
  };
  return {
    requests: createLateIndex<Received>((key, issuance, one) => void request.run(key, one!.ordinal, issuance)),
    names: createLateIndex<Hold>((key, issuance, hold) => void name.run(key, issuance, hold?.heldAt ?? null)),
    keys: createLateIndex<string>(byDigest('issuances_by_key', 'spki_sha256_start')),
    fingerprints: createLateIndex<never>(byDigest('issuances_by_fingerprint', 'fingerprint_start')),
  };
}
