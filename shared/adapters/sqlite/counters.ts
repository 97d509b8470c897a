import type { DatabaseSync } from 'node:sqlite';
import type { CounterRow } from '../../issuance/ports.ts';
import { bucketOf, type Counted } from '../ledger/counted.ts';

/**
 * The counters of the blast radius. What the writes of one transaction count is gathered here and written once before
 * its COMMIT: a batch of certificates of one owner costs five updates, not five each.
 */
export interface Counters {
  count(change: 'issued' | 'revoked', certificate: Counted): void;
  forget(): void;
  write(): void;
  read(caId: string): readonly CounterRow[];
}

interface Gathered {
  readonly key: readonly [string, string, string, number, number];
  issued: number;
  revoked: number;
}

export function createCounters(database: DatabaseSync): Counters {
  const add = database.prepare(`
    INSERT INTO counters (ca_id, dimension, value, bucket_ms, bucket_start, issued, revoked) VALUES (?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET issued = issued + excluded.issued, revoked = revoked + excluded.revoked`);
  const select = database.prepare(`
    SELECT dimension, value, bucket_start AS bucketStart, bucket_ms AS bucketMs, issued, revoked FROM counters
    WHERE ca_id = ? ORDER BY dimension, value, bucket_ms, bucket_start`);
  const gathered = new Map<string, Gathered>();

  function countOne(change: 'issued' | 'revoked', key: Gathered['key']): void {
    // JSON keeps apart fields that a separator could run together.
    const text = JSON.stringify(key);
    let sum = gathered.get(text);
    if (sum === undefined) {
      sum = { key, issued: 0, revoked: 0 };
      gathered.set(text, sum);
    }
    sum[change] += 1;
  }

  return {
    count(change, certificate) {
      const { bucketStart, bucketMs } = bucketOf(certificate.notBefore, certificate.notAfter);
      countOne(change, [certificate.caId, 'total', '', bucketMs, bucketStart]);
      for (const dimension of ['owner', 'fleet', 'profile', 'keyType'] as const) {
        countOne(change, [certificate.caId, dimension, certificate[dimension], bucketMs, bucketStart]);
      }
    },
    forget: () => gathered.clear(),
    write() {
      for (const { key, issued, revoked } of gathered.values()) add.run(...key, issued, revoked);
    },
    read: (caId) => select.all(caId).map((row) => ({ ...row }) as unknown as CounterRow),
  };
}
