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
// As the embedded stack opens it: closed in order, it is as durable.
queueSuite('SQLite in a file, answering early', () => queueHarness('file', 3, { early: true }), {
  ...differences,
  durable: true,
});
queueSuite('SQLite in a file', () => queueHarness('file', 3), { ...differences, durable: true });
