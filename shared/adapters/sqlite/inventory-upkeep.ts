import type { DatabaseSync } from 'node:sqlite';
import { bucketSizesMs } from '../../inventory/counted.ts';
import type { InventoryUpkeep } from '../../issuance/inventory-ports.ts';
import { invariant } from '../ledger/ledger-fault.ts';
import type { CommitQueue } from './commit-queue.ts';

const rowsMaxMax = 1_000;

/** Takes ended buckets off `standing`, in the order of the index that the mark stands in. */
export function createInventoryUpkeep(database: DatabaseSync, commits: CommitQueue): InventoryUpkeep {
  const authorities = database.prepare('SELECT DISTINCT ca_id FROM counted_values');
  const markOf = database.prepare(
    'SELECT bucket_start, dimension, value FROM counter_marks WHERE ca_id = ? AND bucket_ms = ?',
  );
  const ended = database.prepare(`SELECT bucket_start, dimension, value, issued - revoked AS standing FROM counters
    WHERE ca_id = ? AND bucket_ms = ? AND bucket_start <= ? AND (bucket_start, dimension, value) > (?, ?, ?)
    ORDER BY bucket_start, dimension, value LIMIT ?`);
  const take = database.prepare(
    'UPDATE counted_values SET standing = standing - ? WHERE ca_id = ? AND dimension = ? AND value = ?',
  );
  const setMark = database.prepare(`
    INSERT INTO counter_marks (ca_id, bucket_ms, bucket_start, dimension, value) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET bucket_start = excluded.bucket_start, dimension = excluded.dimension, value = excluded.value`);

  function expireOne(caId: string, bucketMs: number, at: number, rowsMax: number): number {
    const mark = markOf.get(caId, bucketMs);
    const { bucket_start = -1, dimension = '', value = '' } = mark ?? {};
    const rows = ended.all(caId, bucketMs, at - bucketMs, bucket_start, dimension, value, rowsMax);
    for (const row of rows) take.run(row.standing!, caId, row.dimension!, row.value!);
    const last = rows.at(-1);
    if (last !== undefined) setMark.run(caId, bucketMs, last.bucket_start!, last.dimension!, last.value!);
    return rows.length;
  }

  return {
    expire: async (at, rowsMax) => {
      invariant(rowsMax >= 1 && rowsMax <= rowsMaxMax, 'out-of-bounds', `rowsMax ${rowsMax}`);
      return commits.submit(() => {
        let left = rowsMax;
        for (const { ca_id } of authorities.all())
          for (const bucketMs of bucketSizesMs) {
            left -= expireOne(ca_id as string, bucketMs, at, left);
            if (left <= 0) return { more: true };
          }
        return { more: false };
      });
    },
  };
}
