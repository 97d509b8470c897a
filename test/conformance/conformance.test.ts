import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestEndpoint, type TestEndpoint } from '../support/acm-pca-endpoint.ts';
import { allCases } from './cases/index.ts';
import { type PlantedFault, plantedFaults } from './faults.ts';
import { startFaultyEndpoint } from './faulty-endpoint.ts';
import { model } from './model.ts';
import { summarize, tableOf } from './report.ts';
import { type CaseResult, runCases } from './suite.ts';
import { openWorld } from './world.ts';

const account = '000000000000';
const region = 'us-east-1';
let endpoint: TestEndpoint;

beforeAll(async () => {
  endpoint = await startTestEndpoint({ control: true });
});
afterAll(() => endpoint.dispose());

async function runAt(url: string, wanted: (name: string) => boolean): Promise<readonly CaseResult[]> {
  const world = await openWorld({ url, region }, account);
  try {
    const cases = allCases.filter(({ name }) => wanted(name));
    return await runCases(cases, world, { allowCost: true });
  } finally {
    await world.dispose();
  }
}

async function runThrough(fault: PlantedFault | undefined, caseName: string): Promise<CaseResult> {
  const faulty = await startFaultyEndpoint(endpoint.url, fault);
  // What judges all answers needs some to judge.
  const isJudge = caseName.startsWith('model/every');
  try {
    const results = await runAt(faulty.url, (name) => name === caseName || (isJudge && name.startsWith('authority/')));
    return results.at(-1)!;
  } finally {
    await faulty.close();
  }
}

describe('the conformance suite', () => {
  it('has cases of different names, of every operation of the model (conformance-cases)', () => {
    expect(new Set(allCases.map(({ name }) => name)).size).toBe(allCases.length);
    for (const operation of Object.keys(model.operations)) {
      expect(allCases.some(({ name }) => name.startsWith(`model/${operation}`))).toBe(true);
    }
  });

  it('is passed whole by the local endpoint, nothing skipped (conformance-endpoint)', async () => {
    const results = await runAt(endpoint.url, () => true);
    expect(tableOf(results, false)).toBe('');
    expect(summarize(results)).toEqual({ passed: allCases.length, failed: 0, skipped: 0 });
  }, 60_000);

  it('asks nothing that costs unless it is allowed to (conformance-cost)', async () => {
    const created = () => Object.keys(endpoint.view().authorities).length;
    const issued = () => endpoint.view().operations.IssueCertificate?.errors ?? {};
    const [before] = [created(), issued()];
    const world = await openWorld({ url: endpoint.url, region }, account);
    const results = await runCases(allCases, world, { allowCost: false });
    await world.dispose();
    expect(created()).toBe(before);
    const isFree = (name: string) => allCases.some((one) => one.name === name && one.cost === 'none');
    expect(results.filter(({ outcome }) => outcome !== 'skipped').every(({ name }) => isFree(name))).toBe(true);
    expect(summarize(results).failed).toBe(0);
  });
});

describe('a planted fault', () => {
  it('there are more than ten, of different names (planted-faults)', () => {
    expect(new Set(plantedFaults.map(({ name }) => name)).size).toBe(plantedFaults.length);
    expect(plantedFaults.length).toBeGreaterThanOrEqual(10);
  });

  it.each(plantedFaults.map((fault) => [fault.name, fault] as const))(
    'is caught: %s (planted-faults)',
    async (_name, fault) => {
      expect((await runThrough(undefined, fault.caughtBy)).outcome).toBe('passed');
      const caught = await runThrough(fault, fault.caughtBy);
      expect([caught.name, caught.outcome]).toEqual([fault.caughtBy, 'failed']);
    },
  );
});
