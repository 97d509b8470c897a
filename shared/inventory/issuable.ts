/**
 * What whoever has a CA's key can still mint, as relying parties that validate by RFC 5280 section 6 would take it: read from
 * the certificates on the path, never from configuration.
 */
import { basicConstraintsOf, type Certificate, extendedKeyUsageOf, nameConstraintsOf } from '../pki/certificate.ts';
import type { EpochMs } from '../pki/epoch.ts';
import { parseIpRange } from '../pki/ip-address.ts';
import type { GeneralSubtree } from '../pki/name-constraints.ts';
import { formatDistinguishedName, parseName } from '../pki/names.ts';
import { oidName, oids } from '../pki/oids.ts';

const constrainedKinds = ['dns', 'uri', 'ip', 'email', 'directory'] as const;
type ConstrainedKind = (typeof constrainedKinds)[number];

/** Subtrees as text; a directory name with RFC 4514's escapes, in the order of its DER. */
export type Constraint = 'unconstrained' | readonly string[];

export interface Issuable {
  /** Relying parties take nothing of it after this: the earliest notAfter on the path. */
  readonly until: EpochMs;
  /** Whether it can make CAs below itself. */
  readonly subordinateAuthorities: boolean;
  /** CAs that may follow below, undefined where nothing bounds them. */
  readonly pathLen: number | undefined;
  readonly permitted: Readonly<Record<ConstrainedKind, Constraint>>;
  /** Excluded anywhere on the path, as `kind:subtree`. */
  readonly excluded: readonly string[];
  /** Purposes that every certificate on the path allows, by name where there is one. */
  readonly extendedKeyUsage: Constraint;
}

/** `path`: the CA's own certificate first, then its issuers, the root last. At least one. */
export function issuableOf(path: readonly Certificate[]): Issuable {
  const pathLen = pathLenOf(path);
  const constraints = path.map(({ tbs }) => nameConstraintsOf(tbs));
  const permitted = (kind: ConstrainedKind): Constraint => {
    const lists = constraints
      .map((one) => (one?.permitted ?? []).filter((subtree) => subtree.kind === kind).map(textOf))
      .filter((list) => list.length > 0);
    return lists.length === 0
      ? 'unconstrained'
      : lists.reduce<readonly string[]>((a, b) => intersect(kind, a, b), lists[0]!);
  };
  return {
    until: path.reduce((least, { tbs }) => Math.min(least, tbs.notAfter), Number.MAX_SAFE_INTEGER),
    subordinateAuthorities: pathLen === undefined || pathLen > 0,
    pathLen,
    permitted: Object.fromEntries(constrainedKinds.map((kind) => [kind, permitted(kind)])) as Issuable['permitted'],
    excluded: [
      ...new Set(constraints.flatMap((one) => (one?.excluded ?? []).map((tree) => `${tree.kind}:${textOf(tree)}`))),
    ],
    extendedKeyUsage: purposesOf(path),
  };
}

/** RFC 5280 6.1.4 (l), (m): each CA below the one that says it takes one off. Undefined where none says it. */
function pathLenOf(path: readonly Certificate[]): number | undefined {
  const bounds = path.flatMap(({ tbs }, depth) => {
    const pathLen = basicConstraintsOf(tbs)?.pathLen;
    return pathLen === undefined ? [] : [Math.max(0, pathLen - depth)];
  });
  return bounds.length === 0 ? undefined : Math.min(...bounds);
}

function purposesOf(path: readonly Certificate[]): Constraint {
  const lists = path
    .map(({ tbs }) => extendedKeyUsageOf(tbs))
    .filter((usages) => usages !== undefined)
    .filter((usages) => !usages.includes(oids.anyExtendedKeyUsage));
  const [first, ...others] = lists;
  if (first === undefined) return 'unconstrained';
  return first.filter((usage) => others.every((list) => list.includes(usage))).map((usage) => oidName(usage) ?? usage);
}

function textOf(subtree: GeneralSubtree): string {
  if (subtree.kind === 'directory') return formatDistinguishedName(parseName(subtree.der));
  return subtree.kind === 'other' ? Buffer.from(subtree.der).toString('hex') : subtree.value;
}

/** What is in a subtree of both lists: of two of which one holds the other, the inner. */
function intersect(kind: ConstrainedKind, a: readonly string[], b: readonly string[]): readonly string[] {
  const inner = a.flatMap((one) =>
    b.flatMap((other) => (contains(kind, one, other) ? [other] : contains(kind, other, one) ? [one] : [])),
  );
  return [...new Set(inner)];
}

/** Whether every name in `inner` is in `outer` (RFC 5280 4.2.1.10). */
function contains(kind: ConstrainedKind, outer: string, inner: string): boolean {
  switch (kind) {
    case 'dns':
      return domainContains(outer.toLowerCase(), inner.toLowerCase());
    case 'uri':
      return hostContains(outer.toLowerCase(), inner.toLowerCase());
    case 'ip':
      return rangeContains(outer, inner);
    case 'email':
      return mailboxContains(outer, inner);
    case 'directory':
      // The text is in the order of the DER, root first.
      return inner === outer || inner.startsWith(`${outer},`);
  }
}

function domainContains(outer: string, inner: string): boolean {
  if (outer === '' || outer === inner) return true;
  return outer.startsWith('.') ? inner.endsWith(outer) : inner.endsWith(`.${outer}`);
}

/** A leading period stands for hosts below; without it, for that very host. */
function hostContains(outer: string, inner: string): boolean {
  return outer === inner || (outer.startsWith('.') && inner.endsWith(outer));
}

function mailboxContains(outer: string, inner: string): boolean {
  if (outer.includes('@')) return outer === inner;
  return hostContains(outer.toLowerCase(), inner.slice(inner.lastIndexOf('@') + 1).toLowerCase());
}

/** Ranges as octets and mask: the outer mask is the shorter one, and the addresses agree under it. */
function rangeContains(outer: string, inner: string): boolean {
  const [a, b] = [parseIpRange(outer), parseIpRange(inner)];
  if (a === undefined || b === undefined || a.length !== b.length) return false;
  const half = a.length / 2;
  for (let i = 0; i < half; i++) {
    const mask = a[half + i]!;
    if ((b[half + i]! & mask) !== mask || (b[i]! & mask) !== (a[i]! & mask)) return false;
  }
  return true;
}
