import type { DatabaseSync } from 'node:sqlite';
import type { IssuanceRecord } from '../../issuance/issuance-record.ts';
import { type Gathered, nothingGathered } from './transaction.ts';

/**
 * Indexes whose keys come in no order: digests and names. Inserted one by one each would write a page of its own for every
 * certificate; so they are kept in memory over many transactions and inserted in the order of their keys, a stretch at a time,
 * neighbours together. `index_mark` is the last change of the history that they all have: what is after it is read from the
 * tables when the store is opened, or when a transaction is lost.
 *
 * Who looks something up in these tables, but for what `holdOf` and `keyOf` answer, has `complete` run first.
 */
export interface LateIndexes extends Gathered {
  /** Names and a key that nobody had. */
  hold(names: readonly string[], hold: Hold): void;
  own(spkiSha256: string, owner: string, heldAt: number): void;
  /** What a certificate is found by. */
  issued(issuance: number, certificate: Named): void;
  holdOf(name: string): Hold | undefined;
  keyOf(spkiSha256: string): KeyHold | undefined;
  /** Whether the tables lack anything. */
  has(): boolean;
  /**
   * Inserts all there is, inside a transaction and in a write that fails, if it does, with its whole transaction: what is inserted
   * is remembered no more. The rows of all issuances must be written: see `Drafts`.
   */
  complete(): void;
}

export interface Hold {
  readonly owner: string;
  readonly spkiSha256: string;
  readonly heldAt: number;
}

export interface KeyHold {
  readonly owner: string;
  readonly heldAt: number;
  readonly compromised: boolean;
}

/** As many as make neighbours share pages. */
const roundMinDefault = 4_096;

/** A round begins when one index has `roundMin` entries for it. */
export function createLateIndexes(database: DatabaseSync, roundMin: number = roundMinDefault): LateIndexes {
  // A stretch of some length costs a fraction of its entries one by one, and no COMMIT has to carry a whole round.
  const strideMin = Math.ceil(roundMin / 16);
  const parts = createParts(database);
  const all = Object.values(parts);
  const holdOf = createHoldOf(database);
  const keyOf = createKeyOf(database);
  const derive = createDerive(database);
  const lastChange = database.prepare('SELECT max(change) AS change FROM history');
  const setMark = database.prepare(
    'INSERT INTO index_mark (mark, change) VALUES (1, ?) ON CONFLICT DO UPDATE SET change = excluded.change',
  );
  /** Of the round under way: the last change of the history whose entries are in it or in the tables. */
  let through: number | undefined;
  /** A transaction was lost, or the store has just been opened: what is in memory is not what the tables lack. */
  let stale = true;

  const newest = () => (lastChange.get()!.change ?? 0) as number;

  function hold(names: readonly string[], one: Hold): void {
    for (const name of names) parts.holds.add(name, one);
  }

  function own(spkiSha256: string, owner: string, heldAt: number): void {
    parts.keys.add(spkiSha256, { owner, heldAt, compromised: false });
  }

  function approved({ names, owner, spkiSha256 }: Named, heldAt: number): void {
    const free = names.filter((name) => holdOf(name) === undefined);
    hold(free, { owner, spkiSha256, heldAt });
    if (keyOf(spkiSha256) === undefined) own(spkiSha256, owner, heldAt);
  }

  function issued(issuance: number, { fingerprint, names, spkiSha256 }: Named): void {
    parts.fingerprints.add(fingerprint!, issuance);
    parts.certificateKeys.add(spkiSha256, issuance);
    for (const name of names) parts.names.add(name, issuance);
  }

  function recover(): void {
    through = undefined;
    for (const part of all) part.clear();
    for (const { at, issuance, named, to } of derive()) {
      if (to === 'approved') approved(named, at);
      else issued(issuance, named);
    }
    stale = false;
  }

  /** Nothing is looked up in a memory that is not true. What a read throws then is thrown, and the next use tries again. */
  function whenFresh<P extends readonly unknown[], T>(use: (...given: P) => T): (...given: P) => T {
    return (...given) => {
      if (stale) recover();
      return use(...given);
    };
  }

  return {
    hold: whenFresh(hold),
    own: whenFresh(own),
    issued: whenFresh(issued),
    holdOf: whenFresh((name: string) => parts.holds.find(name) ?? holdOf(name)),
    keyOf: whenFresh((spkiSha256: string) => parts.keys.find(spkiSha256) ?? keyOf(spkiSha256)),
    has: whenFresh(() => all.some((part) => part.has())),
    complete: whenFresh(() => {
      for (const part of all) part.complete();
      through = undefined;
      setMark.run(newest());
    }),
    ...nothingGathered,
    write: whenFresh(() => {
      if (through === undefined) {
        if (!all.some((part) => part.arrived() >= roundMin)) return;
        through = newest();
        for (const part of all) part.begin();
      }
      // Some more than have come since in any of them, so that a round ends in all of them.
      const owed = Math.max(...all.map((part) => part.owed()));
      if (owed < strideMin) return;
      let left = false;
      for (const part of all) left = part.step(owed + 1) || left;
      if (left) return;
      setMark.run(through);
      through = undefined;
    }),
    lost() {
      stale = true;
    },
  };
}

