import type { DatabaseSync } from 'node:sqlite';

/** A database that notes what is prepared on it. */
export function listening(database: DatabaseSync, prepared: string[]): DatabaseSync {
  return new Proxy(database, {
    get(target, name) {
      const value = Reflect.get(target, name);
      if (typeof value !== 'function') return value;
      return (...given: never[]) => {
        if (name === 'prepare') prepared.push(String(given[0]));
        return value.apply(target, given);
      };
    },
  });
}

/** What a statement reads from end to end, and what it sorts: lines of `EXPLAIN QUERY PLAN`. */
export function scansOf(database: DatabaseSync, sql: string): readonly string[] {
  const plan = database
    .prepare(`EXPLAIN QUERY PLAN ${sql}`)
    .all()
    .map(({ detail }) => String(detail));
  // The rows of a subquery or of a VALUES are counted, and the least of an index is its first.
  const isScan = (line: string) => /^SCAN/.test(line) && !/^SCAN (\(subquery|\d+-ROW VALUES)|COVERING INDEX/.test(line);
  return plan.filter((line) => isScan(line) || line.includes('TEMP B-TREE'));
}
