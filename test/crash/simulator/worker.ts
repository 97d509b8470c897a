/** One thread of a run: takes every `step`th schedule and tells what they came to. */
import { parentPort, workerData } from 'node:worker_threads';
import { createEngine, emptyPart, findMistake } from './engine.ts';

export interface Share {
  readonly seed: number;
  readonly first: number;
  readonly step: number;
  readonly until: number;
  readonly plant: string | undefined;
  /** Failures after which a thread stops. */
  readonly failuresMax: number;
}

/** Schedules between two messages. */
const partSchedules = 50;

async function work(share: Share): Promise<void> {
  const mistake = share.plant === undefined ? undefined : findMistake(share.plant);
  const engine = await createEngine(share.seed, mistake);
  let part = emptyPart();
  let failures = 0;
  for (let schedule = share.first; schedule < share.until && failures < share.failuresMax; schedule += share.step) {
    if (!(await engine.run(schedule, part))) failures += 1;
    if (part.schedules < partSchedules) continue;
    parentPort?.postMessage(part);
    part = emptyPart();
  }
  parentPort?.postMessage(part);
}

await work(workerData as Share);
