import { processStack } from '../../shared/adapters/stack/stack.ts';
import type { ValidateEnrollmentPorts } from '../../shared/issuance/validate-enrollment.ts';
import { validatorReport } from './report.ts';

export function wiring(): ValidateEnrollmentPorts {
  const stack = processStack();
  return {
    ...stack,
    ...validatorReport(stack.raise),
  };
}
