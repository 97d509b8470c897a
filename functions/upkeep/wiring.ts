import { processStack } from '../../shared/adapters/stack/stack.ts';
import type { KeepInventoryPorts } from '../../shared/issuance/keep-inventory.ts';

export function wiring(): KeepInventoryPorts {
  return processStack();
}
