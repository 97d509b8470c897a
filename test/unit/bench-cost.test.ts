import { describe, expect, it } from 'vitest';
import { billUsd, hsmDeployment, managedDeployment, monthlyBill } from '../../bench/cost/monthly.ts';
import { costOfMillion, defaultAssumptions, leversOf, type Usage, writeUnitsWithin } from '../../bench/cost/usage.ts';
import { publishedPrices } from '../../shared/inventory/prices.ts';

const usage: Usage = {
  ledger: { path: 'pkcs11', batch: 10, requests: 6, readUnits: 11, tableWriteUnits: 20, indexWriteUnits: 10 },
  cpu: { enrollMs: 1, certificatesMs: 0.5, validatorMs: 0.5, signerMs: 1, sdkCallMs: 1 },
  assumptions: defaultAssumptions,
};
const lineOf = (of: Usage, name: string) => costOfMillion(publishedPrices, of).lines.find(({ line }) => line === name)!;

describe('the cost of a million certificates', () => {
  it('is the sum of its lines, each by its price (cost-lines)', () => {
    const cost = costOfMillion(publishedPrices, usage);
    expect(cost.lines.reduce((sum, one) => sum + one.usdPerMillion, 0)).toBeCloseTo(cost.usdPerMillion, 9);
    expect(lineOf(usage, 'DynamoDB writes, table').usdPerMillion).toBeCloseTo(12.5, 9);
    expect(lineOf(usage, 'API Gateway requests').usdPerMillion).toBeCloseTo(2, 9);
    // One message sent alone; the other one, and what is received and deleted of both, in batches of ten.
    expect(lineOf(usage, 'SQS requests').perCertificate).toBeCloseTo(1.5, 9);
    expect(lineOf(usage, 'Lambda invocations').perCertificate).toBeCloseTo(2.2, 9);
  });

  it('has no fee of the CA (cost-lines)', () => {
    expect(costOfMillion(publishedPrices, usage).lines.filter(({ price }) => /acm-pca|cloudhsm/.test(price))).toEqual(
      [],
    );
  });

  it('rises with each thing that a certificate uses (cost-lines)', () => {
    const of = (change: Partial<Usage>) => costOfMillion(publishedPrices, { ...usage, ...change }).usdPerMillion;
    const base = of({});
    expect(of({ ledger: { ...usage.ledger, batch: 1 } })).toBeGreaterThan(base);
    expect(of({ ledger: { ...usage.ledger, path: 'acm-pca' } })).toBeGreaterThan(base);
    expect(of({ cpu: { ...usage.cpu, sdkCallMs: 2 } })).toBeGreaterThan(base);
    for (const name of ['dynamoDbCallMs', 'sqsCallMs', 'getsPerCertificate', 'answerBytesPerCertificate'] as const) {
      const assumptions = { ...defaultAssumptions, [name]: defaultAssumptions[name] + 1 };
      expect(of({ assumptions })).toBeGreaterThan(base);
    }
  });

  it('says what each lever would make of it, and that both do more than one (cost-levers)', () => {
    const base = costOfMillion(publishedPrices, usage).usdPerMillion;
    const [once, provisioned, both] = leversOf(publishedPrices, usage).map(({ usdPerMillion }) => usdPerMillion);
    expect(once).toBeCloseTo(base - 5 * 0.625, 9);
    expect(provisioned).toBeLessThan(base);
    expect(both).toBeLessThan(Math.min(once!, provisioned!));
  });
});

describe('what the aim leaves room for', () => {
  it('is what is used when the aim is what it costs (cost-levers)', () => {
    const cost = costOfMillion(publishedPrices, usage).usdPerMillion;
    expect(writeUnitsWithin(publishedPrices, usage, cost)).toBeCloseTo(30, 9);
    expect(writeUnitsWithin(publishedPrices, usage, cost - 0.625)).toBeCloseTo(29, 9);
  });
});

describe('the bill of a month', () => {
  it('counts a CA by the month and an HSM by the hour (cost-monthly)', () => {
    const of = (line: string, lines = monthlyBill(publishedPrices, hsmDeployment)) =>
      lines.find((one) => one.line === line);
    expect(of('HSMs')?.usd).toBeCloseTo(2 * 730 * 1.6, 6);
    const managed = monthlyBill(publishedPrices, managedDeployment);
    expect(of('CAs at ACM PCA, general purpose', managed)?.usd).toBe(1200);
    expect(of('HSMs', managed)).toBeUndefined();
    expect(billUsd(managed)).toBeGreaterThan(1200);
  });
});
