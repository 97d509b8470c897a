/** A run over several threads. */
import { Worker } from 'node:worker_threads';
import { addPart, emptyPart, type Part } from './engine.ts';
import type { Share } from './worker.ts';

export interface RunOptions {
  readonly seed: number;
  readonly schedules: number;
  readonly workers: number;
  readonly plant?: string | undefined;
  /** Failures after which a thread stops; the others go on. */
  readonly failuresMax: number;
  readonly onProgress?: (done: Part) => void;
}

export async function runSchedules(options: RunOptions): Promise<Part> {
  const { seed, schedules, failuresMax, plant, onProgress } = options;
  const step = Math.max(1, Math.min(options.workers, schedules));
  const sum = emptyPart();
  const threads = Array.from({ length: step }, (_, first) => {
    const share: Share = { seed, first, step, until: schedules, plant, failuresMax };
    return new Promise<void>((resolve, reject) => {
      const worker = new Worker(new URL('worker.ts', import.meta.url), { workerData: share });
      worker.on('message', (part: Part) => {
        addPart(sum, part);
        onProgress?.(sum);
      });
      worker.on('error', reject);
      worker.on('exit', (code) => (code === 0 ? resolve() : reject(new Error(`a thread ended with status ${code}`))));
    });
  });
  await Promise.all(threads);
  sum.failures.sort((one, other) => one.schedule - other.schedule);
  return sum;
}
