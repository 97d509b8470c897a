import { adviceRules } from './advice-rules.ts';
import { authorityRules } from './authority-rules.ts';
import { custodyRules } from './custody-rules.ts';
import {
  type CertificatePrices,
  type Draft,
  type DraftAuthority,
  type DraftModule,
  type DraftProfile,
  toDraft,
} from './draft.ts';
import { durationMs } from './duration.ts';
import { faultsMax, type HierarchyFault } from './fault.ts';
import type { Authority, Hierarchy, Profile, ValidatedModule } from './model.ts';
import { moduleRules } from './module-rules.ts';
import { policyVersion } from './policy-version.ts';
import { profileRules } from './profile-rules.ts';
import type { HierarchyRule } from './rule.ts';
import { readShape } from './schema-faults.ts';
import { treeRules } from './tree-rules.ts';
import { positioned, readYaml, type YamlSource } from './yaml-source.ts';

/** Every rule that can refuse a hierarchy whose shape is sound. */
export const hierarchyRules: readonly HierarchyRule[] = [
  ...treeRules,
  ...authorityRules,
  ...custodyRules,
  ...moduleRules,
  ...profileRules,
];

export type HierarchyReading =
  | { readonly ok: true; readonly hierarchy: Hierarchy; readonly advice: readonly HierarchyFault[] }
  | { readonly ok: false; readonly faults: readonly HierarchyFault[] };

/**
 * YAML text → hierarchy, or every fault it has, in the order of the text: text, shape and meaning are judged together, and
 * what is at fault in one place does not keep the rest from being judged. Total: any text gives one or the other. At most
 * 500 faults are reported. With `prices`, advice about what certificates cost names the sum.
 */
export function parseHierarchy(text: string, prices?: CertificatePrices): HierarchyReading {
  const { source, faults: textFaults } = readYaml(text);
  if (source === undefined) return refused(textFaults);
  const shape = readShape(source);
  const draft = toDraft(shape.sound, source.value, shape.malformed, prices);
  const meaning = applyRules(hierarchyRules, draft, source);
  const faults = [...textFaults, ...shape.faults, ...meaning];
  if (faults.length > 0) return refused(faults);
  return { ok: true, hierarchy: toHierarchy(draft), advice: inOrder(applyRules(adviceRules, draft, source)) };
}

function applyRules(rules: readonly HierarchyRule[], draft: Draft, source: YamlSource): HierarchyFault[] {
  return rules.flatMap((rule) =>
    rule.check(draft).map((finding) => positioned(source, rule.code, finding, rule.reference)),
  );
}

function refused(faults: readonly HierarchyFault[]): HierarchyReading {
  return { ok: false, faults: inOrder(faults).slice(0, faultsMax) };
}

function inOrder(faults: readonly HierarchyFault[]): HierarchyFault[] {
  return faults.toSorted(
    (a, b) => a.line - b.line || a.column - b.column || compare(a.path, b.path) || compare(a.code, b.code),
  );
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** A draft without faults has every field the schema requires. */
function toHierarchy(draft: Draft): Hierarchy {
  const authorities = parentsFirst(draft.authorities.map(toAuthority));
  const profiles = draft.profiles.map(toProfile);
  return {
    version: 1,
    stage: draft.stage as Hierarchy['stage'],
    crlBaseUrl: (draft.crlBaseUrl ?? '').replace(/\/+$/, ''),
    authorities,
    profiles,
    modules: draft.modules.map(toModule),
    policyVersion: policyVersion(authorities, profiles),
  };
}

function toAuthority(draft: DraftAuthority): Authority {
  const { path: _path, validity, ...fields } = draft;
  if (validity === undefined) throw new Error('invariant: an authority without faults has a validity');
  return {
    ...(fields as Omit<Authority, 'validity' | 'validityMs'>),
    profiles: draft.profiles ?? [],
    validity,
    validityMs: durationMs(validity),
  };
}

function toModule({ path: _path, ...fields }: DraftModule): ValidatedModule {
  return fields as ValidatedModule;
}

function toProfile(draft: DraftProfile): Profile {
  const { path: _path, ...fields } = draft;
  const profile = fields as Profile;
  const { dns } = profile.names;
  if (dns === undefined) return profile;
  const isOnlyKind = profile.names.spiffe === undefined && profile.names.ip === undefined;
  const countMinDefault = isOnlyKind || profile.subject === 'first-dns-name' ? 1 : 0;
  const drafted = draft.names?.dns?.countMin;
  return { ...profile, names: { ...profile.names, dns: { ...dns, countMin: drafted ?? countMinDefault } } };
}

/** Stable: among authorities whose parents are placed, the order of the file. The rules have excluded cycles. */
function parentsFirst(authorities: readonly Authority[]): Authority[] {
  const depth = { root: 0, subordinate: 1, issuance: 2 } as const;
  return authorities.toSorted((a, b) => depth[a.tier] - depth[b.tier]);
}
