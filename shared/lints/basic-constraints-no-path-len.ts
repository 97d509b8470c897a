/**
 * RFC 5280 §4.2.1.9: pathLenConstraint is not included unless the cA flag is set.
 *
 * It means nothing on a leaf, and some verifiers refuse the certificate for it.
 */
import { decoded } from './decoded.ts';
import { always, type Lint } from './lint.ts';

export const basicConstraintsNoPathLen: Lint = {
  name: 'basic-constraints-no-path-len',
  citation: 'RFC 5280 §4.2.1.9',
  applies: always,
  check: ({ certificate }) => {
    const constraints = decoded(certificate).basicConstraints;
    return constraints?.ca === false && constraints.pathLen !== undefined ? 'a leaf has a path length' : undefined;
  },
};
