import middy from '@middy/core';
import { type ReconcileReport, reconcile } from '../../shared/issuance/reconcile.ts';
import { wiring } from './wiring.ts';

const { ports, logger } = wiring();

/** What the schedule sends; `quietMs` is set by the embedded host at its start, when nothing else is at work. */
export interface ReconcileEvent {
  readonly detail?: { readonly quietMs?: number };
}

/** Every minute: settles what is stale. */
export const handler = middy<ReconcileEvent, ReconcileReport>().handler(async (event) => {
  const quietMs = event.detail?.quietMs;
  const report = await reconcile(ports, typeof quietMs === 'number' ? quietMs : undefined);
  if (report.orphanSuspected > 0) logger.error('issuances of unknown outcome', { ...report });
  else logger.info('reconciled', { ...report });
  return report;
});
