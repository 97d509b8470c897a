import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { probeSha256 } from '../../shared/adapters/pkcs11/describe-key.ts';
import { openSqliteReader } from '../../shared/adapters/sqlite/reader.ts';
import { parseCertificateList } from '../../shared/pki/certificate-list.ts';
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
  /** Calls over CRLs, whose TBSCertList is published, or whose number was taken for a signature that a kill lost. */
  readonly crls: number;
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
  const crls = takeCrls(stateDir, signed);
  for (const [digest, count] of signed)
    faults.push(`C_Sign was called ${count} times over ${digest}, which nobody intended`);
  return { signatures, intents, repeats: signatures - intents, probes, crls, withoutIntent: signed.size, faults };
}

/** Takes the CRLs out of what was signed: every signature on one takes a number first. */
function takeCrls(stateDir: string, signed: Map<string, number>): number {
  const folder = join(stateDir, 'crls');
  let count = 0;
  const take = (digest: string) => {
    count += signed.get(digest) ?? 0;
    signed.delete(digest);
  };
  if (existsSync(folder)) {
    for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
      const file = join(folder, name);
      if (!name.endsWith('.crl')) continue;
      take(
        createHash('sha256')
          .update(parseCertificateList(readFileSync(file)).tbsDer)
          .digest('hex'),
      );
    }
  }
  const database = new DatabaseSync(join(stateDir, 'ledger.sqlite'), { readOnly: true });
  const numbers = Number(database.prepare('SELECT coalesce(sum(number), 0) AS n FROM crl_numbers').get()?.n);
  database.close();
  // What is left was signed for a CRL that a kill kept from being published, or that a later one has replaced.
  for (const [digest, one] of [...signed]) if (count + one <= numbers) take(digest);
  return count;
}
