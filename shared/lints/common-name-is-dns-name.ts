/**
 * CA/Browser Forum Baseline Requirements §7.1.4.3, RFC 9525 §2: a common name repeats one of the DNS names.
 *
 * Old verifiers match the common name, so a name only there would be an identity outside every check of names.
 */
import { decoded } from './decoded.ts';
import { type Lint, tlsOnly } from './lint.ts';

export const commonNameIsDnsName: Lint = {
  name: 'common-name-is-dns-name',
  citation: 'CA/Browser Forum BR §7.1.4.3',
  applies: (subject) => tlsOnly(subject) && decoded(subject.certificate).names !== undefined,
  check: ({ certificate }) => {
    const { commonNames, dnsNames } = decoded(certificate);
    return commonNames.every((name) => dnsNames.includes(name))
      ? undefined
      : 'the common name is none of the DNS names';
  },
};
