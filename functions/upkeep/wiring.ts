import { openInventoryWork, processStack } from '../../shared/adapters/stack/stack.ts';
import type { KeepInventoryPorts } from '../../shared/issuance/keep-inventory.ts';

export function wiring(): KeepInventoryPorts {
  const stack = processStack();
  return { inventory: openInventoryWork(stack), clock: stack.clock };
}
