import { processStack } from '../../shared/adapters/stack/stack.ts';
import type { ReconcilePorts } from '../../shared/issuance/reconcile.ts';

export function wiring(): {
  readonly ports: ReconcilePorts;
  readonly logger: ReturnType<typeof processStack>['logger'];
} {
  const stack = processStack();
  return { ports: stack, logger: stack.logger };
}
