/**
 * Profile: a leaf lives at most as long as its profile says.
 *
 * The lifetime bounds what a stolen device key is worth. The back-date of notBefore, for clocks that run slow, is part of
 * the maximum the subject states, so that it cannot grow unseen either.
 */
import { always, type Lint } from './lint.ts';

export const validityLifetimeMax: Lint = {
  name: 'validity-lifetime-max',
  citation: 'docs/certificate-profiles.md, validity',
  applies: always,
  check: ({ certificate: { tbs }, lifetimeMsMax }) =>
    tbs.notAfter - tbs.notBefore <= lifetimeMsMax ? undefined : 'the validity is longer than the profile allows',
};
