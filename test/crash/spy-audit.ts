import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { probeSha256 } from '../../shared/adapters/pkcs11/describe-key.ts';
import { openSqliteReader } from '../../shared/adapters/sqlite/reader.ts';
import { signedDigests } from './spy-log.ts';

/** What the HSM was asked to sign, held against what the ledger intended. */
export interface SpyAudit {
  /** Calls of C_Sign over the bytes of an intent. */
  readonly signatures: number;
  /** Intents that were signed at least once. */
  readonly intents: number;
  /** Calls beyond the first over the same bytes: the answer to an earlier one was lost. */
  readonly repeats: number;
  /** Calls that read evidence of the key. */
  readonly probes: number;
  readonly withoutIntent: number;
  readonly faults: readonly string[];
}

export async function auditSpyLog(stateDir: string, spyLog: string): Promise<SpyAudit> {
  const signed = new Map(await signedDigests(spyLog));
  const probes = signed.get(probeSha256) ?? 0;
  signed.delete(probeSha256);
  const faults: string[] = [];
  let signatures = 0;
  let intents = 0;
  const reader = openSqliteReader(join(stateDir, 'ledger.sqlite'));
  try {
    for (const { issuanceId, intent, state } of reader.issuances()) {
      if (intent?.kind !== 'tbs') continue;
      const digest = createHash('sha256').update(intent.tbsDer).digest('hex');
      const count = signed.get(digest) ?? 0;
      signed.delete(digest);
      signatures += count;
      if (count > 0) intents += 1;
      else if (state === 'issued') faults.push(`${issuanceId} is issued, and the HSM was never asked to sign it`);
    }
  } finally {
    reader.close();
  }
  for (const [digest, count] of signed)
    faults.push(`C_Sign was called ${count} times over ${digest}, which nobody intended`);
  return { signatures, intents, repeats: signatures - intents, probes, withoutIntent: signed.size, faults };
}
