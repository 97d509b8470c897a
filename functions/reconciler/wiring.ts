import { processStack } from '../../shared/adapters/stack/stack.ts';
import type { RaiseAlarm } from '../../shared/issuance/alarms.ts';
import type { ReconcilePorts } from '../../shared/issuance/reconcile.ts';
import { createResendBackoff } from '../../shared/issuance/resend-backoff.ts';
import type { SettleOrphansPorts } from '../../shared/issuance/settle-orphans.ts';
import { createReportingPorts } from '../auditor/reports.ts';

export function wiring(): {
  readonly ports: ReconcilePorts;
  readonly settlementPorts: () => Promise<SettleOrphansPorts>;
  readonly logger: ReturnType<typeof processStack>['logger'];
  readonly raise: RaiseAlarm;
} {
  const stack = processStack();
  const ports = { ...stack, backoff: createResendBackoff() };
  return { ports, settlementPorts: createReportingPorts(stack), logger: stack.logger, raise: stack.raise };
}
