/** Random choices that a seed fixes: the same seed makes the same choices on every machine. */
export interface Random {
  /** 32 bits. */
  next(): number;
  /** An integer from `min` to `max`, both included. */
  between(min: number, max: number): number;
  chance(probability: number): boolean;
  pick<T>(items: readonly T[]): T;
  bytes(count: number): Uint8Array;
}

/** Mixes numbers into 32 bits (finaliser of MurmurHash3, public domain). */
export function mix(...values: readonly number[]): number {
  let hash = 0x9e3779b9;
  for (const value of values) {
    hash = Math.imul(hash ^ (value | 0), 0x85ebca6b);
    hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
    hash ^= hash >>> 16;
  }
  return hash >>> 0;
}

/** sfc32 (PractRand, public domain): small, fast, and good enough that neighbouring seeds have nothing in common. */
export function createRandom(...seed: readonly number[]): Random {
  let a = mix(...seed, 1);
  let b = mix(...seed, 2);
  let c = mix(...seed, 3);
  let d = 1;
  const next = (): number => {
    const sum = (((a + b) | 0) + d) | 0;
    d = (d + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + sum) | 0;
    return sum >>> 0;
  };
  for (let round = 0; round < 12; round++) next();
  const between = (min: number, max: number) => min + Math.floor((next() / 4_294_967_296) * (max - min + 1));
  return {
    next,
    between,
    chance: (probability) => next() / 4_294_967_296 < probability,
    pick(items) {
      if (items.length === 0) throw new Error('nothing to pick from');
      return items[between(0, items.length - 1)]!;
    },
    bytes: (count) => Uint8Array.from({ length: count }, () => next() & 0xff),
  };
}
