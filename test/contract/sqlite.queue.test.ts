import { queueHarness } from '../support/sqlite-harness.ts';
import { queueSuite } from './queue-suite.ts';

const differences = {
  visibilityMs: 30_000,
  receiveCountMax: 3,
  lagMsMax: 0,
  keepsLastError: true,
  tellsOldestAge: true,
  tellsDeadAt: true,
  batchCountMax: 10_000,
};
queueSuite('SQLite in memory', () => queueHarness('memory', 3), { ...differences, durable: false });
queueSuite('SQLite in a file', () => queueHarness('file', 3), { ...differences, durable: true });
