/**
 * RFC 5280 §4.2.1.10 and §6.1.4: names lie inside the name constraints of every CA of the path.
 *
 * A leaf outside them is signed in vain: verifiers refuse it. The issuer's own certificate is always looked at, those above
 * it when they are given.
 */
import { isNameWithinConstraints, isSubjectWithinConstraints } from '../pki/name-constraints.ts';
import { decoded } from './decoded.ts';
import { always, type Lint } from './lint.ts';

export const namesWithinNameConstraints: Lint = {
  name: 'names-within-name-constraints',
  citation: 'RFC 5280 §4.2.1.10',
  applies: always,
  check: ({ certificate, issuer, issuerChain }) => {
    for (const authority of [issuer, ...(issuerChain ?? [])]) {
      const { nameConstraints } = decoded(authority);
      if (nameConstraints === undefined) continue;
      const inside =
        decoded(certificate).names?.every((name) => isNameWithinConstraints(name, nameConstraints)) ?? true;
      if (!inside) return 'a name lies outside the name constraints of a CA';
      if (!isSubjectWithinConstraints(certificate.tbs.subject.der, nameConstraints))
        return 'the subject lies outside the name constraints of a CA';
    }
    return undefined;
  },
};
