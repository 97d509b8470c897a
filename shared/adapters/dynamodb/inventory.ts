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

/** What every function may read. */
export function createDynamoInventoryReads(options: DynamoInventoryOptions): InventoryReads {
  const { table, ledger, clock, ageMsMax = 2_000 } = options;
  return {
    ...createCounterReads({ table, clock, journals: rememberJournals(table, clock, ageMsMax) }),
    certificatesOfKey: createDynamoKeyReads(table, ledger),
    contacts: createContactReads(options),
  };
}

/** What the upkeep writes and a recount reads: of two functions alone, so that no other bundle carries it. */
export function createDynamoInventoryWork(
  table: Table,
  caIds: DynamoInventoryOptions['caIds'],
): InventoryUpkeep & RecountSource {
  return { ...createDynamoUpkeep(table, caIds), ...createDynamoRecount(table, caIds) };
}

export function createDynamoInventory(
  options: DynamoInventoryOptions,
): InventoryReads & InventoryUpkeep & RecountSource {
  return { ...createDynamoInventoryReads(options), ...createDynamoInventoryWork(options.table, options.caIds) };
}
