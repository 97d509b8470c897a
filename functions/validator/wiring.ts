import { processStack } from '../../shared/adapters/stack/stack.ts';
import type { ValidateEnrollmentPorts } from '../../shared/issuance/validate-enrollment.ts';

export function wiring(): ValidateEnrollmentPorts {
  const stack = processStack();
  return {
    ...stack,
    onItemFailed: (issuanceId, cause) => stack.logger.error('validation failed', { issuanceId, error: cause as Error }),
  };
}
