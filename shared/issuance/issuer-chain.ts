import type { AuthorityDirectory } from './authority-directory.ts';
import type { IssuanceRecord } from './issuance-record.ts';

/** What is handed out beside a leaf: its issuer's certificate, then the issuer's chain, root last. Empty while unissued. */
export async function issuerChain(
  authorities: AuthorityDirectory,
  record: IssuanceRecord,
): Promise<readonly Uint8Array[]> {
  if (record.state !== 'issued') return [];
  const issuer = await authorities.generation(record.caId, record.generation);
  if (issuer === undefined) throw new Error(`CA ${record.caId} generation ${record.generation} is not in the registry`);
  return [issuer.certificateDer, ...issuer.chain];
}
