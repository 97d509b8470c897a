import type { InventoryUpkeep } from './inventory-ports.ts';
import type { Clock } from './ports.ts';

export interface KeepInventoryPorts {
  readonly inventory: InventoryUpkeep;
  readonly clock: Clock;
}

/** Counters of one transaction: some milliseconds of the ledger's writer. */
const rowsMax = 500;
/** Transactions of one run; what remains is the next one's. */
const stepsMax = 200;

/**
 * Brings the sums of the counters up to date with the clock. Reads are right without it: what it saves them is looking at
 * what has expired since.
 */
export async function keepInventory(
  ports: KeepInventoryPorts,
): Promise<{ readonly steps: number; readonly more: boolean }> {
  const at = ports.clock();
  for (let steps = 1; steps <= stepsMax; steps++) {
    const { more } = await ports.inventory.expire(at, rowsMax);
    if (!more) return { steps, more };
  }
  return { steps: stepsMax, more: true };
}
