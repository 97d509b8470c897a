import type { Authority, Hierarchy } from '../hierarchy/hierarchy.ts';
import { outstandingAt } from '../inventory/outstanding.ts';
import type { EpochMs } from '../pki/epoch.ts';
import type { CounterRow } from './ports.ts';

/**
 * Certificates signed by a CA that are neither revoked nor expired. Leaves are counted by the ledger; below a CA that signs
 * CAs, those of the hierarchy are what it has issued.
 */
export function outstandingOf(
  hierarchy: Hierarchy,
  authority: Authority,
  counters: readonly CounterRow[],
  at: EpochMs,
): number {
  if (authority.tier !== 'issuance')
    return hierarchy.authorities.filter(({ parent }) => parent === authority.id).length;
  return outstandingAt(
    counters.filter(({ dimension }) => dimension === 'total'),
    at,
  );
}
