import { randomBytes } from 'node:crypto';
import { processStack } from '../../shared/adapters/stack/stack.ts';
import { createReportingPorts } from '../auditor/reports.ts';

export function wiring() {
  const stack = processStack();
  return {
    ...stack,
    random: (bytes: number): Uint8Array => randomBytes(bytes),
    reportingPorts: createReportingPorts(stack),
  };
}
