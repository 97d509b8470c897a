import type { SQSEvent } from 'aws-lambda';
import { describe, expect, it } from 'vitest';
import type { EventSourceMapping } from '../../localstack/embedded/deployment.ts';
import { type BatchHandler, startPoller } from '../../localstack/embedded/event-source-mapping.ts';
import { disposable } from '../support/disposable.ts';
import { openSqsHarness } from '../support/sqs-harness.ts';

const receiveCountMax = 3;
const mapping: EventSourceMapping = {
  functionName: 'one',
  handler: 'functions/one/handler.handler',
  queue: 'work',
  batchSize: 10,
  windowMs: 0,
  concurrencyMax: 2,
  visibilityMs: 10_000,
};
const good = Array.from({ length: 25 }, (_, n) => `request-${n}.1`);

/** Polls SQS with the embedded host's event source mapping until `done`; answers the bodies of each delivery, and errors. */
async function poll(
  { work }: Awaited<ReturnType<typeof openSqsHarness>>,
  handler: BatchHandler,
  done: (delivered: readonly string[]) => boolean | Promise<boolean>,
) {
  const delivered: string[] = [];
  const errors: unknown[] = [];
  const counting: BatchHandler = (event, context) => {
    delivered.push(...event.Records.map(({ body }) => body));
    return handler(event, context);
  };
  const poller = startPoller(mapping, work, counting, (cause) => errors.push(cause));
  try {
    while (!(await done(delivered))) await new Promise((resolve) => setTimeout(resolve, 100));
  } finally {
    await poller.stop();
  }
  return { delivered, errors };
}

const failing = ({ Records }: SQSEvent, body: string) => ({
  batchItemFailures: Records.filter((record) => record.body === body).map(({ messageId }) => ({
    itemIdentifier: messageId,
  })),
});

describe('the event source mapping of the embedded host on SQS', () => {
  it('gives a poison message up alone, after as many deliveries as its queue says (poison-alone)', async () => {
    await using h = disposable(await openSqsHarness(receiveCountMax));
    await h.work.send(['poison.1', ...good]);
    const { delivered, errors } = await poll(
      h,
      async (event) => failing(event, 'poison.1'),
      async () => (await h.deadLetters.counts()).get('work') === 1,
    );
    expect(errors).toEqual([]);
    expect(delivered.filter((body) => body !== 'poison.1').sort()).toEqual([...good].sort());
    expect(delivered.filter((body) => body === 'poison.1')).toHaveLength(receiveCountMax);
    expect((await h.deadLetters.list({ countMax: 10 })).letters).toMatchObject([
      { queue: 'work', body: 'poison.1', receiveCount: receiveCountMax },
    ]);
    expect(await h.work.depth()).toMatchObject({ visible: 0, inFlight: 0 });
  });

  it('delivers a whole batch again when the function throws, and settles it then (redelivery)', async () => {
    await using h = disposable(await openSqsHarness(receiveCountMax));
    await h.work.send(good.slice(0, 5));
    let calls = 0;
    const succeeded = new Set<string>();
    const { delivered, errors } = await poll(
      h,
      async ({ Records }) => {
        calls += 1;
        if (calls === 1) throw new Error('out of memory');
        for (const { body, attributes } of Records) {
          if (attributes.ApproximateReceiveCount !== '1') succeeded.add(body);
        }
        return { batchItemFailures: [] };
      },
      async () => {
        const { visible, inFlight } = await h.work.depth();
        return succeeded.size > 0 && visible + inFlight === 0;
      },
    );
    expect(errors).toMatchObject([{ message: 'out of memory' }]);
    expect([...new Set(delivered)].sort()).toEqual(good.slice(0, 5));
    expect(delivered).toHaveLength(5 + succeeded.size);
    expect((await h.deadLetters.counts()).size).toBe(0);
  });
});
