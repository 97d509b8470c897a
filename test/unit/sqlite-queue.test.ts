import { describe, expect, it } from 'vitest';
import { disposable } from '../support/disposable.ts';
import { ledgerTime } from '../support/ledger-fixtures.ts';
import { openHarness, queueHarness } from '../support/sqlite-harness.ts';

const visibilityMs = 30_000;
const once = { countMax: 10, visibilityMs, waitMsMax: 0 };

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
    const dead = h.store.deadLetters('work-dead');
    expect(await dead.count()).toBe(1);
    const reason = {
      source: 'work',
      receiveCount: 2,
      lastError: 'e'.repeat(1_000),
      sentAt: ledgerTime,
      deadAt: ledgerTime + 10,
    };
    expect(await dead.list(10)).toEqual([{ messageId: '1', body: 'poison.1', ...reason }]);
  });

  it('go back to their queue as new messages, once (dead-letter-redrive)', async () => {
    await using h = disposable(await queueHarness('file', 1));
    await h.work.send(['poison.1']);
    await h.work.receive(once);
    await h.elapse(visibilityMs);
    expect(await h.work.receive(once)).toEqual([]);
    const again = await h.reopen();
    const dead = again.store.deadLetters('work-dead');
    const [letter] = await dead.list(10);
    const waiting = again.work.receive({ ...once, waitMsMax: 15_000 });
    expect(await dead.redrive(letter!.messageId)).toBe(true);
    expect(await dead.redrive(letter!.messageId)).toBe(false);
    expect(await dead.redrive('nonsense')).toBe(false);
    expect(await waiting).toMatchObject([{ body: 'poison.1', receiveCount: 1 }]);
    expect(await dead.count()).toBe(0);
    await again.close();
  });

  it('leave room for the messages behind them (redrive-fills-batch)', async () => {
    await using h = disposable(await queueHarness('memory', 1));
    await h.work.send(['a.1', 'b.1', 'c.1']);
    await h.work.receive(once);
    await h.elapse(visibilityMs);
    await h.work.send(['d.1', 'e.1']);
    expect((await h.work.receive({ ...once, countMax: 2 })).map(({ body }) => body)).toEqual(['d.1', 'e.1']);
    expect(await h.store.deadLetters('work-dead').count()).toBe(3);
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
