/**
 * Profile: the purposes are exactly the profile's, in any order.
 *
 * A purpose more is power nobody granted.
 */
import { decoded, sameMembers } from './decoded.ts';
import { always, type Lint } from './lint.ts';

export const extendedKeyUsageExact: Lint = {
  name: 'extended-key-usage-exact',
  citation: 'docs/certificate-profiles.md, extended key usage',
  applies: always,
  check: ({ certificate, extendedKeyUsage }) => {
    const purposes = decoded(certificate).extendedKeyUsage;
    return purposes === undefined || sameMembers(purposes, extendedKeyUsage)
      ? undefined
      : "extended key usage is not the profile's";
  },
};
