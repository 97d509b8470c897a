import { describe, expect, it } from 'vitest';
import { disposable } from '../support/disposable.ts';
import { ledgerTime } from '../support/ledger-fixtures.ts';
import { openHarness, queueHarness } from '../support/sqlite-harness.ts';

const visibilityMs = 30_000;
const once = { countMax: 10, visibilityMs, waitMsMax: 0 };

async function giveUp(h: Awaited<ReturnType<typeof queueHarness>>, ...bodies: readonly string[]): Promise<void> {
  await h.work.send(bodies);
  await h.work.receive(once);
  await h.elapse(visibilityMs);
  expect(await h.work.receive(once)).toEqual([]);
}

describe('dead letters', () => {
  it('keep where they come from, how often they were delivered, and the last error (dead-letter-reason)', async () => {
    await using h = disposable(await queueHarness('memory', 2));
    await h.work.send(['poison.1']);
    const [first] = await h.work.receive(once);
    await h.work.release([first!.receipt], 0, 'the first error');
    const [second] = await h.work.receive(once);
    await h.work.release([second!.receipt], 0, 'e'.repeat(5_000));
    await h.elapse(10);
    expect(await h.work.receive(once)).toEqual([]);
    const [letter] = (await h.deadLetters.list({ countMax: 10 })).letters;
    expect(letter).toEqual({
      id: letter!.id,
      queue: 'work',
      body: 'poison.1',
      receiveCount: 2,
      lastError: 'e'.repeat(1_000),
      sentAt: ledgerTime,
      deadAt: ledgerTime + 10,
    });
  });

  it('of one body are one, with the deliveries of all (dead-letter-once)', async () => {
    await using h = disposable(await queueHarness('memory', 1));
    await giveUp(h, 'poison.1', 'other.1');
    const [before] = (await h.deadLetters.list({ countMax: 10 })).letters;
    await giveUp(h, 'poison.1');
    const { letters } = await h.deadLetters.list({ countMax: 10 });
    expect(letters.map(({ body, receiveCount }) => [body, receiveCount])).toEqual([
      ['other.1', 1],
      ['poison.1', 2],
    ]);
    expect(await h.deadLetters.get(before!.id)).toBeUndefined();
    expect(await h.deadLetters.redrive(before!.id)).toBe(false);
  });

  it('wake a consumer of their queue when they are sent back (dead-letter-long-poll)', async () => {
    await using h = disposable(await queueHarness('memory', 1));
    await giveUp(h, 'poison.1');
    const waiting = h.work.receive({ ...once, waitMsMax: 15_000 });
    const [letter] = (await h.deadLetters.list({ countMax: 10 })).letters;
    expect(await h.deadLetters.redrive(letter!.id)).toBe(true);
    expect(await waiting).toMatchObject([{ body: 'poison.1', receiveCount: 1 }]);
  });

  it('leave room for the messages behind them (redrive-fills-batch)', async () => {
    await using h = disposable(await queueHarness('memory', 1));
    await h.work.send(['a.1', 'b.1', 'c.1']);
    await h.work.receive(once);
    await h.elapse(visibilityMs);
    await h.work.send(['d.1', 'e.1']);
    expect((await h.work.receive({ ...once, countMax: 2 })).map(({ body }) => body)).toEqual(['d.1', 'e.1']);
    expect([...(await h.deadLetters.counts())]).toEqual([['work', 3]]);
  });

  it('are counted apart from the messages of the queues (dead-letter-counts)', async () => {
    await using h = disposable(await queueHarness('memory', 1));
    expect((await h.deadLetters.counts()).size).toBe(0);
    await h.work.send(['a.1']);
    expect((await h.deadLetters.counts()).size).toBe(0);
  });
});

describe('the depth of a queue', () => {
  it('counts what was acknowledged, once, whatever else becomes of messages (acknowledged-total)', async () => {
    await using h = disposable(await queueHarness('memory', 1));
    await giveUp(h, 'a.1');
    await h.work.send(['b.1', 'c.1']);
    const [message] = await h.work.receive({ ...once, countMax: 1 });
    await h.work.acknowledge([message!.receipt, message!.receipt, 'nonsense']);
    expect(await h.work.depth()).toMatchObject({ visible: 1, inFlight: 0, acknowledgedTotal: 1 });
  });
});

