/** One thread of a run: takes every `step`th input, says which one it is at, and tells what they came to. */
import { parentPort, workerData } from 'node:worker_threads';
import { parseCertificationRequest } from '../../shared/pki/certification-request.ts';
import { createEngine } from './engine.ts';
import { emptyPart } from './findings.ts';

export interface Share {
  readonly seed: number;
  readonly first: number;
  readonly step: number;
  readonly until: number;
  /** Two numbers: the input that is under way, and 1 while it is our parser that has it. */
  readonly at: SharedArrayBuffer;
}

/** Inputs between two messages. */
const partInputs = 500;

const { at, first, seed, step, until } = workerData as Share;
const place = new Int32Array(at);
const engine = createEngine(seed, (der) => {
  Atomics.store(place, 1, 1);
  try {
    return parseCertificationRequest(der);
  } finally {
    Atomics.store(place, 1, 0);
  }
});
let part = emptyPart();
for (let index = first; index < until; index += step) {
  Atomics.store(place, 0, index);
  engine.run(index, part);
  if (part.inputs < partInputs) continue;
  parentPort?.postMessage(part);
  part = emptyPart();
}
parentPort?.postMessage(part);
