import { openCrlReader, openInventoryReads, processStack } from '../../shared/adapters/stack/stack.ts';

export function wiring() {
  const stack = processStack();
  return { ...stack, inventory: openInventoryReads(stack), crlObjects: openCrlReader(stack) };
}
