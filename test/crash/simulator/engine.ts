/** Runs schedules, one after the other, in this thread. */
import { cellCount } from './faults.ts';
import { makeMaterial } from './material.ts';
import { type Mistake, mistakes } from './mistakes.ts';
import { planOf } from './plan.ts';
import { mix } from './random.ts';
import { simulateRuntime } from './runtime.ts';
import { createSoundnessCheck, type SoundnessCheck } from './sound.ts';
import { openSimulatedStore } from './store.ts';
import { type Bench, prepareBench, runSchedule } from './world.ts';

export interface Failure {
  readonly schedule: number;
  /** The cell that the schedule aimed at. */
  readonly aim: string;
  readonly faults: readonly string[];
}

/** What some schedules came to. Parts of one run add up to the same whatever the order and the number of threads. */
export interface Part {
  schedules: number;
  /** Of each cell of the matrix, how often it was hit. */
  readonly hits: number[];
  /** Two sums over the traces of the schedules. */
  hash: readonly [number, number];
  readonly failures: Failure[];
}

export interface Engine {
  /** Runs one schedule into `part`; answers whether it was sound. */
  run(schedule: number, part: Part, trace?: (line: string) => void): Promise<boolean>;
}

export function emptyPart(): Part {
  return { schedules: 0, hits: new Array<number>(cellCount).fill(0), hash: [0, 0], failures: [] };
}

export function addPart(sum: Part, part: Part): void {
  sum.schedules += part.schedules;
  part.hits.forEach((hits, cell) => {
    sum.hits[cell]! += hits;
  });
  sum.hash = [(sum.hash[0] + part.hash[0]) >>> 0, (sum.hash[1] + part.hash[1]) >>> 0];
  sum.failures.push(...part.failures);
}

/** 16 hexadecimal digits: the same seed and number of schedules give the same ones. */
export function hashText({ hash }: Part): string {
  return hash.map((half) => half.toString(16).padStart(8, '0')).join('');
}

export function findMistake(name: string): Mistake | undefined {
  return mistakes.find((mistake) => mistake.name === name);
}

/** Changes the runtime of this thread; see runtime.ts. */
export async function createBench(): Promise<Bench> {
  simulateRuntime();
  const time = { now: 0 };
  const bench: Bench = { material: await makeMaterial(), store: openSimulatedStore(() => time.now), time };
  await prepareBench(bench);
  return bench;
}

export async function createEngine(seed: number, mistake: Mistake | undefined): Promise<Engine> {
  const bench = await createBench();
  const check: SoundnessCheck = createSoundnessCheck(bench.store.database);
  return {
    async run(schedule, part, trace) {
      const plan = planOf(bench.material, seed, schedule);
      const outcome = await runSchedule(bench, plan, { mistake, trace });
      bench.store.restart();
      const faults = check(outcome);
      part.schedules += 1;
      for (const cell of outcome.hits) part.hits[cell]! += 1;
      const hash = [mix(outcome.hash, schedule, 1), mix(outcome.hash, schedule, 2)] as const;
      part.hash = [(part.hash[0] + hash[0]) >>> 0, (part.hash[1] + hash[1]) >>> 0];
      if (faults.length > 0) part.failures.push({ schedule, aim: plan.aim, faults });
      return faults.length === 0;
    },
  };
}
