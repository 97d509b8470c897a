import middy from '@middy/core';
import { compareReports } from '../../shared/issuance/compare-report.ts';
import { wiring } from './wiring.ts';

const { ports, logger } = wiring();

/** A CA is compared once a day; the schedule comes more often, so that a CA which gave no report is asked again. */
const dueAfterMs = 23 * 3_600_000;
/** Of a CA with many certificates a report takes minutes. Below the function's 15 minutes. */
const waitMsMax = 600_000;

export interface AuditSummary {
  readonly compared: number;
  readonly waiting: number;
  readonly unknownCertificates: number;
  readonly unknownIssuances: number;
}

/** Compares what is due: what the CAs have issued, and what the ledger has, both ways. */
export const handler = middy<unknown, AuditSummary>().handler(async () => {
  const { compared, waiting } = await compareReports(await ports(), { dueAfterMs, waitMsMax });
  const summary: AuditSummary = {
    compared: compared.length,
    waiting: waiting.length,
    unknownCertificates: compared.reduce((sum, { unknownCertificates }) => sum + unknownCertificates.count, 0),
    unknownIssuances: compared.reduce((sum, { unknownIssuances }) => sum + unknownIssuances.count, 0),
  };
  if (compared.length + waiting.length > 0) logger.info('compared with the CAs', { ...summary, waitingFor: waiting });
  return summary;
});
