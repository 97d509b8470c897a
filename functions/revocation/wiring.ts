import { processStack } from '../../shared/adapters/stack/stack.ts';
import type { RevokePorts } from '../../shared/issuance/revoke-certificate.ts';
import { createBackends } from '../signer/backends.ts';

export async function wiring() {
  const stack = processStack();
  return { ...stack, backendOf: await createBackends(stack) } satisfies RevokePorts;
}

/** For what answers while the backends are still being made. */
export const raiseOfProcess = () => processStack().raise;
