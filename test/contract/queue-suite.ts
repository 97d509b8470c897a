import { describe, expect, it } from 'vitest';
import type { QueueMessage } from '../../shared/issuance/ports.ts';
import { disposable } from '../support/disposable.ts';
import {
  bodies,
  type QueueCases,
  type QueueDifferences,
  type QueueHarness,
  receive,
  takeAll,
} from './queue/harness.ts';
import { redriveCases } from './queue/redrive-cases.ts';

/** The contract of `WorkQueue` and `QueueConsumer`, as the comments of the ports state it. */
export function queueSuite(name: string, open: () => Promise<QueueHarness>, differences: QueueDifferences): void {
  const cases = { ...differences, open };
  describe(`a work queue on ${name}`, () => {
    deliveryCases(cases);
    visibilityCases(cases);
    deadLetterCases(cases);
    redriveCases(cases);
    concurrencyCases(cases);
    depthCases(cases);
    if (differences.durable) durabilityCases(cases);
  });
}

function deliveryCases({ open, visibilityMs, batchCountMax }: QueueCases): void {
  it('delivers every message that was sent (at-least-once)', async () => {
    await using h = disposable(await open());
    await h.work.send(['a.1', 'b.1']);
    await h.work.send(['c.1']);
    const messages = await takeAll(h.work, visibilityMs);
    expect(bodies(messages)).toEqual(['a.1', 'b.1', 'c.1']);
    expect(messages.map(({ receiveCount }) => receiveCount)).toEqual([1, 1, 1]);
    expect(new Set(messages.map(({ messageId }) => messageId)).size).toBe(3);
    expect(new Set(messages.map(({ receipt }) => receipt)).size).toBe(3);
  });

  it('delivers nothing before the delay it was sent with, and counts no delivery for it (send-delay)', async () => {
    await using h = disposable(await open());
    await h.work.send(['later.1'], visibilityMs);
    await h.work.send(['now.1']);
    expect(bodies(await takeAll(h.work, visibilityMs * 20))).toEqual(['now.1']);
    await h.elapse(visibilityMs + 1);
    const [message] = await takeAll(h.work, visibilityMs * 20);
    expect([message?.body, message?.receiveCount]).toEqual(['later.1', 1]);
  });

  it('delivers a body as often as it was sent (no-deduplication)', async () => {
    await using h = disposable(await open());
    await h.work.send(['a.1', 'a.1']);
    await h.work.send(['a.1']);
    expect(bodies(await takeAll(h.work, visibilityMs))).toEqual(['a.1', 'a.1', 'a.1']);
  });

  it('delivers an acknowledged message no more (acknowledge)', async () => {
    await using h = disposable(await open());
    await h.work.send(['a.1', 'b.1']);
    const [first] = await receive(h.work, 1, visibilityMs);
    await h.work.acknowledge([first!.receipt]);
    await h.elapse(visibilityMs);
    const rest = await takeAll(h.work, visibilityMs);
    expect(rest).toHaveLength(1);
    expect(rest[0]?.body).not.toBe(first?.body);
  });

  it('takes a large batch and delivers all of it, never more than asked at once (batch-bounds)', async () => {
    await using h = disposable(await open());
    const sent = Array.from({ length: batchCountMax }, (_, n) => `request-${String(n).padStart(6, '0')}.1`);
    await h.work.send(sent);
    const first = await receive(h.work, 3, visibilityMs * 5);
    expect(first.length).toBeGreaterThanOrEqual(1);
    expect(first.length).toBeLessThanOrEqual(3);
    const rest = await takeAll(h.work, visibilityMs * 5, batchCountMax);
    expect(bodies([...first, ...rest])).toEqual(sent);
    await h.work.acknowledge([...first, ...rest].map(({ receipt }) => receipt));
    await h.elapse(visibilityMs * 5);
    expect(await takeAll(h.work, visibilityMs)).toEqual([]);
  });

  it('refuses what is out of bounds (bounds)', async () => {
    await using h = disposable(await open());
    await expect(h.work.send(['x'.repeat(1_025)])).rejects.toThrow();
    await expect(h.work.send([''])).rejects.toThrow();
    for (const countMax of [0, 10_001]) await expect(receive(h.work, countMax, visibilityMs)).rejects.toThrow();
    await expect(receive(h.work, 1, 13 * 3_600_000)).rejects.toThrow();
    await h.work.send(['x'.repeat(1_024)]);
    expect(bodies(await takeAll(h.work, visibilityMs))).toEqual(['x'.repeat(1_024)]);
  });

  it('takes an empty send, acknowledgement and release (batch-empty)', async () => {
    await using h = disposable(await open());
    await h.work.send([]);
    await h.work.acknowledge([]);
    await h.work.release([], 0);
    expect(await receive(h.work, 10, visibilityMs)).toEqual([]);
  });
}

