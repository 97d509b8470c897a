import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createWatch } from '../../shared/adapters/sqlite/watch.ts';
import { disposable } from '../support/disposable.ts';
import { guideTo, moves } from '../support/ledger-fixtures.ts';
import { openHarness } from '../support/sqlite-harness.ts';

const longMs = 1_000_000;

describe('the watch of a store', () => {
  it('wakes those who wait when the issuance settles, after its commit (settled-after-commit)', async () => {
    await using h = disposable(await openHarness('memory'));
    const { issuanceId } = await guideTo('received', h);
    const woken = h.watch.untilSettled(issuanceId, longMs).then(() => h.ledger.get(issuanceId));
    await h.ledger.advance([moves.reject(issuanceId)]);
    expect((await woken)?.state).toBe('rejected');
  });

  it('sleeps through moves that settle nothing, and through those of others (pending)', async () => {
    await using h = disposable(await openHarness('memory'));
    const [a, b] = [await guideTo('received', h), await guideTo('received', h)];
    let woken = false;
    const waiting = h.watch.untilSettled(a.issuanceId, longMs).then(() => {
      woken = true;
    });
    await h.ledger.advance([moves.approve(a.issuanceId), moves.reject(b.issuanceId)]);
    await h.ledger.advance([moves.reject(a.issuanceId)]);
    expect(woken).toBe(false);
    await h.ledger.advance([moves.lapse(a.issuanceId)]);
    await waiting;
  });

  it('ends every wait when the store is closed (close)', async () => {
    const h = await openHarness('memory');
    const waits = ['a', 'a', 'b'].map((id) => h.watch.untilSettled(id, longMs));
    await h.close();
    await Promise.all(waits);
  });
});

describe('waiters', () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it('give up when their time is over, and leave no timer behind (wait-max)', async () => {
    const watch = createWatch(10);
    let ended = 0;
    for (const waitMsMax of [100, 200]) void watch.untilSettled('a', waitMsMax).then(() => ended++);
    await vi.advanceTimersByTimeAsync(100);
    expect(ended).toBe(1);
    watch.settled('a');
    await vi.advanceTimersByTimeAsync(0);
    expect(ended).toBe(2);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('do not wait when there are too many, until some have gone (waiters-bound)', async () => {
    const watch = createWatch(2);
    const first = [watch.untilSettled('a', longMs), watch.untilSettled('b', longMs)];
    await watch.untilSettled('c', longMs);
    expect(vi.getTimerCount()).toBe(2);
    watch.settled('a');
    void watch.untilSettled('c', longMs);
    expect(vi.getTimerCount()).toBe(2);
    watch.close();
    await Promise.all(first);
    expect(vi.getTimerCount()).toBe(0);
  });
});
