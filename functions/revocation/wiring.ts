import { processStack } from '../../shared/adapters/stack/stack.ts';
import { createBackends } from '../signer/backends.ts';

/** Ports of `RevokePorts`. */
export async function wiring() {
  const stack = processStack();
  return { ...stack, backendOf: await createBackends(stack) };
}

/** For what answers while the backends are still being made. */
export const raiseOfProcess = () => processStack().raise;
