import { processStack } from '../../shared/adapters/stack/stack.ts';
import type { ReceiveEnrollmentPorts } from '../../shared/issuance/receive-enrollment.ts';

export function wiring() {
  const stack = processStack();
  const ports: ReceiveEnrollmentPorts = {
    ...stack,
    backends: stack.environment.backends,
    onSendFailed: (issuanceId, cause) =>
      stack.logger.warn('enrolment queue did not take an id', { issuanceId, error: cause as Error }),
  };
  return {
    ports,
    watch: stack.watch,
    credentials: stack.credentials,
    ledger: stack.ledger,
    authorities: stack.authorities,
    clock: stack.clock,
    logger: stack.logger,
  };
}
