import type { InventoryReads, InventoryUpkeep, RecountSource } from '../../issuance/inventory-ports.ts';
import type { IssuanceLedger } from '../../issuance/ports.ts';
import type { EpochMs } from '../../pki/epoch.ts';
import type { Table } from './calls.ts';
import { type ContactReadsOptions, createContactReads } from './contacts.ts';
import { createCounterReads } from './inventory-reads.ts';
import { createDynamoUpkeep } from './inventory-upkeep.ts';
import { rememberJournals } from './journal.ts';
import { createDynamoKeyReads } from './key-reads.ts';
import { createDynamoRecount } from './recount-view.ts';

export interface DynamoInventoryOptions extends ContactReadsOptions {
  readonly table: Table;
  readonly ledger: Pick<IssuanceLedger, 'getMany'>;
  readonly clock: () => EpochMs;
  /** Every CA that may have issued. */
  readonly caIds: () => Promise<readonly string[]>;
  /** What is not folded yet is believed for so long. */
  readonly ageMsMax?: number;
}

export function createDynamoInventory(
  options: DynamoInventoryOptions,
): InventoryReads & InventoryUpkeep & RecountSource {
  const { table, ledger, clock, caIds, ageMsMax = 2_000 } = options;
  return {
    ...createCounterReads({ table, clock, journals: rememberJournals(table, clock, ageMsMax) }),
    ...createDynamoUpkeep(table, caIds),
    ...createDynamoRecount(table, caIds),
    certificatesOfKey: createDynamoKeyReads(table, ledger),
    contacts: createContactReads(options),
  };
}
