import { describe, expect, it } from 'vitest';
import type { AuditStore, Comparison, KnownReport } from '../../shared/issuance/ports.ts';
import { disposable } from '../support/disposable.ts';
import { ledgerTime, minuteMs } from '../support/ledger-fixtures.ts';

export interface AuditHarness {
  readonly audits: AuditStore;
  /** Ends this one and opens the same state again, as the next process would. */
  reopen(): Promise<AuditHarness>;
  close(): Promise<void>;
}

const report: KnownReport = {
  caId: 'devices',
  generation: 1,
  reportId: 'report-1',
  askedAt: ledgerTime,
  status: { kind: 'creating' },
  consideredThrough: 0,
};

const comparison: Comparison = {
  caId: 'devices',
  generation: 1,
  comparedAt: ledgerTime,
  report: { reportId: 'report-1', askedAt: ledgerTime, begunAt: ledgerTime + 1 },
  entries: 2,
  undecided: 0,
  unknownCertificates: {
    count: 1,
    named: [
      {
        arn: 'arn:certificate/1',
        serialHex: '01',
        subject: 'CN="quoted", \u00fcmlaut',
        notBefore: ledgerTime,
        notAfter: ledgerTime + 1,
        issuedAt: ledgerTime,
        templateArn: 'arn:template',
      },
    ],
  },
  unknownIssuances: { count: 1, named: [{ issuanceId: 'I.1', serial: '02', at: ledgerTime }] },
};

/** The contract of `AuditStore`, as the comments of the port state it. `open` answers an empty one each time. */
export function auditStoreSuite(name: string, open: () => Promise<AuditHarness>, durable: boolean): void {
  describe(`the audit store on ${name}`, () => {
    it('keeps the last report of each generation of a CA (report)', async () => {
      await using h = disposable(await open());
      expect(await h.audits.report('devices', 1)).toBeUndefined();
      const next = { ...report, generation: 2, reportId: 'report-2' };
      await Promise.all([h.audits.recordReport(report), h.audits.recordReport(next)]);
      const ready: KnownReport = {
        ...report,
        status: { kind: 'ready', begunAt: ledgerTime + 5, location: 'audit-report/a/b.json' },
        consideredThrough: ledgerTime + 7,
      };
      await h.audits.recordReport(ready);
      expect([await h.audits.report('devices', 1), await h.audits.report('devices', 2)]).toEqual([ready, next]);
    });

    it('lets no earlier report take the place of a later one (late-writer)', async () => {
      await using h = disposable(await open());
      const later = { ...report, reportId: 'report-2', askedAt: ledgerTime + 30 * minuteMs };
      await h.audits.recordReport(later);
      await h.audits.recordReport({ ...report, status: { kind: 'failed' } });
      expect(await h.audits.report('devices', 1)).toEqual(later);
    });

    it('keeps until when a report is not worth asking for, apart from the reports (deferral)', async () => {
      await using h = disposable(await open());
      expect(await h.audits.beginAfter('devices', 1)).toBe(0);
      await h.audits.deferBegin('devices', 1, ledgerTime);
      await h.audits.recordReport(report);
      await h.audits.deferBegin('devices', 1, ledgerTime - minuteMs);
      expect([await h.audits.beginAfter('devices', 1), await h.audits.beginAfter('devices', 2)]).toEqual([
        ledgerTime - minuteMs,
        0,
      ]);
    });

    it('keeps the last comparison of each CA as it is (comparison)', async () => {
      await using h = disposable(await open());
      expect(await h.audits.comparison('devices', 1)).toBeUndefined();
      await h.audits.recordComparison({ ...comparison, entries: 1 });
      await h.audits.recordComparison(comparison);
      const other = { ...comparison, caId: 'alpha' };
      await h.audits.recordComparison(other);
      expect(await h.audits.comparison('devices', 1)).toEqual(comparison);
      expect(await h.audits.comparisons()).toEqual([other, comparison]);
    });

    if (!durable) return;
    it('is there for the next process (durable)', async () => {
      const first = await open();
      await first.audits.recordReport(report);
      await first.audits.deferBegin('devices', 1, ledgerTime);
      await first.audits.recordComparison(comparison);
      await using h = disposable(await first.reopen());
      expect([
        await h.audits.report('devices', 1),
        await h.audits.beginAfter('devices', 1),
        await h.audits.comparisons(),
      ]).toEqual([report, ledgerTime, [comparison]]);
    });
  });
}
