import { openHarness } from '../support/sqlite-harness.ts';
import { ledgerSuite } from './ledger-suite.ts';

ledgerSuite('SQLite in memory', () => openHarness('memory'), { durable: false, lagMsMax: 0 });
// As the embedded stack opens it: closed in order, it is as durable.
ledgerSuite('SQLite in a file, answering early', () => openHarness('file', { early: true }), {
  durable: true,
  lagMsMax: 0,
});
ledgerSuite('SQLite in a file', () => openHarness('file'), { durable: true, lagMsMax: 0 });
