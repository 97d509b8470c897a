/**
 * Authorities, tiers and profiles: what `hierarchy.yaml` says, once it is read whole and found free of faults.
 * `policy.ts` decides about requests on the ground of it.
 */
import type { Authority, Hierarchy, Profile } from './model.ts';

export { type CertificatePrices, custodyModelOf } from './draft.ts';
export { addDuration, type Duration, durationMs, parseDuration } from './duration.ts';
export { formatHierarchyFault, type HierarchyFault, type HierarchyFaultCode, hierarchyFaultCodes } from './fault.ts';
export type {
  AcmPcaMode,
  Authority,
  BackendKind,
  CaKeyAlgorithm,
  CmvpStatus,
  CustodyRequirement,
  ExtendedKeyUsageName,
  Hierarchy,
  NameConstraints,
  NameSubtrees,
  Pkcs11Location,
  Profile,
  ProfileKey,
  ProfileNames,
  Stage,
  Tier,
  ValidatedModule,
} from './model.ts';
export { type HierarchyReading, parseHierarchy } from './parse.ts';

export function findAuthority(hierarchy: Hierarchy, id: string): Authority | undefined {
  return hierarchy.authorities.find((authority) => authority.id === id);
}

export function findProfile(hierarchy: Hierarchy, name: string): Profile | undefined {
  return hierarchy.profiles.find((profile) => profile.name === name);
}

/** The issuance CA of a profile; every profile of a hierarchy has exactly one. */
export function authorityOfProfile(hierarchy: Hierarchy, profile: string): Authority | undefined {
  return hierarchy.authorities.find((authority) => authority.profiles.includes(profile));
}

/** The CAs an authority signs, in the order of the hierarchy. */
export function childrenOf(hierarchy: Hierarchy, id: string): readonly Authority[] {
  return hierarchy.authorities.filter((authority) => authority.parent === id);
}

/** The authority itself, its issuer and so on to the root; empty for an id nobody has. */
export function pathToRoot(hierarchy: Hierarchy, id: string): readonly Authority[] {
  const path: Authority[] = [];
  let current = findAuthority(hierarchy, id);
  while (current !== undefined) {
    path.push(current);
    current = current.parent === undefined ? undefined : findAuthority(hierarchy, current.parent);
  }
  return path;
}

/** The issuance CA of a profile, its issuer and so on to the root: the same array each time, empty for a profile of no CA. */
export function issuingPath(hierarchy: Hierarchy, profile: string): readonly Authority[] {
  let paths = issuingPaths.get(hierarchy);
  if (paths === undefined) {
    paths = new Map();
    issuingPaths.set(hierarchy, paths);
  }
  let path = paths.get(profile);
  if (path === undefined) {
    const issuer = authorityOfProfile(hierarchy, profile);
    if (issuer === undefined) return [];
    path = pathToRoot(hierarchy, issuer.id);
    paths.set(profile, path);
  }
  return path;
}

/** By the names of profiles that a CA issues, which the hierarchy bounds. */
const issuingPaths = new WeakMap<Hierarchy, Map<string, readonly Authority[]>>();

/** The root of a hierarchy, of which there is exactly one. */
export function rootOf(hierarchy: Hierarchy): Authority {
  const root = hierarchy.authorities.find((authority) => authority.tier === 'root');
  if (root === undefined) throw new Error('invariant: a hierarchy has a root');
  return root;
}
