import type { SQSEvent } from 'aws-lambda';
import { afterEach, describe, expect, it } from 'vitest';
import type { EventSourceMapping } from '../../localstack/embedded/deployment.ts';
import { type BatchHandler, type Poller, startPoller } from '../../localstack/embedded/event-source-mapping.ts';
import type { QueueConsumer, QueueMessage } from '../../shared/issuance/ports.ts';

const mapping: EventSourceMapping = {
  functionName: 'one',
  handler: 'functions/one/handler.handler',
  queue: 'work',
  batchSize: 3,
  windowMs: 0,
  concurrencyMax: 1,
  visibilityMs: 10_000,
};

let started: Poller | undefined;
afterEach(async () => {
  await started?.stop();
  started = undefined;
});

interface FakeQueue extends QueueConsumer {
  readonly acknowledged: string[];
  readonly released: { readonly receipt: string; readonly delayMs: number }[];
  readonly asked: { readonly countMax: number; readonly visibilityMs: number; readonly waitMsMax: number }[];
}

/** Gives what it is told in turn: messages, nothing, or an error. Then nothing, after a moment. */
function fakeQueue(...turns: readonly (readonly QueueMessage[] | Error)[]): FakeQueue {
  const left = [...turns];
  const acknowledged: string[] = [];
  const released: { readonly receipt: string; readonly delayMs: number }[] = [];
  const asked: FakeQueue['asked'] = [];
  return {
    acknowledged,
    released,
    asked,
    async receive(options) {
      asked.push(options);
      const turn = left.shift();
      if (turn instanceof Error) throw turn;
      if (turn === undefined) await new Promise((resolve) => setTimeout(resolve, 5));
      return turn ?? [];
    },
    acknowledge: async (receipts) => void acknowledged.push(...receipts),
    release: async (receipts, delayMs) => void released.push(...receipts.map((receipt) => ({ receipt, delayMs }))),
  };
}

function message(id: string, receiveCount = 1): QueueMessage {
  return { messageId: id, body: `body ${id}`, receiveCount, sentAt: 1, receipt: `receipt ${id}` };
}

/** Runs one poller until `done`, then stops it. */
async function run(
  queue: QueueConsumer,
  handler: BatchHandler,
  done: () => boolean,
  changes: Partial<EventSourceMapping> = {},
) {
  const errors: unknown[] = [];
  started = startPoller({ ...mapping, ...changes }, queue, handler, (cause) => errors.push(cause));
  while (!done()) await new Promise((resolve) => setTimeout(resolve, 1));
  await started.stop();
  return errors;
}

const failing = (...ids: string[]) => ({ batchItemFailures: ids.map((itemIdentifier) => ({ itemIdentifier })) });
const batch = [message('a'), message('b'), message('c')];
const receipts = batch.map(({ receipt }) => receipt);
const settledBatch = (queue: FakeQueue) => () => queue.acknowledged.length + queue.released.length >= 3;

