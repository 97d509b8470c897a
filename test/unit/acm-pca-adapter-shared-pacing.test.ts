import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createLeasedPacingBudget, type PacingBudget, type PacingRate } from '../../shared/adapters/acm-pca/pacing.ts';
import type { PermitStore } from '../../shared/issuance/permits.ts';
import { openHarness, type SqliteHarness } from '../support/sqlite-harness.ts';
import { createVirtualTime, type VirtualTime } from '../support/virtual-time.ts';

let harness: SqliteHarness;
let time: VirtualTime;
beforeEach(async () => {
  harness = await openHarness('memory');
  time = createVirtualTime();
});
afterEach(() => harness.close());

const awsRate: PacingRate = { perSecond: 25, burstMs: 300 };

interface SignerOptions {
  readonly rate?: PacingRate;
  readonly store?: PermitStore;
  readonly shareForOthers?: number;
}

/** A budget as a signer in a process of its own has it: nothing is shared but the store. */
function signer({ rate = awsRate, store = harness.permits, shareForOthers = 0 }: SignerOptions = {}): PacingBudget {
  const { clock, sleep } = time;
  const rates = { IssueCertificate: rate, GetCertificate: { ...rate, perSecond: 3 * rate.perSecond } };
  return createLeasedPacingBudget({ store, clock, sleep, budgetId: 'account/region', rates, shareForOthers });
}

/** The service's side of a quota: a bucket of one second's calls. */
function quotaOf(perSecond: number) {
  let level = perSecond;
  let filledAt = time.clock();
  return () => {
    level = Math.min(perSecond, level + ((time.clock() - filledAt) * perSecond) / 1000);
    filledAt = time.clock();
    if (level < 1) return 'throttled';
    level -= 1;
    return 'accepted';
  };
}

const forever = Number.MAX_SAFE_INTEGER;

interface Tally {
  accepted: number[];
  throttled: number[];
}

/** Calls in batches of ten, as a signer does, until `until`. */
async function callUntil(until: number, budget: PacingBudget, service: () => 'accepted' | 'throttled', tally: Tally) {
  while (time.clock() < until) {
    await Promise.all(
      Array.from({ length: 10 }, async () => {
        await budget.take('IssueCertificate', forever);
        await time.sleep(30);
        const outcome = service();
        tally[outcome].push(time.clock());
        budget.report('IssueCertificate', outcome);
      }),
    );
    await time.sleep(20);
  }
}

async function load(signers: number, seconds: number, quota: number, options: SignerOptions = {}): Promise<Tally> {
  const tally: Tally = { accepted: [], throttled: [] };
  const service = quotaOf(quota);
  const until = time.clock() + seconds * 1000;
  const running = Array.from({ length: signers }, () => callUntil(until, signer(options), service, tally));
  await time.run(Promise.all(running));
  return tally;
}

const between = (instants: readonly number[], from: number, to: number) =>
  instants.filter((at) => at >= from && at < to).length;

describe('a budget shared through a store', () => {
  it.each([1, 2, 8])(
    'lets %i signers together reach the rate, and throttles none (Done when: pacing)',
    async (count) => {
      const start = time.clock();
      const { accepted, throttled } = await load(count, 60, 25);
      expect(throttled).toEqual([]);
      const after = between(accepted, start + 1000, start + 60_000) / 59;
      expect(after).toBeGreaterThanOrEqual(25 * 0.98);
      expect(after).toBeLessThanOrEqual(25 * 1.01);
    },
  );

  it('leaves the share of others untouched', async () => {
    const start = time.clock();
    const { accepted } = await load(2, 40, 25, { shareForOthers: 0.2 });
    const after = between(accepted, start + 1000, start + 40_000) / 39;
    expect(after).toBeGreaterThan(20 * 0.98);
    expect(after).toBeLessThanOrEqual(20 * 1.01);
  });

  it('finds a quota below the configured one, and stays there without sawing', async () => {
    const start = time.clock();
    const { accepted, throttled } = await load(4, 300, 12);
    const rates = Array.from({ length: 20 }, (_, index) => {
      const from = start + 100_000 + index * 10_000;
      return between(accepted, from, from + 10_000) / 10;
    });
    expect(Math.min(...rates)).toBeGreaterThan(12 * 0.85);
    expect(throttled.length / (throttled.length + accepted.length)).toBeLessThan(0.03);
    expect(
      between(throttled, start + 100_000, start + 300_000) / between(accepted, start + 100_000, start + 300_000),
    ).toBeLessThan(0.02);
  });

  it('comes back to the configured rate when the limit is lifted, and never above it', async () => {
    await load(2, 20, 10);
    const start = time.clock();
    const { accepted } = await load(2, 200, 1_000);
    expect(between(accepted, start + 190_000, start + 200_000) / 10).toBeGreaterThan(25 * 0.98);
    for (let from = start; from < start + 190_000; from += 10_000) {
      expect(between(accepted, from, from + 10_000)).toBeLessThanOrEqual(10 * 25 + 8);
    }
  });

  it('tells all signers what one of them learned', async () => {
    const [one, other] = [
      signer({ rate: { perSecond: 100, burstMs: 0 } }),
      signer({ rate: { perSecond: 100, burstMs: 0 } }),
    ];
    const rateOf = async (budget: PacingBudget) => {
      const from = time.clock();
      for (let taken = 0; taken < 40; taken += 1) await budget.take('IssueCertificate', forever);
      return 40_000 / (time.clock() - from);
    };
    await time.run(
      (async () => {
        expect(await rateOf(other)).toBeGreaterThan(95);
        for (let round = 0; round < 3; round += 1) {
          for (let count = 0; count < 50; count += 1) one.report('IssueCertificate', 'throttled');
          await time.sleep(1_100);
          await one.take('IssueCertificate', forever);
        }
        expect(await rateOf(other)).toBeLessThan(60);
      })(),
    );
  });

  it('does not mistake an accident for a limit', async () => {
    const budget = signer();
    await time.run(
      (async () => {
        for (let taken = 0; taken < 200; taken += 1) {
          await budget.take('IssueCertificate', forever);
          budget.report('IssueCertificate', taken === 50 ? 'throttled' : 'accepted');
        }
        const from = time.clock();
        for (let taken = 0; taken < 25; taken += 1) await budget.take('IssueCertificate', forever);
        expect(time.clock() - from).toBeLessThanOrEqual(1_000);
      })(),
    );
  });

  it('never starves collecting: throttles of one call leave the budget of the other alone', async () => {
    const budget = signer();
    await time.run(
      (async () => {
        for (let round = 0; round < 5; round += 1) {
          for (let count = 0; count < 20; count += 1) budget.report('IssueCertificate', 'throttled');
          await time.sleep(1_500);
        }
        const from = time.clock();
        for (let taken = 0; taken < 75; taken += 1) await budget.take('GetCertificate', forever);
        expect(time.clock() - from).toBeLessThanOrEqual(1_000);
      })(),
    );
  });

  it('loses the permits of a signer that is gone, and no more than those', async () => {
    const gone = signer();
    const other = signer();
    await time.run(
      (async () => {
        expect((await gone.reserve('IssueCertificate', time.clock() + 5_000, 50)).permits.length).toBeGreaterThan(40);
        const from = time.clock();
        for (let taken = 0; taken < 25; taken += 1) await other.take('IssueCertificate', forever);
        expect(time.clock() - from).toBeLessThanOrEqual(2_000 + 1_100);
      })(),
    );
  });
});

