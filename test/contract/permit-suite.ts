import { describe, expect, it } from 'vitest';
import type { PermitBudget, PermitStore } from '../../shared/issuance/permits.ts';
import { disposable } from '../support/disposable.ts';

export interface PermitHarness {
  readonly permits: PermitStore;
  close(): Promise<void>;
}

const budget = (changes: Partial<PermitBudget> = {}): PermitBudget => ({
  perSecond: 22.5,
  nextAt: 1_795_435_200_000.125,
  ratedAt: 1_795_435_200_000,
  cuts: 0,
  quietUntil: 0,
  deafUntil: 0,
  ...changes,
});

/** The contract of `PermitStore`. `open` answers an empty one each time. */
export function permitSuite(name: string, open: () => Promise<PermitHarness>): void {
  describe(`the permit store on ${name}`, () => {
    it('has nothing for a budget that nobody has used', async () => {
      await using h = disposable(await open());
      expect(await h.permits.read('a')).toBeUndefined();
    });

    it('stores a first budget under version 1, and each next one under the version after (compare-and-set)', async () => {
      await using h = disposable(await open());
      const second = budget({ perSecond: 11.025, cuts: 1, window: { from: 5, leased: 3, throttled: 1 } });
      expect(await h.permits.exchange('a', 0, budget())).toEqual({ kind: 'stored', version: 1 });
      expect(await h.permits.read('a')).toEqual({ budget: budget(), version: 1 });
      expect(await h.permits.exchange('a', 1, second)).toEqual({ kind: 'stored', version: 2 });
      expect(await h.permits.read('a')).toEqual({ budget: second, version: 2 });
    });

    it('answers what is there instead of a version that is not, and changes nothing (compare-and-set)', async () => {
      await using h = disposable(await open());
      expect(await h.permits.exchange('a', 3, budget())).toEqual({ kind: 'conflict', actual: undefined });
      await h.permits.exchange('a', 0, budget());
      const actual = { budget: budget(), version: 1 };
      for (const version of [0, 2]) {
        expect(await h.permits.exchange('a', version, budget({ cuts: 9 }))).toEqual({ kind: 'conflict', actual });
      }
      expect(await h.permits.read('a')).toEqual(actual);
    });

    it('forgets a window that the next budget does not have', async () => {
      await using h = disposable(await open());
      await h.permits.exchange('a', 0, budget({ window: { from: 5, leased: 3, throttled: 1 } }));
      await h.permits.exchange('a', 1, budget());
      expect((await h.permits.read('a'))?.budget).toEqual(budget());
    });

    it('keeps budgets apart', async () => {
      await using h = disposable(await open());
      await h.permits.exchange('a', 0, budget());
      expect(await h.permits.exchange('b', 0, budget({ cuts: 4 }))).toEqual({ kind: 'stored', version: 1 });
      expect((await h.permits.read('a'))?.budget.cuts).toBe(0);
    });

    it('lets one of many win each version: no permit is leased twice (linearizable)', async () => {
      await using h = disposable(await open());
      const { permits } = h;
      const signers = 8;
      const leasesEach = 10;
      async function lease(): Promise<number> {
        for (;;) {
          const known = await permits.read('a');
          const nextAt = known?.budget.nextAt ?? 0;
          const next = budget({ nextAt: nextAt + 1 });
          if ((await permits.exchange('a', known?.version ?? 0, next)).kind === 'stored') return nextAt;
        }
      }
      const leased = await Promise.all(
        Array.from({ length: signers }, async () => {
          const mine: number[] = [];
          while (mine.length < leasesEach) mine.push(await lease());
          return mine;
        }),
      );
      expect(leased.flat().toSorted((a, b) => a - b)).toEqual(
        Array.from({ length: signers * leasesEach }, (_, index) => index),
      );
      expect((await permits.read('a'))?.version).toBe(signers * leasesEach);
    });
  });
}
