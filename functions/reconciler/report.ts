import type { RaiseAlarm } from '../../shared/issuance/alarms.ts';
import type { ReconcileReport } from '../../shared/issuance/reconcile.ts';

/** What a run found: issuances of unknown outcome raise an alarm, the rest is a line in the log. */
export function reportReconciliation(
  raise: RaiseAlarm,
  logger: { info(message: string, fields: Readonly<Record<string, unknown>>): void },
  report: ReconcileReport,
): void {
  if (report.orphanSuspected > 0) raise('orphan-suspected', { ...report });
  else logger.info('reconciled', { ...report });
}
