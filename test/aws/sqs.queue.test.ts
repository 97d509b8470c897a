import { describe } from 'vitest';
import { queueSuite } from '../contract/queue-suite.ts';
import { openSqsHarness, sqsVisibilityMs } from '../support/sqs-harness.ts';

// Each case has queues of its own and mostly waits for real time: several at once.
describe.concurrent('in real time', () => {
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
});
