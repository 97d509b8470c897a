import { createCounterInventory } from '../../shared/adapters/ledger/inventory-of-counters.ts';
import { ledgerTime } from '../support/ledger-fixtures.ts';
import { openHarness } from '../support/sqlite-harness.ts';
import { inventorySuite } from './inventory-suite.ts';

inventorySuite('SQLite', async () => ({ ...(await openHarness('memory')), setNow: () => undefined }));

inventorySuite('counters alone', async () => {
  const h = await openHarness('memory');
  let now = ledgerTime;
  const { certificatesOfKey } = h.inventory;
  const inventory = createCounterInventory({ ledger: h.ledger, certificatesOfKey, clock: () => now, ageMsMax: -1 });
  return {
    ...h,
    inventory,
    setNow: (at: number) => {
      now = at;
    },
  };
});
