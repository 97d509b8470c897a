import { openProcessStack } from '#stack';
import type { Stack } from './base.ts';

export { openCrlReader, openCrlWork, openInventoryReads, openInventoryWork, openSearch } from '#stack';
export * from './base.ts';

/**
 * The stack of this process, opened at the first call: what every wiring of the process stands on. Which one is decided where
 * modules are resolved (package.json, `imports`): the bundles of the Lambdas have the aws stack and nothing of SQLite, every
 * other process the embedded one and no SDK of AWS but ACM PCA's.
 */
export function processStack(): Stack {
  return openProcessStack();
}
