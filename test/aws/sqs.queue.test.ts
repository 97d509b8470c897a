import { queueSuite } from '../contract/queue-suite.ts';
import { openSqsHarness, sqsVisibilityMs } from '../support/sqs-harness.ts';

queueSuite('SQS', () => openSqsHarness(3), {
  durable: true,
  visibilityMs: sqsVisibilityMs,
  receiveCountMax: 3,
  lagMsMax: 5_000,
  keepsLastError: false,
  tellsOldestAge: false,
  tellsDeadAt: false,
  batchCountMax: 200,
});
