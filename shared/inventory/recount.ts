/**
 * Counters held against the records they count, in memory that does not grow with either.
 *
 * Every certificate adds to its cell in each dimension, every counter takes away what it says. A cell is a CA, a dimension, a
 * value and a bucket; it is known by a keyed digest, and all cells share some thousand sums. Where each sum comes out as zero,
 * each counter is what its records make it: a difference of any kind would have to be a multiple of 2^64 of a digest that
 * nobody knows the key of. Cells of a sum that is not zero are counted again, one by one.
 */
import { createHash } from 'node:crypto';
import { bucketOf, type Counted, type CountedDimension, countedDimensions, countedValues } from './counted.ts';

export interface Cell {
  readonly caId: string;
  readonly dimension: CountedDimension;
  readonly value: string;
  readonly bucketMs: number;
  readonly bucketStart: number;
}

export interface Counts {
  readonly issued: number;
  readonly revoked: number;
}

export interface CellDifference extends Cell {
  /** What the counter says. */
  readonly counted: Counts;
  /** What the records say. */
  readonly recounted: Counts;
}

const partitions = 4_096;
/** Digests remembered: most certificates share their cells with the one before. */
const rememberedMax = 20_000;

interface Digest {
  readonly partition: number;
  readonly issued: bigint;
  readonly revoked: bigint;
}

/** `key`: 16 random octets or more, new for each recount. */
export function createTally(key: Uint8Array) {
  const sums = { issued: new BigUint64Array(partitions), revoked: new BigUint64Array(partitions) };
  const remembered = new Map<string, Digest>();

  function digestOf(cell: Cell): Digest {
    const text = cellText(cell);
    let digest = remembered.get(text);
    if (digest !== undefined) return digest;
    const octets = createHash('sha256').update(key).update(text).digest();
    digest = {
      partition: octets.readUInt16BE(16) % partitions,
      issued: octets.readBigUInt64BE(0),
      revoked: octets.readBigUInt64BE(8),
    };
    if (remembered.size >= rememberedMax) remembered.clear();
    remembered.set(text, digest);
    return digest;
  }

  // A sum is taken modulo 2^64 as it is stored.
  function add(cell: Cell, issued: number, revoked: number): void {
    const digest = digestOf(cell);
    sums.issued[digest.partition]! += digest.issued * BigInt(issued);
    sums.revoked[digest.partition]! += digest.revoked * BigInt(revoked);
  }

  return {
    addCertificate(certificate: Counted & { readonly revoked: boolean }): void {
      for (const cell of cellsOf(certificate)) add(cell, 1, certificate.revoked ? 1 : 0);
    },
    subtractCounter: (cell: Cell & Counts): void => add(cell, -cell.issued, -cell.revoked),
    /** Partitions in which some counter is not what its records make it. */
    differing: (): ReadonlySet<number> =>
      new Set([...sums.issued.keys()].filter((at) => sums.issued[at] !== 0n || sums.revoked[at] !== 0n)),
    partitionOf: (cell: Cell): number => digestOf(cell).partition,
  };
}

export type Tally = ReturnType<typeof createTally>;

export function cellText({ caId, dimension, value, bucketMs, bucketStart }: Cell): string {
  return JSON.stringify([caId, dimension, value, bucketMs, bucketStart]);
}

/** The cells that a certificate is counted in. */
export function cellsOf(certificate: Counted): readonly Cell[] {
  const { caId, notBefore, notAfter } = certificate;
  const { bucketStart, bucketMs } = bucketOf(notBefore, notAfter);
  const values = countedValues(certificate);
  return countedDimensions.map((dimension) => ({ caId, dimension, value: values[dimension], bucketMs, bucketStart }));
}
