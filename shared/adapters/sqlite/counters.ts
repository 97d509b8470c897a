import type { DatabaseSync } from 'node:sqlite';
import {
  bucketOf,
  type Counted,
  type CountedDimension,
  countedDimensions,
  countedValues,
} from '../../inventory/counted.ts';
import type { CounterRow } from '../../issuance/ports.ts';
import type { Gathered } from './transaction.ts';

/**
 * The counters of the blast radius. What the writes of one transaction count is gathered here and written once before
 * its COMMIT: a batch of certificates of one owner costs six updates, not six each.
 */
export interface Counters extends Gathered {
  count(change: 'issued' | 'revoked', certificate: Counted): void;
  read(caId: string): readonly CounterRow[];
}

type Key = readonly [caId: string, dimension: CountedDimension, value: string, bucketMs: number, bucketStart: number];

interface Sum {
  readonly key: Key;
  issued: number;
  revoked: number;
  notAfterFirst: number;
  notAfterLast: number;
}

export function createCounters(database: DatabaseSync): Counters {
  const writeRow = createRowWriter(database);
  const select = database.prepare(`
    SELECT dimension, value, bucket_start AS bucketStart, bucket_ms AS bucketMs, issued, revoked FROM counters
    WHERE ca_id = ? ORDER BY dimension, value, bucket_ms, bucket_start`);
  const gathered = new Map<string, Sum>();
  /** Counted by the write that is being made. */
  let counted: { readonly change: 'issued' | 'revoked'; readonly certificate: Counted }[] = [];

  function countOne(change: 'issued' | 'revoked', key: Key, notAfter: number): void {
    const [caId, dimension, value, bucketMs, bucketStart] = key;
    // The length keeps apart what a separator could run together.
    const text = `${dimension} ${bucketMs} ${bucketStart} ${caId.length} ${caId}${value}`;
    let sum = gathered.get(text);
    if (sum === undefined) {
      sum = { key, issued: 0, revoked: 0, notAfterFirst: notAfter, notAfterLast: notAfter };
      gathered.set(text, sum);
    }
    sum[change] += 1;
    sum.notAfterFirst = Math.min(sum.notAfterFirst, notAfter);
    sum.notAfterLast = Math.max(sum.notAfterLast, notAfter);
  }

  function sumUp(change: 'issued' | 'revoked', certificate: Counted): void {
    const { caId, notBefore, notAfter } = certificate;
    const { bucketStart, bucketMs } = bucketOf(notBefore, notAfter);
    const values = countedValues(certificate);
    for (const dimension of countedDimensions)
      countOne(change, [caId, dimension, values[dimension], bucketMs, bucketStart], notAfter);
  }

  return {
    count: (change, certificate) => void counted.push({ change, certificate }),
    keep() {
      if (counted.length === 0) return;
      for (const { change, certificate } of counted) sumUp(change, certificate);
      counted = [];
    },
    drop() {
      counted = [];
    },
    committed: () => gathered.clear(),
    lost: () => gathered.clear(),
    write() {
      for (const sum of gathered.values()) writeRow(sum);
    },
    read: (caId) => select.all(caId).map((row) => ({ ...row }) as unknown as CounterRow),
  };
}

/**
 * Writes a counter and the sums of its value. A bucket that was taken off `standing` as expired stays off: what is counted in
 * it now has expired already, and what is revoked in it stands no more.
 */
function createRowWriter(database: DatabaseSync): (sum: Sum) => void {
  const add = database.prepare(`
    INSERT INTO counters (ca_id, dimension, value, bucket_ms, bucket_start, issued, revoked, not_after_first, not_after_last)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET issued = issued + excluded.issued, revoked = revoked + excluded.revoked,
      not_after_first = min(not_after_first, excluded.not_after_first),
      not_after_last = max(not_after_last, excluded.not_after_last)`);
  const isExpired = database.prepare(`SELECT 1 FROM counter_marks WHERE ca_id = ? AND bucket_ms = ?
    AND (bucket_start, dimension, value) >= (?, ?, ?)`);
  const addSums = database.prepare(`
    INSERT INTO counted_values (ca_id, dimension, value, issued, revoked, standing) VALUES (?, ?, ?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET issued = issued + excluded.issued, revoked = revoked + excluded.revoked,
      standing = standing + excluded.standing`);

  return ({ key, issued, revoked, notAfterFirst, notAfterLast }) => {
    const [caId, dimension, value, bucketMs, bucketStart] = key;
    add.run(...key, issued, revoked, notAfterFirst, notAfterLast);
    const expired = isExpired.get(caId, bucketMs, bucketStart, dimension, value) !== undefined;
    addSums.run(caId, dimension, value, issued, revoked, expired ? 0 : issued - revoked);
  };
}
