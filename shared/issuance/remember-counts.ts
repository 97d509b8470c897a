import type { EpochMs } from '../pki/epoch.ts';
import type { InventoryReads } from './inventory-ports.ts';
import type { Clock } from './ports.ts';

type Counted = ReturnType<InventoryReads['countValues']>;

/** Counts that are remembered; beyond, all are forgotten. */
const rememberedMax = 256;

/**
 * The inventory, with the number of different values remembered for `ageMsMax`: over several CAs it is the one figure of a headline
 * that has to look at every value, and it changes when an owner comes or goes.
 */
export function rememberCounts(inventory: InventoryReads, clock: Clock, ageMsMax = 60_000): InventoryReads {
  const kept = new Map<string, { readonly at: EpochMs; readonly counted: Counted }>();
  return {
    ...inventory,
    countValues(caIds, dimension, countMax) {
      const now = clock();
      const key = JSON.stringify([caIds, dimension, countMax]);
      const known = kept.get(key);
      if (known !== undefined && now >= known.at && now - known.at <= ageMsMax) return known.counted;
      const counted = inventory.countValues(caIds, dimension, countMax);
      if (kept.size >= rememberedMax) kept.clear();
      kept.set(key, { at: now, counted });
      counted.catch(() => kept.delete(key));
      return counted;
    },
  };
}