describe('an event source mapping', () => {
  it('gives the function the batch as SQS does, and deletes what succeeded', async () => {
    const events: SQSEvent[] = [];
    const queue = fakeQueue(batch);
    const errors = await run(
      queue,
      async (event) => {
        events.push(event);
        return failing();
      },
      settledBatch(queue),
    );
    expect(
      events[0]!.Records.map(({ messageId, body, eventSource, receiptHandle }) => [
        messageId,
        body,
        eventSource,
        receiptHandle,
      ]),
    ).toEqual(batch.map(({ messageId, body, receipt }) => [messageId, body, 'aws:sqs', receipt]));
    expect(queue.acknowledged).toEqual(receipts);
    expect(errors).toEqual([]);
  });

  it('keeps the messages that failed, alone [ReportBatchItemFailures]', async () => {
    const queue = fakeQueue(batch);
    await run(queue, async () => failing('b'), settledBatch(queue));
    expect(queue.acknowledged).toEqual(['receipt a', 'receipt c']);
    expect(queue.released.map(({ receipt }) => receipt)).toEqual(['receipt b']);
  });

  it('takes an id that failed twice as one', async () => {
    const queue = fakeQueue(batch);
    await run(queue, async () => failing('b', 'b'), settledBatch(queue));
    expect(queue.released).toHaveLength(1);
  });

  it.each([
    ['nothing', undefined],
    ['null', null],
    ['a text', 'done'],
    ['another object', { failures: [] }],
    ['no list', { batchItemFailures: {} }],
    ['a list of texts', { batchItemFailures: ['a'] }],
    ['an item without an id', { batchItemFailures: [{}] }],
    ['an empty id', failing('')],
    ['a null id', { batchItemFailures: [{ itemIdentifier: null }] }],
    ['a null item', { batchItemFailures: [null] }],
    ['an id that was not in the batch', failing('a', 'z')],
    ['the id of another kind', failing('receipt a')],
  ])('fails the whole batch for an answer of %s', async (_, answer) => {
    const queue = fakeQueue(batch);
    await run(queue, async () => answer as never, settledBatch(queue));
    expect(queue.acknowledged).toEqual([]);
    expect(queue.released.map(({ receipt }) => receipt)).toEqual(receipts);
  });

  it('fails the whole batch for an error, tells it, and goes on', async () => {
    const queue = fakeQueue(batch, [message('d')]);
    let calls = 0;
    const handler: BatchHandler = async () => {
      calls += 1;
      if (calls === 1) throw new Error('broken');
      return failing();
    };
    const errors = await run(queue, handler, () => queue.acknowledged.length > 0);
    expect(queue.released.map(({ receipt }) => receipt)).toEqual(receipts);
    expect(queue.acknowledged).toEqual(['receipt d']);
    expect(errors.map((error) => (error as Error).message)).toEqual(['broken']);
  });

  it('goes on after a queue that could not be read or written', async () => {
    const queue = fakeQueue(new Error('disk'), [message('d')]);
    const errors = await run(
      queue,
      async () => failing(),
      () => queue.acknowledged.length > 0,
    );
    expect(errors.map((error) => (error as Error).message)).toEqual(['disk']);
    const stubborn: QueueConsumer = {
      ...fakeQueue(batch, [message('e')]),
      acknowledge: async () => Promise.reject(new Error('full')),
    };
    let calls = 0;
    const more = await run(
      stubborn,
      async () => {
        calls += 1;
        return failing();
      },
      () => calls === 2,
    );
    expect(more[0]).toMatchObject({ message: 'full' });
  });

  it.each([
    [1, 1_000],
    [2, 2_000],
    [3, 4_000],
    [4, 8_000],
    [5, 10_000],
    [1_000_000, 10_000],
  ])(
    'brings a message back after its %d. delivery in %d ms: twice as long each time, up to its visibility',
    async (receiveCount, delayMs) => {
      const queue = fakeQueue([message('a', receiveCount)]);
      await run(
        queue,
        async () => failing('a'),
        () => queue.released.length === 1,
      );
      expect(queue.released).toEqual([{ receipt: 'receipt a', delayMs }]);
    },
  );

  it('asks for a batch, hidden for the visibility time-out', async () => {
    const queue = fakeQueue([message('a')]);
    await run(
      queue,
      async () => failing(),
      () => queue.acknowledged.length === 1,
    );
    expect(queue.asked[0]).toMatchObject({ countMax: 3, visibilityMs: 10_000 });
    expect(queue.asked.every(({ waitMsMax }) => waitMsMax <= 1_000)).toBe(true);
  });

  it('waits for a full batch while its window is open', async () => {
    const sizes: number[] = [];
    const queue = fakeQueue([message('a')], [message('b')], [], [message('c')], [message('d')]);
    await run(
      queue,
      async ({ Records }) => {
        sizes.push(Records.length);
        return failing();
      },
      () => queue.acknowledged.length >= 3,
      { windowMs: 5_000 },
    );
    expect(sizes[0]).toBe(3);
    expect(queue.asked.slice(0, 4).map(({ countMax }) => countMax)).toEqual([3, 2, 1, 1]);
  });

  it('gives what it has when its window closes', async () => {
    const sizes: number[] = [];
    const queue = fakeQueue([message('a')]);
    await run(
      queue,
      async ({ Records }) => {
        sizes.push(Records.length);
        return failing();
      },
      () => queue.acknowledged.length === 1,
      { windowMs: 20 },
    );
    expect(sizes).toEqual([1]);
  });

  it('runs as many batches at once as its concurrency, and no more', async () => {
    let running = 0;
    let most = 0;
    const queue = fakeQueue(...Array.from({ length: 12 }, (_, n) => [message(`m${n}`)]));
    const handler: BatchHandler = async () => {
      running += 1;
      most = Math.max(most, running);
      await new Promise((resolve) => setTimeout(resolve, 5));
      running -= 1;
      return failing();
    };
    await run(queue, handler, () => queue.acknowledged.length === 12, { concurrencyMax: 4 });
    expect(most).toBe(4);
  });

  it('finishes what is under way before it has stopped, and takes no more', async () => {
    const queue = fakeQueue([message('a')], [message('b')]);
    const finish = Promise.withResolvers<void>();
    let calls = 0;
    const poller = startPoller(
      mapping,
      queue,
      async () => {
        calls += 1;
        await finish.promise;
        return failing();
      },
      () => undefined,
    );
    while (calls === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    let stopped = false;
    const stopping = poller.stop().then(() => {
      stopped = true;
    });
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(stopped).toBe(false);
    finish.resolve();
    await stopping;
    expect(queue.acknowledged).toEqual(['receipt a']);
    expect(calls).toBe(1);
  });
});
