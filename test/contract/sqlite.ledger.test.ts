import { openHarness } from '../support/sqlite-harness.ts';
import { ledgerSuite } from './ledger-suite.ts';

ledgerSuite('SQLite in memory', () => openHarness('memory'), { durable: false, lagMsMax: 0 });
ledgerSuite('SQLite in a file', () => openHarness('file'), { durable: true, lagMsMax: 0 });
