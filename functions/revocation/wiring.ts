import { processStack } from '../../shared/adapters/stack/stack.ts';
import { createCustodyGate } from '../../shared/issuance/custody-gate.ts';
import { createBackends } from '../signer/backends.ts';

/** Ports of `RevokePorts` and, where CRLs are ours, of `PublishCrlsPorts`. */
export async function wiring() {
  const stack = processStack();
  const custody = createCustodyGate(stack.hierarchy, stack.clock);
  return { ...stack, backendOf: await createBackends(stack), custody };
}

/** For what answers while the backends are still being made. */
export const raiseOfProcess = () => processStack().raise;
