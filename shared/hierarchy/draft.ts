/**
 * A hierarchy whose text was read but which may still have faults: every field may be absent, because it was not written or
 * because it was of the wrong shape and is reported already. Rules judge what is there and pass over what is not, so that
 * one fault never hides another.
 */
import { type Duration, parseDuration } from './duration.ts';
import type { YamlPath } from './fault.ts';
import type {
  AcmPcaMode,
  Authority,
  BackendKind,
  NameSubtrees,
  Profile,
  Stage,
  Tier,
  ValidatedModule,
} from './model.ts';

type DeepPartial<T> = T extends readonly (infer Item)[]
  ? readonly Item[]
  : T extends object
    ? { readonly [Key in keyof T]?: DeepPartial<T[Key]> | undefined }
    : T;

export interface DraftAuthority extends DeepPartial<Omit<Authority, 'validity' | 'validityMs' | 'nameConstraints'>> {
  readonly path: YamlPath;
  readonly validity?: Duration | undefined;
  readonly nameConstraints?:
    | { readonly permitted?: NameSubtrees | undefined; readonly excluded?: NameSubtrees | undefined }
    | undefined;
}

export interface DraftProfile extends DeepPartial<Omit<Profile, 'name' | 'validity'>> {
  readonly path: YamlPath;
  readonly name: string;
  readonly validity?: Duration | undefined;
}

export interface DraftModule extends DeepPartial<ValidatedModule> {
  readonly path: YamlPath;
}

export interface Draft {
  readonly stage?: Stage | undefined;
  readonly crlBaseUrl?: string | undefined;
  readonly authorities: readonly DraftAuthority[];
  readonly profiles: readonly DraftProfile[];
  readonly modules: readonly DraftModule[];
  /** Every id and profile name in the text, well-formed or not, so that a reference to one is not called unknown. */
  readonly idsWritten: ReadonlySet<string>;
  readonly profilesWritten: ReadonlySet<string>;
  /** Paths of fields that were cut out because their shape is at fault, steps joined by '/'. */
  readonly malformed: ReadonlySet<string>;
  /** First authority of each id. */
  readonly byId: ReadonlyMap<string, DraftAuthority>;
  /** What certificates cost, where it is known to who reads the file. */
  readonly prices?: CertificatePrices | undefined;
}

/** What a CA's provider takes for certificates: prices are no part of a hierarchy, and are handed in. */
export interface CertificatePrices {
  /** USD for so many certificates of one month from an ACM PCA CA of that mode. */
  readonly certificatesUsd: (mode: AcmPcaMode, certificates: number) => number;
  /** Date of the prices, YYYY-MM-DD. */
  readonly asOf: string;
}

type Plain = Readonly<Record<string, unknown>>;

function isPlain(value: unknown): value is Plain {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** `sound` holds only values of the right shape (`readShape`), so their types are what the schema says. */
export function toDraft(
  sound: unknown,
  written: unknown,
  malformed: ReadonlySet<string>,
  prices?: CertificatePrices,
): Draft {
  const root = isPlain(sound) ? sound : {};
  const list = Array.isArray(root.authorities) ? root.authorities : [];
  const authorities = list.flatMap((entry: unknown, index) =>
    isPlain(entry) ? [draftAuthority(entry, ['authorities', index])] : [],
  );
  const named = isPlain(root.profiles) ? Object.entries(root.profiles) : [];
  const profiles = named.flatMap(([name, entry]) => (isPlain(entry) ? [draftProfile(name, entry)] : []));
  const moduleList = Array.isArray(root.modules) ? root.modules : [];
  const modules = moduleList.flatMap((entry: unknown, index) =>
    isPlain(entry) ? [{ ...entry, path: ['modules', index] }] : [],
  );
  const raw = isPlain(written) ? written : {};
  const rawList = Array.isArray(raw.authorities) ? raw.authorities : [];
  const byId = new Map<string, DraftAuthority>();
  for (const authority of authorities) {
    if (authority.id !== undefined && !byId.has(authority.id)) byId.set(authority.id, authority);
  }
  return {
    stage: root.stage as Stage | undefined,
    crlBaseUrl: root.crlBaseUrl as string | undefined,
    authorities,
    profiles,
    modules,
    idsWritten: new Set(rawList.flatMap((entry: unknown) => (isPlain(entry) ? [String(entry.id)] : []))),
    profilesWritten: new Set(isPlain(raw.profiles) ? Object.keys(raw.profiles) : []),
    malformed,
    byId,
    prices,
  };
}

function draftAuthority(entry: Plain, path: YamlPath): DraftAuthority {
  const { validity, ...rest } = withoutHoles(entry) as Plain;
  return { ...(rest as Omit<DraftAuthority, 'path'>), path, validity: readDuration(validity) };
}

function draftProfile(name: string, entry: Plain): DraftProfile {
  const { validity, ...rest } = withoutHoles(entry) as Plain;
  return { ...(rest as object), path: ['profiles', name], name, validity: readDuration(validity) };
}

function readDuration(value: unknown): Duration | undefined {
  return typeof value === 'string' ? parseDuration(value) : undefined;
}

/** Items that were cut out of lists leave undefined behind, which keeps the indexes of the others until here. */
function withoutHoles(value: unknown): unknown {
  if (Array.isArray(value)) return value.filter((item) => item !== undefined);
  if (!isPlain(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, withoutHoles(member)]));
}

const rank: Readonly<Record<Tier, number>> = { root: 0, subordinate: 1, issuance: 2 };

/** The authority a parent field names, whatever its tier. A root is its own issuer, so its parent is never followed. */
export function namedParent(draft: Draft, authority: DraftAuthority): DraftAuthority | undefined {
  return authority.parent === undefined || authority.tier === 'root' ? undefined : draft.byId.get(authority.parent);
}

/**
 * Issuer, its issuer and so on to the root, as far as each is of a higher tier: a parent of the wrong tier is a fault of its
 * own, and judging nesting against it would only repeat that. Ends in a cycle too.
 */
export function ancestorsOf(draft: Draft, authority: DraftAuthority): readonly DraftAuthority[] {
  const ancestors: DraftAuthority[] = [];
  let current = authority;
  for (;;) {
    const parent = namedParent(draft, current);
    if (parent === undefined || parent === authority || ancestors.includes(parent)) return ancestors;
    if (parent.tier !== undefined && current.tier !== undefined && rank[parent.tier] >= rank[current.tier])
      return ancestors;
    ancestors.push(parent);
    current = parent;
  }
}

/** Authorities that issue a profile. */
export function issuersOf(draft: Draft, profile: string): readonly DraftAuthority[] {
  return draft.authorities.filter((authority) => (authority.profiles ?? []).includes(profile));
}

/** Whether a field was written but is of the wrong shape, which is reported already: then it is not missing. */
export function isMalformed(draft: Draft, holder: { readonly path: YamlPath }, field: string): boolean {
  return draft.malformed.has([...holder.path, field].join('/'));
}

/** Name as people know the authority: its id, else its place. */
export function nameOf(authority: DraftAuthority): string {
  return authority.id === undefined ? `authority ${Number(authority.path[1]) + 1}` : `'${authority.id}'`;
}

export const custodyModelOf: Readonly<Record<BackendKind, Authority['custody']['model']>> = {
  'acm-pca': 'managed-ca',
  pkcs11: 'self-managed-hsm',
  software: 'software',
};
