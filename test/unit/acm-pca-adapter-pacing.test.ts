import { describe, expect, it } from 'vitest';
import type { PacingBudget, PacingRate } from '../../shared/adapters/acm-pca/pacing.ts';
import { createPacingBudget } from '../support/process-pacing.ts';

/** A clock that moves only when somebody sleeps, and to the latest sleeper's end. */
function virtualTime() {
  const time = { now: 1_000_000 };
  return {
    time,
    clock: () => time.now,
    sleep: async (waitMs: number) => {
      const until = time.now + waitMs;
      await Promise.resolve();
      time.now = Math.max(time.now, until);
    },
  };
}

const never = Number.MAX_SAFE_INTEGER;

function budgetOf(rate: PacingRate) {
  const virtual = virtualTime();
  const budget = createPacingBudget({ ...virtual, rates: { IssueCertificate: rate } });
  return { ...virtual, budget };
}

/** The store knows of the throttles that were reported. */
const told = () => new Promise((resolve) => setImmediate(resolve));

async function takeInTurn(budget: PacingBudget, count: number): Promise<void> {
  for (let taken = 0; taken < count; taken += 1) await budget.take('IssueCertificate', never);
}

describe('pacing of calls to ACM PCA', () => {
  it('lets a burst out at once and then keeps the rate (aws-facts: quotas)', async () => {
    const { budget, time } = budgetOf({ perSecond: 25, burstMs: 1000 });
    const start = time.now;
    await takeInTurn(budget, 25);
    expect(time.now - start).toBe(0);
    await takeInTurn(budget, 25);
    expect(time.now - start).toBe(1000);
  });

  it('never lets more out in any second than the rate and one burst', async () => {
    const { budget, time } = budgetOf({ perSecond: 40, burstMs: 500 });
    const instants: number[] = [];
    for (let taken = 0; taken < 200; taken += 1) {
      await budget.take('IssueCertificate', never);
      instants.push(time.now);
    }
    for (const start of instants) {
      expect(instants.filter((at) => at >= start && at < start + 1000).length).toBeLessThanOrEqual(60);
    }
  });

  it('gives permits to concurrent callers in the order they asked', async () => {
    const { budget } = budgetOf({ perSecond: 10, burstMs: 100 });
    const order: number[] = [];
    await Promise.all(
      Array.from({ length: 5 }, async (_, index) => {
        await budget.take('IssueCertificate', never);
        order.push(index);
      }),
    );
    expect(order).toEqual([0, 1, 2, 3, 4]);
  });

  it('answers late at once, and takes nothing, when the permit would come after the deadline', async () => {
    const { budget, time } = budgetOf({ perSecond: 10, burstMs: 100 });
    await budget.take('IssueCertificate', never);
    const before = time.now;
    expect(await budget.take('IssueCertificate', before + 99)).toEqual({ kind: 'late', retryAfterMs: 100 });
    expect(time.now).toBe(before);
    expect(await budget.take('IssueCertificate', before + 100)).toEqual({ kind: 'granted' });
  });

  it('takes several permits together or none', async () => {
    const { budget, time } = budgetOf({ perSecond: 10, burstMs: 1000 });
    expect(await budget.take('IssueCertificate', time.now, 11)).toEqual({ kind: 'late', retryAfterMs: 100 });
    expect(await budget.take('IssueCertificate', time.now, 10)).toEqual({ kind: 'granted' });
  });

  it('keeps the budgets of the calls apart, so that submitting never starves collecting', async () => {
    const { budget, time } = budgetOf({ perSecond: 1, burstMs: 1000 });
    await budget.take('IssueCertificate', never);
    expect((await budget.take('IssueCertificate', time.now)).kind).toBe('late');
    expect((await budget.take('GetCertificate', time.now)).kind).toBe('granted');
  });

  it('holds a permit back for each throttled call, and leaves the rate as it is until there are more', async () => {
    const { budget, time } = budgetOf({ perSecond: 100, burstMs: 0 });
    for (let count = 0; count < 5; count += 1) budget.report('IssueCertificate', 'throttled');
    expect(await budget.take('IssueCertificate', time.now)).toEqual({ kind: 'late', retryAfterMs: 50 });
  });

  it('cuts the rate by the share of throttled calls, at most by half, once they are no accident', async () => {
    const { budget, time } = budgetOf({ perSecond: 100, burstMs: 0 });
    const callsPerSecond = async () => {
      const from = time.now;
      await takeInTurn(budget, 40);
      return 40_000 / (time.now - from);
    };
    await takeInTurn(budget, 20);
    for (let count = 0; count < 20; count += 1) budget.report('IssueCertificate', 'throttled');
    await told();
    time.now += 1_500;
    await budget.take('IssueCertificate', never);
    const cut = await callsPerSecond();
    expect(cut).toBeGreaterThan(45);
    expect(cut).toBeLessThan(55);
  });

  it('never goes below one call a second', async () => {
    const { budget, time } = budgetOf({ perSecond: 4, burstMs: 0 });
    for (let round = 0; round < 12; round += 1) {
      for (let count = 0; count < 9; count += 1) budget.report('IssueCertificate', 'throttled');
      await told();
      time.now += 12_000;
      await takeInTurn(budget, 2);
    }
    const before = time.now;
    await budget.take('IssueCertificate', never);
    expect(time.now - before).toBeLessThanOrEqual(1_000);
  });

  it.each([
    ['a rate of zero', { perSecond: 0, burstMs: 500 }],
    ['a rate that is no number', { perSecond: Number.NaN, burstMs: 500 }],
    ["a burst above one second's", { perSecond: 25, burstMs: 1001 }],
  ])('refuses %s', (_, rate) => {
    expect(() => createPacingBudget({ clock: () => 0, rates: { GetCertificate: rate } })).toThrow(RangeError);
  });
});
