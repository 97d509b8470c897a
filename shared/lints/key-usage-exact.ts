/**
 * Profile: the usages are exactly the profile's, neither more nor fewer.
 *
 * More is power nobody granted; fewer is a certificate that fails in the field. A CA that takes its template from elsewhere
 * (ACM PCA) is found out here.
 */
import { decoded, sameMembers } from './decoded.ts';
import { always, type Lint } from './lint.ts';

export const keyUsageExact: Lint = {
  name: 'key-usage-exact',
  citation: 'docs/certificate-profiles.md, key usage',
  applies: always,
  check: ({ certificate, keyUsage }) => {
    const usages = decoded(certificate).keyUsage;
    return usages === undefined || sameMembers(usages, keyUsage) ? undefined : "key usage is not the profile's";
  },
};
