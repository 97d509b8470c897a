/**
 * RFC 5280 §4.1.2.2: the serial number takes at most 20 octets.
 *
 * 20 octets of a positive DER INTEGER hold 159 bits, the first bit being the sign.
 */
import { always, type Lint } from './lint.ts';

const serialLimit = 1n << 159n;

export const serialLengthMax: Lint = {
  name: 'serial-length-max',
  citation: 'RFC 5280 §4.1.2.2',
  applies: always,
  check: ({ certificate }) =>
    certificate.tbs.serialNumber < serialLimit ? undefined : 'the serial number is longer than 20 octets',
};
