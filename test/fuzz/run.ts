/** A run over several threads, with an eye on each: one that stays at an input has found a hang. */
import { Worker } from 'node:worker_threads';
import { addPart, emptyPart, type Part } from './findings.ts';
import { makeInput } from './inputs.ts';
import { createMaterial } from './material.ts';
import type { Share } from './worker.ts';

export interface RunOptions {
  readonly seed: number;
  readonly inputs: number;
  readonly workers: number;
  readonly onProgress?: (done: Part) => void;
}

/**
 * An input takes less than a millisecond; a thread that gets a hundredth of a processor is still faster than sixty looks.
 * Looks are counted, not time: a process that was stopped and goes on has looked no more often than its threads have worked.
 */
const hangLooks = 60;
const lookMs = 1_000;

export async function runInputs({ inputs, onProgress, seed, workers }: RunOptions): Promise<Part> {
  const step = Math.max(1, Math.min(workers, inputs));
  const sum = emptyPart();
  const take = (part: Part): void => {
    addPart(sum, part);
    onProgress?.(sum);
  };
  const shares = Array.from({ length: step }, (_, first): Share => {
    return { seed, first, step, until: inputs, at: new SharedArrayBuffer(8) };
  });
  await Promise.all(shares.map((share) => runShare(share, take)));
  sum.findings.sort((one, other) => one.index - other.index);
  return sum;
}

/** Goes on behind an input that hangs, in another thread. */
async function runShare(share: Share, take: (part: Part) => void): Promise<void> {
  for (let first = share.first; first < share.until; ) {
    const stuck = await runThread({ ...share, first }, take);
    if (stuck === undefined) return;
    const isOurs = Atomics.load(new Int32Array(share.at), 1) === 1;
    take(hangAt(share.seed, stuck, isOurs ? 'hang' : 'oracle-hang'));
    first = stuck + share.step;
  }
}

/** Resolves with the input at which the thread had to be ended; undefined when it came to its end. */
function runThread(share: Share, take: (part: Part) => void): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const place = new Int32Array(share.at);
    Atomics.store(place, 0, share.first);
    Atomics.store(place, 1, 0);
    const worker = new Worker(new URL('worker.ts', import.meta.url), { workerData: share });
    let seen = share.first;
    let looks = 0;
    let stuck: number | undefined;
    const look = setInterval(() => {
      const now = Atomics.load(place, 0);
      if (now !== seen) {
        seen = now;
        looks = 0;
      } else {
        looks += 1;
        if (looks < hangLooks) return;
        stuck = now;
        worker.terminate();
      }
    }, lookMs);
    worker.on('message', take);
    worker.on('error', reject);
    worker.on('exit', (code) => {
      clearInterval(look);
      if (code === 0 || stuck !== undefined) resolve(stuck);
      else reject(new Error(`a thread ended with status ${code} at input ${Atomics.load(place, 0)}`));
    });
  });
}

function hangAt(seed: number, index: number, kind: 'hang' | 'oracle-hang'): Part {
  const { bytes, origin } = makeInput(createMaterial(), seed, index);
  const part = emptyPart();
  part.inputs = 1;
  part.reasons[kind] = 1;
  part.findings.push({ index, kind, reason: kind, bytes, origin });
  return part;
}