describe('a reservation', () => {
  it('is there at once while there is room, each permit with its instant', async () => {
    const { permits } = await time.run(signer().reserve('IssueCertificate', time.clock() + 1_000, 10));
    const now = time.clock();
    expect(permits).toHaveLength(10);
    expect(permits.filter(({ at }) => at <= now).length).toBeGreaterThanOrEqual(7);
    for (const [index, { at }] of permits.slice(1).entries()) expect(at - permits[index]!.at).toBeCloseTo(40, 3);
  });

  it('is a part of what was asked for when the rest would come too late, and says when to ask again', async () => {
    const budget = signer({ rate: { perSecond: 2, burstMs: 0 } });
    const first = await time.run(budget.reserve('IssueCertificate', time.clock() + 1_000, 20));
    expect(first.permits.length).toBeGreaterThan(0);
    expect(first.permits.length).toBeLessThan(20);
    expect(first.retryAfterMs).toBeGreaterThan(0);
    const second = await time.run(
      signer({ rate: { perSecond: 2, burstMs: 0 } }).reserve('IssueCertificate', time.clock(), 5),
    );
    expect(second.permits).toEqual([]);
  });

  it('waits for its turn up to the deadline', async () => {
    const [one, other] = [signer(), signer()];
    await time.run(
      (async () => {
        await one.reserve('IssueCertificate', time.clock(), 100);
        const from = time.clock();
        expect((await other.reserve('IssueCertificate', from + 6_000, 10)).permits).toHaveLength(10);
        expect(time.clock() - from).toBeLessThanOrEqual(1_000);
      })(),
    );
  });
});

describe('a store that is not there', () => {
  const failing = (count: number): PermitStore => {
    let left = count;
    return {
      read: harness.permits.read,
      async exchange(...exchange) {
        if (left-- > 0) throw new Error('the disk is gone');
        return harness.permits.exchange(...exchange);
      },
    };
  };

  it('gives no permits, rejects nothing, and gives them again when it is back', async () => {
    const budget = signer({ store: failing(2) });
    const deadline = time.clock() + 10_000;
    expect((await time.run(budget.take('IssueCertificate', deadline))).kind).toBe('late');
    expect(await time.run(budget.reserve('IssueCertificate', deadline, 3))).toMatchObject({ permits: [] });
    expect((await time.run(budget.take('IssueCertificate', deadline))).kind).toBe('granted');
  });

  it('wastes the permits of an exchange whose answer was lost, and gives them to nobody twice', async () => {
    let lost = 1;
    const store: PermitStore = {
      read: harness.permits.read,
      async exchange(...exchange) {
        const outcome = await harness.permits.exchange(...exchange);
        if (lost-- > 0) throw new Error('the answer was lost');
        return outcome;
      },
    };
    const budget = signer({ store });
    await time.run(budget.reserve('IssueCertificate', time.clock(), 5));
    const before = (await harness.permits.read('account/region/IssueCertificate'))!.budget.nextAt;
    const { permits } = await time.run(budget.reserve('IssueCertificate', time.clock(), 5));
    expect(permits[0]!.at).toBeGreaterThanOrEqual(before);
  });
});

it('heals a budget that a wrong clock has given out for hours', async () => {
  const now = time.clock();
  const budget = {
    perSecond: 5,
    nextAt: now + 3_600_000,
    ratedAt: now + 3_600_000,
    cuts: 3,
    quietUntil: now + 3_600_000,
    deafUntil: now + 3_600_000,
  };
  await harness.permits.exchange('account/region/IssueCertificate', 0, budget);
  expect((await time.run(signer().take('IssueCertificate', forever))).kind).toBe('granted');
  expect(time.clock() - now).toBeLessThanOrEqual(11_000);
});

it.each([-0.1, 1, Number.NaN])('refuses %d as the share for others', (shareForOthers) => {
  expect(() => signer({ shareForOthers })).toThrow(RangeError);
});
