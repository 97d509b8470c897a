import middy from '@middy/core';
import { type ReconcileReport, reconcile } from '../../shared/issuance/reconcile.ts';
import { type SettleOrphansResult, settleOrphans } from '../../shared/issuance/settle-orphans.ts';
import { reportReconciliation } from './report.ts';
import { wiring } from './wiring.ts';

const { ports, settlementPorts, logger, raise } = wiring();

/** What the schedule sends; `quietMs` is set by the embedded host at its start, when nothing else is at work. */
export interface ReconcileEvent {
  readonly detail?: { readonly quietMs?: number };
}

/** Every minute: settles what is stale, and orphans from what their CA reports. */
export const handler = middy<ReconcileEvent, ReconcileReport & { readonly orphans?: SettleOrphansResult }>().handler(
  async (event) => {
    const quietMs = event.detail?.quietMs;
    const report = await reconcile(ports, typeof quietMs === 'number' ? quietMs : undefined);
    reportReconciliation(raise, logger, report);
    const [orphan] = await ports.ledger.stale('orphan-suspected', ports.clock() + 1, 1);
    if (orphan === undefined) return report;
    const orphans = await settleOrphans(await settlementPorts());
    logger.warn('orphans settled', { ...orphans });
    return { ...report, orphans };
  },
);
