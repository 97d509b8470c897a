import type { StatementSync } from 'node:sqlite';
import type { EpochMs } from '../../pki/epoch.ts';

/**
 * Refuses a key from now on, for ever, whether or not somebody holds it; inside a transaction. The first time stays. `complete`
 * puts into the table what is to be there before (`Drafts.complete`).
 */
export function createMarkCompromised(
  prepare: (sql: string) => StatementSync,
  complete: () => void,
): (spkiSha256: string, owner: string, at: EpochMs) => void {
  const mark = prepare(`INSERT INTO public_keys (spki_sha256, owner, held_at, compromised_at) VALUES (?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET compromised_at = coalesce(compromised_at, excluded.compromised_at)`);
  return (spkiSha256, owner, at) => {
    complete();
    mark.run(spkiSha256, owner, at, at);
  };
}
