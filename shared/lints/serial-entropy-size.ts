/**
 * CA/Browser Forum Baseline Requirements §7.1: a serial number holds at least 64 bits from a random generator.
 *
 * A guessable serial is half of a chosen-prefix collision. Randomness cannot be seen in one value; a value shorter than 8
 * octets cannot have come from a generator of 64 bits or more except by a chance of 1 in 256, and then it is drawn again.
 */
import type { Lint } from './lint.ts';

const sevenOctets = 1n << 56n;

export const serialEntropySize: Lint = {
  name: 'serial-entropy-size',
  citation: 'CA/Browser Forum BR §7.1',
  applies: ({ certificate }) => certificate.tbs.serialNumber > 0n,
  check: ({ certificate }) =>
    certificate.tbs.serialNumber >= sevenOctets ? undefined : 'the serial number is shorter than 8 octets',
};
