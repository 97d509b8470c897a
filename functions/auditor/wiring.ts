import { processStack } from '../../shared/adapters/stack/stack.ts';
import { createReportingPorts } from './reports.ts';

export function wiring() {
  const stack = processStack();
  return { ports: createReportingPorts(stack), logger: stack.logger };
}
