import type { Hierarchy } from '../../hierarchy/hierarchy.ts';
import { policyVersion } from '../../hierarchy/policy-version.ts';

/** What deploy/packaged-hierarchy.ts made of the YAML: put in the place of this name when a function is bundled. */
declare const SEALWRIGHT_PACKAGED_HIERARCHY: Hierarchy;

/** The hierarchy of this bundle: read, judged and refused whole when it was packaged. */
export function packagedHierarchy(): Hierarchy {
  return unpackHierarchy(SEALWRIGHT_PACKAGED_HIERARCHY);
}

/** Throws when authorities and profiles are not those that its policyVersion was computed of. */
export function unpackHierarchy(packed: Hierarchy): Hierarchy {
  const computed = policyVersion(packed.authorities, packed.profiles);
  if (computed !== packed.policyVersion)
    throw new Error(
      `the packaged hierarchy is ${computed}, and says that it is ${packed.policyVersion}: package it again`,
    );
  return packed;
}
