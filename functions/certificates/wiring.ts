import { openCrlReader, processStack } from '../../shared/adapters/stack/stack.ts';

export function wiring() {
  const stack = processStack();
  return { ...stack, crlObjects: openCrlReader(stack) };
}