function visibilityCases({ open, visibilityMs }: QueueCases): void {
  it('hides a message that was received until its visibility timeout ends, then counts (visibility)', async () => {
    await using h = disposable(await open());
    await h.work.send(['a.1']);
    const [first] = await receive(h.work, 10, visibilityMs);
    expect(await receive(h.work, 10, visibilityMs)).toEqual([]);
    await h.elapse(visibilityMs / 2);
    expect(await receive(h.work, 10, visibilityMs)).toEqual([]);
    await h.elapse(visibilityMs / 2);
    const [second] = await takeAll(h.work, visibilityMs);
    expect(second).toMatchObject({ messageId: first!.messageId, body: 'a.1', receiveCount: 2, sentAt: first!.sentAt });
    expect(second?.receipt).not.toBe(first?.receipt);
  });

  it('ignores the receipt of an earlier delivery (stale-receipt)', async () => {
    await using h = disposable(await open());
    await h.work.send(['a.1']);
    const [first] = await receive(h.work, 1, visibilityMs);
    await h.elapse(visibilityMs);
    const [second] = await takeAll(h.work, visibilityMs);
    await h.work.acknowledge([first!.receipt]);
    await h.work.release([first!.receipt], 0);
    expect(await receive(h.work, 1, visibilityMs)).toEqual([]);
    await h.elapse(visibilityMs);
    const [third] = await takeAll(h.work, visibilityMs);
    expect(third).toMatchObject({ body: 'a.1', receiveCount: 3 });
    await h.work.acknowledge([second!.receipt, third!.receipt]);
    await h.elapse(visibilityMs);
    expect(await takeAll(h.work, visibilityMs)).toEqual([]);
  });

  it('ignores a receipt that is none, without failing those beside it (receipt-malformed)', async () => {
    await using h = disposable(await open());
    await h.work.send(['a.1']);
    const [message] = await receive(h.work, 1, visibilityMs);
    await h.work.acknowledge(['nonsense', message!.receipt, message!.receipt]);
    await h.work.release(['nonsense', message!.receipt], 0);
    await h.elapse(visibilityMs);
    expect(await takeAll(h.work, visibilityMs)).toEqual([]);
  });

  it('makes a released message visible after its delay (release)', async () => {
    await using h = disposable(await open());
    await h.work.send(['a.1']);
    const [first] = await receive(h.work, 1, visibilityMs * 20);
    await h.work.release([first!.receipt], visibilityMs);
    expect(await receive(h.work, 1, visibilityMs)).toEqual([]);
    await h.elapse(visibilityMs);
    const [second] = await takeAll(h.work, visibilityMs * 20);
    expect(second).toMatchObject({ body: 'a.1', receiveCount: 2 });
    await h.work.release([second!.receipt], 0);
    expect(await takeAll(h.work, visibilityMs)).toMatchObject([{ body: 'a.1', receiveCount: 3 }]);
  });

  it('releases and acknowledges one message of a batch apart from the others (partial-failure)', async () => {
    await using h = disposable(await open());
    await h.work.send(['a.1', 'b.1', 'c.1']);
    const batch = await takeAll(h.work, visibilityMs * 5);
    const receiptOf = (body: string) => batch.find((message) => message.body === body)!.receipt;
    await h.work.acknowledge([receiptOf('a.1')]);
    await h.work.release([receiptOf('b.1')], 0);
    expect(bodies(await takeAll(h.work, visibilityMs * 5))).toEqual(['b.1']);
    await h.elapse(visibilityMs * 5);
    expect(bodies(await takeAll(h.work, visibilityMs))).toEqual(['b.1', 'c.1']);
  });
}

