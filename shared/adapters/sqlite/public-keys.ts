import type { StatementSync } from 'node:sqlite';
import type { EpochMs } from '../../pki/epoch.ts';

/** Refuses a key from now on, for ever, whether or not somebody holds it; inside a transaction. The first time stays. */
export function createMarkCompromised(
  prepare: (sql: string) => StatementSync,
): (spkiSha256: string, owner: string, at: EpochMs) => void {
  const mark = prepare(
    'INSERT INTO compromised_keys (spki_sha256, owner, compromised_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING',
  );
  return (spkiSha256, owner, at) => void mark.run(spkiSha256, owner, at);
}
