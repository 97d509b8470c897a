import { openCrlWork, processStack } from '../../shared/adapters/stack/stack.ts';
import { createCustodyGate } from '../../shared/issuance/custody-gate.ts';
import { createBackends } from '../signer/backends.ts';

/** Ports of `PublishCrlsPorts`. Deployed where the HSM's signer is: it signs with the same keys. */
export async function wiring() {
  const stack = processStack();
  return {
    ...stack,
    ...(await openCrlWork(stack)),
    backendOf: await createBackends(stack),
    custody: createCustodyGate(stack.hierarchy, stack.clock),
  };
}
