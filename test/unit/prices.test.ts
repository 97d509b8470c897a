import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import published from '../../shared/inventory/prices.json' with { type: 'json' };
import { costUsd, priceIds, pricesAsOf, publishedPrices, readPriceList } from '../../shared/inventory/prices.ts';

const changed = (id: string, change: object) => ({
  ...published,
  prices: { ...published.prices, [id]: { ...publishedPrices.prices['sqs-standard-request'], ...change } },
});
const faultsOf = (value: unknown) => {
  const reading = readPriceList(value);
  return reading.ok ? [] : reading.faults;
};

describe('the price list', () => {
  it('has every price, with the page that states it and the date (price-list)', () => {
    expect(faultsOf(published)).toEqual([]);
    expect(Object.keys(published.prices).sort()).toEqual([...priceIds].sort());
    expect(pricesAsOf(publishedPrices)).toMatch(/^2026-\d\d-\d\d$/);
  });

  it('names every fault of a list at once (price-list)', () => {
    expect(
      faultsOf({ ...changed('kms-request', { per: 0, asOf: '2026-13-01', evidence: 'hearsay' }), region: 7 }),
    ).toEqual([
      'region: a text',
      'kms-request: per: a number above 0',
      'kms-request: evidence: vendor, secondary, unconfirmed',
      'kms-request: asOf: a date, YYYY-MM-DD',
    ]);
    expect(faultsOf(changed('sqs-request', {}))).toEqual(['sqs-request: no such price']);
    expect(faultsOf({ ...published, prices: {} })).toHaveLength(priceIds.length);
    expect(faultsOf([])).toEqual(['a price list is a JSON object']);
  });

  it.each([
    [[], 'tiers: a list of 1 to 10 tiers'],
    [[{ usd: -1 }], 'tiers[0].usd: an amount, not negative'],
    [[{ usd: 1, upTo: 5 }], 'tiers[0].upTo: not of the last tier'],
    [[{ usd: 1, upTo: 5 }, { usd: 1, upTo: 5 }, { usd: 1 }], 'tiers[1].upTo: more than that of the tier before'],
    [[{ usd: 1 }, { usd: 2 }], 'tiers[0].upTo: more than that of the tier before'],
  ])('refuses tiers that leave units without one price (price-list) %#', (tiers, fault) => {
    expect(faultsOf(changed('kms-request', { tiers }))).toEqual([`kms-request: ${fault}`]);
  });

  it('takes any JSON value without throwing (price-list)', () => {
    fc.assert(fc.property(fc.jsonValue(), (value) => !readPriceList(value).ok));
  });
});

describe('a cost', () => {
  it('is per million where the price is (price-cost)', () => {
    expect(costUsd(publishedPrices, 'sqs-standard-request', 2_500_000)).toBeCloseTo(1, 9);
  });

  it('takes each certificate at the price of its tier (price-cost)', () => {
    const cost = (count: number) => costUsd(publishedPrices, 'acm-pca-general-purpose-certificate', count);
    expect(cost(1_000)).toBeCloseTo(750, 6);
    expect(cost(1_001)).toBeCloseTo(750.35, 6);
    expect(cost(1_000_000)).toBeCloseTo(750 + 9_000 * 0.35 + 990_000 * 0.001, 6);
  });

  it('never falls when more is used, and refuses what is no quantity (price-cost)', () => {
    fc.assert(
      fc.property(fc.constantFrom(...priceIds), fc.nat(1e9), fc.nat(1e9), (id, a, b) => {
        const [less, more] = a < b ? [a, b] : [b, a];
        return costUsd(publishedPrices, id, less) <= costUsd(publishedPrices, id, more);
      }),
    );
    for (const quantity of [-1, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() => costUsd(publishedPrices, 'kms-request', quantity)).toThrow(RangeError);
    }
  });
});
