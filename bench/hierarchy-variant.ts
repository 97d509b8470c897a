import { parse, stringify } from 'yaml';
import {
  authorityOfProfile,
  type BackendKind,
  findProfile,
  type Hierarchy,
  parseHierarchy,
} from '../shared/hierarchy/hierarchy.ts';

/** A hierarchy of ours with some of its CAs on other backends. Throws when the change makes it unsound. */
export interface HierarchyVariant {
  readonly text: string;
  readonly hierarchy: Hierarchy;
}

interface AuthorityYaml {
  backend: BackendKind;
  mode?: string;
  pkcs11?: unknown;
  custody: unknown;
}

/** Moves each CA for which `backendOf` answers `software` into software; the others stay as they are. */
export function hierarchyVariant(
  text: string,
  isInSoftware: (authority: { readonly id: string; readonly backend: BackendKind }) => boolean,
): HierarchyVariant {
  const document = parse(text) as { readonly authorities: (AuthorityYaml & { readonly id: string })[] };
  for (const authority of document.authorities) {
    if (!isInSoftware(authority)) continue;
    authority.backend = 'software';
    authority.custody = { model: 'software', securityLevelMin: 1, cmvpAccepted: ['active'] };
    delete authority.pkcs11;
    delete authority.mode;
  }
  const variant = stringify(document);
  const reading = parseHierarchy(variant);
  if (!reading.ok) throw new Error(`the hierarchy of the bench is refused: ${JSON.stringify(reading.faults)}`);
  return { text: variant, hierarchy: reading.hierarchy };
}

export interface MeasuredProfile {
  readonly profile: string;
  readonly caId: string;
}

/** The first profile that a CA on this backend issues for DNS names; undefined when there is none. */
export function profileOn(hierarchy: Hierarchy, backend: BackendKind): MeasuredProfile | undefined {
  for (const { name } of hierarchy.profiles) {
    const authority = authorityOfProfile(hierarchy, name);
    if (authority?.backend === backend && findProfile(hierarchy, name)?.names.dns !== undefined)
      return { profile: name, caId: authority.id };
  }
  return undefined;
}