function deadLetterCases({ open, visibilityMs, receiveCountMax }: QueueCases): void {
  it('gives a message to the dead-letter queue instead of one delivery too many (redrive)', async () => {
    await using h = disposable(await open());
    await h.work.send(['poison.1']);
    for (let delivery = 1; delivery <= receiveCountMax; delivery++) {
      expect(await takeAll(h.work, visibilityMs)).toMatchObject([{ body: 'poison.1', receiveCount: delivery }]);
      await h.elapse(visibilityMs);
    }
    await h.work.send(['good.1']);
    expect(bodies(await takeAll(h.work, visibilityMs))).toEqual(['good.1']);
    expect(bodies(await takeAll(h.dead, visibilityMs))).toEqual(['poison.1']);
    await h.elapse(visibilityMs);
    expect(bodies(await takeAll(h.work, visibilityMs))).toEqual(['good.1']);
  });

  it('counts a release as a delivery (redrive-after-release)', async () => {
    await using h = disposable(await open());
    await h.work.send(['poison.1']);
    for (let delivery = 1; delivery <= receiveCountMax; delivery++) {
      const [message] = await takeAll(h.work, visibilityMs);
      await h.work.release([message!.receipt], 0);
    }
    expect(await takeAll(h.work, visibilityMs)).toEqual([]);
    expect(bodies(await takeAll(h.dead, visibilityMs))).toEqual(['poison.1']);
  });
}

function concurrencyCases({ open, visibilityMs }: QueueCases): void {
  it('delivers each message to one of two consumers (two-consumers)', async () => {
    await using h = disposable(await open());
    const sent = Array.from({ length: 60 }, (_, n) => `request-${String(n).padStart(2, '0')}.1`);
    await h.work.send(sent);
    const consume = async () => {
      const taken: QueueMessage[] = [];
      for (let quiet = 0; quiet < 3; ) {
        const messages = await receive(h.work, 7, visibilityMs * 10);
        await h.work.acknowledge(messages.map(({ receipt }) => receipt));
        taken.push(...messages);
        quiet = messages.length === 0 ? quiet + 1 : 0;
      }
      return taken;
    };
    const taken = (await Promise.all([consume(), consume()])).flat();
    expect(bodies(taken)).toEqual(sent);
  });

  it('wakes a consumer that waits when a message is sent (long-poll)', async () => {
    await using h = disposable(await open());
    const waiting = h.work.receive({ countMax: 10, visibilityMs, waitMsMax: 15_000 });
    await h.work.send(['a.1']);
    expect(bodies(await waiting)).toEqual(['a.1']);
  });

  it('ends a wait in which nothing came (long-poll-empty)', async () => {
    await using h = disposable(await open());
    expect(await h.work.receive({ countMax: 10, visibilityMs, waitMsMax: 20 })).toEqual([]);
  });
}

function depthCases({ open, visibilityMs, lagMsMax, tellsOldestAge }: QueueCases): void {
  it('tells what is visible, what is in flight, and the age of the oldest (depth)', async () => {
    await using h = disposable(await open());
    const expectDepth = async (visible: number, inFlight: number, oldestAgeMsMin: number) => {
      for (let waitedMs = 0; ; waitedMs += 100) {
        const depth = await h.work.depth();
        const isOld = tellsOldestAge ? depth.oldestAgeMs! >= oldestAgeMsMin : depth.oldestAgeMs === undefined;
        const isThere = depth.visible === visible && depth.inFlight === inFlight && isOld;
        if (isThere || waitedMs >= lagMsMax) {
          return expect([depth, isOld]).toMatchObject([{ visible, inFlight }, true]);
        }
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    };
    await expectDepth(0, 0, 0);
    await h.work.send(['a.1', 'b.1', 'c.1']);
    await h.elapse(visibilityMs);
    await expectDepth(3, 0, visibilityMs);
    const [message] = await receive(h.work, 1, visibilityMs * 20);
    await expectDepth(2, 1, visibilityMs);
    await h.work.acknowledge([message!.receipt]);
    await expectDepth(2, 0, visibilityMs);
  });
}

function durabilityCases({ open, visibilityMs }: QueueCases): void {
  it('has messages, what is hidden, and how often it was delivered, in the next process (queue-durable)', async () => {
    const first = await open();
    await first.work.send(['a.1', 'b.1', 'c.1']);
    const [held, done] = await takeAll(first.work, visibilityMs, 2, 2);
    await first.work.acknowledge([done!.receipt]);
    await using h = disposable(await first.reopen());
    const left = ['a.1', 'b.1', 'c.1'].filter((body) => body !== held!.body && body !== done!.body);
    expect(bodies(await takeAll(h.work, visibilityMs))).toEqual(left);
    await h.elapse(visibilityMs);
    const again = await takeAll(h.work, visibilityMs);
    expect(again.find(({ body }) => body === held!.body)).toMatchObject({
      receiveCount: 2,
      messageId: held!.messageId,
    });
    expect(again).toHaveLength(2);
  });
}
