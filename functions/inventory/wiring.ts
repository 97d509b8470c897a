import { randomBytes } from 'node:crypto';
import { setImmediate, setTimeout } from 'node:timers/promises';
import { openInventoryReads, openInventoryWork, openSearch, processStack } from '../../shared/adapters/stack/stack.ts';
import { publishedPrices } from '../../shared/inventory/prices.ts';
import { rememberEstimates } from '../../shared/issuance/estimate-rotation.ts';
import { createRecounts } from '../../shared/issuance/recount.ts';
import { rememberCounts } from '../../shared/issuance/remember-counts.ts';
import { createIssueRates } from './issue-rates.ts';

export function wiring() {
  const stack = processStack();
  const inventory = openInventoryReads(stack);
  const random = (bytes: number): Uint8Array => randomBytes(bytes);
  return {
    ...stack,
    search: openSearch(stack),
    inventory: rememberCounts(inventory, stack.clock),
    estimateRotation: rememberEstimates({
      ...stack,
      inventory,
      prices: publishedPrices,
      issueRate: createIssueRates(stack),
    }),
    recounts: createRecounts({
      source: openInventoryWork(stack),
      clock: stack.clock,
      random,
      pause: () => setImmediate(),
      wait: (ms) => setTimeout(ms, undefined, { ref: false }),
      onFailed: (cause) => stack.logger.warn('a recount failed', { error: cause as Error }),
    }),
  };
}

export type Wired = ReturnType<typeof wiring>;
