import type { DatabaseSync } from 'node:sqlite';
import { invariant } from '../ledger/ledger-fault.ts';
import { type Gathered, nothingGathered } from './transaction.ts';

/**
 * How often each credential was used. What the writes of one transaction count is gathered here, and written once before its
 * COMMIT or before the row is read: a fleet's credential is the same row for every device.
 */
export interface CredentialCounts extends Gathered {
  /** Counts one more use, or says why not. */
  take(credentialId: string): 'taken' | 'used-up' | 'revoked';
  has(): boolean;
}

interface Count {
  readonly revoked: boolean;
  /** Uses that are left, as far as the rows say. */
  left: number;
  /** Taken since. */
  taken: number;
}

export function createCredentialCounts(database: DatabaseSync): CredentialCounts {
  const read = database.prepare('SELECT revoked_at, count_max - used AS uses FROM credentials WHERE id = ?');
  const write = database.prepare('UPDATE credentials SET used = used + ? WHERE id = ?');
  const counts = new Map<string, Count>();
  return {
    take(credentialId) {
      let count = counts.get(credentialId);
      if (count === undefined) {
        const row = read.get(credentialId);
        invariant(row !== undefined, 'credential-unknown', `no credential ${credentialId}`);
        count = { revoked: row.revoked_at !== null, left: row.uses as number, taken: 0 };
        counts.set(credentialId, count);
      }
      if (count.revoked) return 'revoked';
      if (count.left <= 0) return 'used-up';
      count.left -= 1;
      count.taken += 1;
      return 'taken';
    },
    has: () => counts.size > 0,
    ...nothingGathered,
    write() {
      for (const [id, { taken }] of counts) if (taken > 0) write.run(taken, id);
      counts.clear();
    },
    lost: () => counts.clear(),
  };
}