describe('queues of a store', () => {
  it('keep their messages apart (queue-names)', async () => {
    await using h = disposable(await openHarness('memory'));
    await h.queue('one').send(['a.1']);
    expect(await h.queue('two').receive(once)).toEqual([]);
    expect(await h.queue('one').receive(once)).toMatchObject([{ body: 'a.1' }]);
  });

  it('have names that SQS takes too (queue-name-form)', async () => {
    await using h = disposable(await openHarness('memory'));
    for (const name of ['', 'a b', '../x', 'ü', 'x'.repeat(81)]) {
      expect(() => h.queue(name)).toThrow(expect.objectContaining({ code: 'out-of-bounds' }));
    }
    expect(() => h.queue('x'.repeat(80))).not.toThrow();
  });

  it('have one redrive policy, whoever asks for them (redrive-policy)', async () => {
    await using h = disposable(await openHarness('memory'));
    const policy = { receiveCountMax: 3, deadLetterQueue: 'dead' };
    const queue = h.queue('work');
    expect(h.queue('work', policy)).toBe(queue);
    expect(h.queue('work', policy)).toBe(h.queue('work'));
    expect(() => h.queue('work', { ...policy, receiveCountMax: 4 })).toThrow();
    expect(() => h.queue('other', { receiveCountMax: 0, deadLetterQueue: 'dead' })).toThrow();
    expect(() => h.queue('other', { receiveCountMax: 3 })).toThrow();
    expect(() => h.queue('other', { receiveCountMax: 3, deadLetterQueue: 'other' })).toThrow();
  });

  it('ignore a receipt whose visibility timeout has ended, though nobody has the message yet (receipt-expired)', async () => {
    await using h = disposable(await openHarness('memory'));
    const queue = h.queue('work');
    await queue.send(['a.1']);
    const [message] = await queue.receive(once);
    await h.elapse(visibilityMs);
    await queue.acknowledge([message!.receipt]);
    expect(await queue.depth()).toMatchObject({ visible: 1, inFlight: 0 });
  });

  it('write nothing for a poll that finds nothing (idle-poll)', async () => {
    await using h = disposable(await openHarness('memory'));
    const queue = h.queue('work');
    const { operations } = h.stats();
    await queue.receive({ ...once, waitMsMax: 5 });
    expect(h.stats().operations).toBe(operations);
  });

  it('wake one of two consumers for one message, and the other for the next (long-poll-two)', async () => {
    await using h = disposable(await openHarness('memory'));
    const queue = h.queue('work');
    const waits = [1, 2].map(() => queue.receive({ ...once, countMax: 1, waitMsMax: 15_000 }));
    await queue.send(['a.1']);
    const first = await Promise.race(waits);
    expect(first).toHaveLength(1);
    await queue.send(['b.1']);
    expect(
      (await Promise.all(waits))
        .flat()
        .map(({ body }) => body)
        .sort(),
    ).toEqual(['a.1', 'b.1']);
  });

  it('do not let a consumer sleep on what was sent in the same commit as its empty take (long-poll-race)', async () => {
    await using h = disposable(await openHarness('memory'));
    const queue = h.queue('work');
    await queue.send(['a.1']);
    const waits = [1, 2].map(() => queue.receive({ ...once, countMax: 1, waitMsMax: 20_000 }));
    const sent = queue.send(['b.1']);
    expect((await Promise.all(waits)).flat().map(({ body }) => body)).toEqual(['a.1', 'b.1']);
    await sent;
  }, 5_000);

  it('wake a consumer when a message is released (long-poll-release)', async () => {
    await using h = disposable(await openHarness('memory'));
    const queue = h.queue('work');
    await queue.send(['a.1']);
    const [message] = await queue.receive(once);
    const waiting = queue.receive({ ...once, waitMsMax: 15_000 });
    await queue.release([message!.receipt], 0);
    expect(await waiting).toMatchObject([{ body: 'a.1', receiveCount: 2 }]);
  });

  it('end every long poll when the store is closed (long-poll-close)', async () => {
    const h = await openHarness('memory');
    const waiting = h.queue('work').receive({ ...once, waitMsMax: 15_000 });
    await h.close();
    expect(await waiting).toEqual([]);
  });
});
