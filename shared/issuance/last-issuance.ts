import { type Duration, durationMs } from '../hierarchy/hierarchy.ts';
import { leafValidity } from '../hierarchy/policy.ts';
import type { EpochMs } from '../pki/epoch.ts';

const dayMs = 86_400_000;

/** The last instant at which a leaf of this validity ends no later than `notAfter`. */
export function lastIssuance(validity: Duration, notAfter: EpochMs): EpochMs {
  let at = notAfter - durationMs(validity);
  // Years are calendar years: a leap day among them is a day less.
  while (leafValidity(validity, at).notAfter > notAfter) at -= dayMs;
  return at;
}
