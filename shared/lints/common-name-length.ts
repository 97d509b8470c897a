/**
 * RFC 5280 appendix A.1: ub-common-name is 64 characters.
 *
 * Longer ones are refused by some verifiers and cut by others; a DNS name can have 253.
 */
import { decoded } from './decoded.ts';
import { type Lint, tlsOnly } from './lint.ts';

const commonNameCharactersMax = 64;

export const commonNameLength: Lint = {
  name: 'common-name-length',
  citation: 'RFC 5280 appendix A.1',
  applies: tlsOnly,
  check: ({ certificate }) =>
    decoded(certificate).commonNames.some(isTooLong) ? 'the common name has more than 64 characters' : undefined,
};

/** Characters are code points, of which a text has no more than it has code units. */
function isTooLong(name: string): boolean {
  return name.length > commonNameCharactersMax && [...name].length > commonNameCharactersMax;
}
