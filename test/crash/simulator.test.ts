import { beforeAll, describe, expect, it } from 'vitest';
import { runDeliveries } from './simulator/deliveries.ts';
import { createBench, createEngine, type Engine, emptyPart, hashText, type Part } from './simulator/engine.ts';
import { cellAt, cellCount, indexOf } from './simulator/faults.ts';
import { renderMatrix } from './simulator/matrix.ts';
import { mistakes } from './simulator/mistakes.ts';

/** With another seed than the ones that are run by hand and in CI. */
const seed = 20_261_123;

async function runSome(engine: Engine, first: number, count: number): Promise<Part> {
  const part = emptyPart();
  for (let schedule = first; schedule < first + count; schedule++) await engine.run(schedule, part);
  return part;
}

describe('the simulated pipeline', () => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await createEngine(seed, undefined);
  });

  it('leaves the ledger sound after every schedule of faults (never lost, never twice)', async () => {
    const part = await runSome(engine, 0, 360);
    expect(part.failures).toEqual([]);
    expect(part.hits.filter((hits) => hits > 0).length).toBeGreaterThan(cellCount / 5);
  }, 60_000);

  it('is the same run for the same seed, whatever keys were made for it (deterministic)', async () => {
    const other = await createEngine(seed, undefined);
    expect(hashText(await runSome(other, 100, 40))).toBe(hashText(await runSome(engine, 100, 40)));
    expect(hashText(await runSome(other, 200, 40))).not.toBe(hashText(await runSome(engine, 100, 40)));
  }, 30_000);
});

describe('messages delivered 1 to 10 times, in no order, some after six minutes', () => {
  it('come to one certificate for each distinct request (never twice)', async () => {
    const outcome = await runDeliveries(await createBench(), 120, seed);
    expect(outcome).toMatchObject({
      states: { issued: 120 },
      acmPca: { requests: 60, certificates: 60 },
      hsm: { requests: 60, tbsCertificates: 60 },
      violations: [],
    });
    expect(outcome.deliveries).toBeGreaterThan(5 * 2 * 120);
    expect(outcome.deliveriesLate).toBeGreaterThan(120);
  }, 60_000);
});

describe('a planted mistake', () => {
  it.each(mistakes.map((mistake) => [mistake.name, mistake] as const))(
    '%s makes a schedule fail (the checker sees what it is for)',
    async (_, mistake) => {
      const planted = await createEngine(seed, mistake);
      const part = emptyPart();
      for (let schedule = 0; schedule < 600 && part.failures.length === 0; schedule++)
        await planted.run(schedule, part);
      expect(part.failures).not.toEqual([]);
    },
    60_000,
  );
});

describe('the matrix', () => {
  it('is aimed at as a whole by as many schedules as it has cells (call × fault × redelivery)', () => {
    const aimed = new Set(Array.from({ length: cellCount }, (_, schedule) => indexOf(cellAt(schedule))));
    expect(aimed.size).toBe(cellCount);
  });

  it('fits 100 columns (a terminal)', () => {
    const text = renderMatrix(new Array<number>(cellCount).fill(123_456));
    expect(Math.max(...text.split('\n').map((line) => line.length))).toBeLessThanOrEqual(100);
  });
});
