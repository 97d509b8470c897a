/**
 * RFC 5280 §4.1.2.2: the serial number is a positive integer.
 *
 * Zero and negative serials are read differently by different libraries, and a CRL entry then matches nothing.
 */
import { always, type Lint } from './lint.ts';

export const serialPositive: Lint = {
  name: 'serial-positive',
  citation: 'RFC 5280 §4.1.2.2',
  applies: always,
  check: ({ certificate }) => (certificate.tbs.serialNumber > 0n ? undefined : 'the serial number is not positive'),
};
