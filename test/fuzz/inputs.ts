import { createRandom, type Random } from '../crash/simulator/random.ts';
import { cloneElement, encodeElement } from './elements.ts';
import { largeBytes, type Material } from './material.ts';
import { mutateTree, subjectOf } from './mutations.ts';

/** One input of a run: the same for the same seed and index, whoever makes it. */
export interface FuzzInput {
  readonly bytes: Uint8Array;
  /** The sample it was made from and what was done to it, in order. */
  readonly origin: readonly string[];
}

type ByteMutation = (bytes: Uint8Array, random: Random, material: Material) => Uint8Array;

const byteMutations: readonly ByteMutation[] = [
  function bitFlipped(bytes, random) {
    const at = random.between(0, bytes.length - 1);
    return withOctet(bytes, at, bytes[at]! ^ (1 << random.between(0, 7)));
  },
  function octetSet(bytes, random) {
    return withOctet(bytes, random.between(0, bytes.length - 1), random.between(0, 255));
  },
  function octetsPutIn(bytes, random) {
    const at = random.between(0, bytes.length);
    return joined(bytes.subarray(0, at), random.bytes(random.between(1, 4)), bytes.subarray(at));
  },
  function octetsTakenOut(bytes, random) {
    const at = random.between(0, bytes.length - 1);
    return joined(bytes.subarray(0, at), bytes.subarray(at + random.between(1, 4)));
  },
  function truncated(bytes, random) {
    return bytes.slice(0, random.between(0, bytes.length - 1));
  },
  function followed(bytes, random) {
    return joined(bytes, random.bytes(random.between(1, 8)));
  },
  function splicedAsBytes(bytes, random, { samples }) {
    const other = random.pick(samples).der;
    return joined(
      bytes.subarray(0, random.between(0, bytes.length)),
      other.subarray(random.between(0, other.length), other.length),
    );
  },
];

function withOctet(bytes: Uint8Array, at: number, value: number): Uint8Array {
  const changed = bytes.slice();
  changed[at] = value;
  return changed;
}

function joined(...parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}

const mutationsMax = 6;

export function makeInput(material: Material, seed: number, index: number): FuzzInput {
  const random = createRandom(seed, index);
  let sample = random.pick(material.samples);
  while (sample.der.length > largeBytes && !random.chance(0.02)) sample = random.pick(material.samples);
  const origin: string[] = [sample.file];
  const root = cloneElement(sample.root);
  const onTree = random.chance(0.9) ? countOf(random) : 0;
  for (let mutation = 0; mutation < onTree; mutation++) origin.push(mutateTree(subjectOf(root, random, material)));
  let bytes = encodeElement(root) ?? sample.der;
  const onBytes = onTree === 0 || random.chance(0.08) ? countOf(random) : 0;
  for (let mutation = 0; mutation < onBytes && bytes.length > 0; mutation++) {
    const mutate = random.pick(byteMutations);
    origin.push(mutate.name);
    bytes = mutate(bytes, random, material);
  }
  return { bytes, origin };
}

function countOf(random: Random): number {
  let count = 1;
  while (count < mutationsMax && random.chance(0.35)) count += 1;
  return count;
}
