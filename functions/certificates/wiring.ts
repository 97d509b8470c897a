import { processStack } from '../../shared/adapters/stack/stack.ts';

export function wiring() {
  return processStack();
}
