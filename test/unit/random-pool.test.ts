import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { createRandomPool } from '../../functions/signer/random-pool.ts';

describe('a pool of random bytes', () => {
  it('hands out each byte it has drawn once, in order, and draws when it has too few (once)', () => {
    const drawn: Buffer[] = [];
    const random = createRandomPool((bytes) => {
      const one = randomBytes(bytes);
      drawn.push(Buffer.from(one));
      return one;
    });
    const taken = Array.from({ length: 600 }, () => random(16));
    expect(new Set(taken.map((one) => Buffer.from(one).toString('hex'))).size).toBe(600);
    expect(drawn.length).toBe(3);
    expect(Buffer.concat(taken)).toEqual(Buffer.concat(drawn).subarray(0, 600 * 16));
  });

  it('answers more than a pool has, and keeps nothing that whoever has it could change (bounds)', () => {
    const random = createRandomPool((bytes) => new Uint8Array(bytes).fill(7));
    expect(random(10_000)).toHaveLength(10_000);
    const one = random(4);
    one.fill(1);
    expect(random(4)).toEqual(new Uint8Array(4).fill(7));
  });
});
