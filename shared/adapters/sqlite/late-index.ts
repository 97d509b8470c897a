/** A new key is asked for at the door, by the validator and when it is approved, which are as close together. */
const absentMax = 4_096;

export interface LateIndex<Known> {
  add(key: string, issuance: number, known: Known | undefined): void;
  /** What is known of the entries of a key, in the order they came. */
  find(key: string): readonly Known[] | undefined;
  /** What `look` finds in the tables, which is not done again where it has found nothing. */
  looked<T>(key: string, look: (key: string) => T | undefined): T | undefined;
  /** What `look` would find is not what it was. */
  changed(key: string): void;
  /** Whether the table lacks anything. */
  has(): boolean;
  /** Entries that are not in the round. */
  arrived(): number;
  /** Makes all that have arrived the next round; the last one is over. */
  begin(): void;
  /** Entries that have come since the last step. */
  owed(): number;
  /** Inserts so many of the round. Answers whether there are more in it. */
  step(count: number): boolean;
  clear(): void;
}

interface Entry<Known> {
  readonly key: string;
  readonly issuance: number;
  /** What is asked of the key before the entry is in the table. */
  readonly known: Known | undefined;
}

/** One index: the entries that its table lacks. `insert` puts one there, or finds that it is there. */
export function createLateIndex<Known>(
  insert: (key: string, issuance: number, known: Known | undefined) => void,
): LateIndex<Known> {
  /** Of entries that are not in the table, in the order they came: entries of one key are inserted in that order, too. */
  const knownOf = new Map<string, Known[]>();
  /** Of what nothing was found when it was looked for, and nothing has come since. */
  const absent = new Set<string>();
  let arrived: Entry<Known>[] = [];
  let round: Entry<Known>[] = [];
  let next = 0;
  /** Come since the last step. */
  let recent = 0;

  return {
    add(key, issuance, known) {
      arrived.push({ key, issuance, known });
      recent += 1;
      if (known === undefined) return;
      absent.delete(key);
      const before = knownOf.get(key);
      if (before === undefined) knownOf.set(key, [known]);
      else before.push(known);
    },
    find: (key) => knownOf.get(key),
    looked(key, look) {
      if (absent.has(key)) return undefined;
      const found = look(key);
      if (found !== undefined) return found;
      if (absent.size >= absentMax) absent.clear();
      absent.add(key);
      return undefined;
    },
    changed: (key) => void absent.delete(key),
    has: () => arrived.length > 0 || next < round.length,
    arrived: () => arrived.length,
    begin() {
      round = arrived.sort(({ key: one }, { key: other }) => (one < other ? -1 : one > other ? 1 : 0));
      arrived = [];
      next = 0;
      recent = 0;
    },
    owed: () => recent,
    step(count) {
      recent = 0;
      const end = Math.min(round.length, next + count);
      for (; next < end; next++) {
        const { issuance, key, known } = round[next]!;
        insert(key, issuance, known);
        if (known === undefined) continue;
        const all = knownOf.get(key)!;
        if (all.length === 1) knownOf.delete(key);
        else all.shift();
      }
      return next < round.length;
    },
    clear() {
      knownOf.clear();
      absent.clear();
      arrived = [];
      round = [];
      next = 0;
      recent = 0;
    },
  };
}