export type Named = Pick<IssuanceRecord, 'owner' | 'names' | 'spkiSha256' | 'fingerprint'>;

function createParts(database: DatabaseSync) {
  const holds = database.prepare(
    'INSERT INTO name_holds (name, owner, spki_sha256, held_at) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING',
  );
  const keys = database.prepare(
    'INSERT INTO public_keys (spki_sha256, owner, held_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING',
  );
  const listed = (table: string, key: string) => {
    const add = database.prepare(`INSERT INTO ${table} (${key}, issuance) VALUES (?, ?) ON CONFLICT DO NOTHING`);
    return createPart<number>((value, issuance) => void add.run(value, issuance));
  };
  return {
    holds: createPart<Hold>((name, { heldAt, owner, spkiSha256 }) => void holds.run(name, owner, spkiSha256, heldAt)),
    keys: createPart<KeyHold>((spkiSha256, { heldAt, owner }) => void keys.run(spkiSha256, owner, heldAt)),
    fingerprints: listed('certificate_fingerprints', 'fingerprint'),
    certificateKeys: listed('certificate_keys', 'spki_sha256'),
    names: listed('certificate_names', 'name'),
  };
}

/** One index. The first entry of a key is the one that `find` answers. */
function createPart<E>(insert: (key: string, entry: E) => void) {
  const known = new Map<string, E>();
  let arrived: (readonly [string, E])[] = [];
  let round: (readonly [string, E])[] = [];
  let next = 0;
  /** Come since the last step. */
  let recent = 0;

  function step(count: number): boolean {
    const end = Math.min(round.length, next + count);
    for (; next < end; next++) {
      const [key, entry] = round[next]!;
      insert(key, entry);
      known.delete(key);
    }
    return next < round.length;
  }

  return {
    add(key: string, entry: E): void {
      arrived.push([key, entry]);
      recent += 1;
      if (!known.has(key)) known.set(key, entry);
    },
    find: (key: string) => known.get(key),
    has: () => arrived.length > 0 || next < round.length,
    arrived: () => arrived.length,
    begin(): void {
      round = arrived.sort(([one], [other]) => (one < other ? -1 : one > other ? 1 : 0));
      arrived = [];
      next = 0;
      recent = 0;
    },
    /** Come since the last stretch. */
    owed: () => recent,
    /** Whether there are more in the round. */
    step(count: number): boolean {
      recent = 0;
      return step(count);
    },
    complete(): void {
      step(round.length);
      this.begin();
      step(round.length);
      this.clear();
    },
    clear(): void {
      known.clear();
      arrived = [];
      round = [];
      next = 0;
      recent = 0;
    },
  };
}

function createHoldOf(database: DatabaseSync): (name: string) => Hold | undefined {
  const read = database.prepare(
    'SELECT owner, spki_sha256 AS spkiSha256, held_at AS heldAt FROM name_holds WHERE name = ?',
  );
  return (name) => read.get(name) as Hold | undefined;
}

function createKeyOf(database: DatabaseSync): (spkiSha256: string) => KeyHold | undefined {
  const read = database.prepare('SELECT owner, held_at, compromised_at FROM public_keys WHERE spki_sha256 = ?');
  return (spkiSha256) => {
    const row = read.get(spkiSha256);
    if (row === undefined) return undefined;
    return { owner: row.owner as string, heldAt: row.held_at as number, compromised: row.compromised_at !== null };
  };
}

interface Derived {
  readonly to: 'approved' | 'issued';
  readonly issuance: number;
  readonly at: number;
  readonly named: Named;
}

function createDerive(database: DatabaseSync): () => Iterable<Derived> {
  const read = database.prepare(`SELECT h.to_state, h.issuance, h.at, r.owner, r.names, r.spki_sha256, c.fingerprint
    FROM history h JOIN requests r ON r.issuance = h.issuance LEFT JOIN certificates c ON c.issuance = h.issuance
    WHERE h.change > (SELECT coalesce(max(change), 0) FROM index_mark) AND h.to_state IN ('approved', 'issued')
    ORDER BY h.change`);
  return () =>
    read.all().map((row) => ({
      to: row.to_state as Derived['to'],
      issuance: row.issuance as number,
      at: row.at as number,
      named: {
        owner: row.owner as string,
        names: JSON.parse(row.names as string) as string[],
        spkiSha256: row.spki_sha256 as string,
        ...(row.fingerprint === null ? {} : { fingerprint: row.fingerprint as string }),
      },
    }));
}
