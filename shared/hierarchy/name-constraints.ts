/**
 * Name constraints (RFC 5280 §4.2.1.10) as the hierarchy writes them: does a name lie in a subtree, does a subtree lie in
 * another. A kind without permitted subtrees is not constrained; excluded wins over permitted.
 */
import type { GeneralName } from '../pki/names.ts';
import { ipRangeContains } from './ip-range.ts';
import type { NameConstraints, NameSubtrees } from './model.ts';

export type ConstrainedKind = keyof NameSubtrees;
export const constrainedKinds: readonly ConstrainedKind[] = ['dns', 'uri', 'ip'];

/** Whether a DNS name is the subtree's or has labels before it. A wildcard name stands for names below its base. */
export function dnsInSubtree(name: string, subtree: string): boolean {
  const lower = name.toLowerCase();
  const base = lower.startsWith('*.') ? lower.slice(2) : lower;
  const tree = subtree.toLowerCase();
  if (!base.endsWith(tree)) return false;
  return base.length === tree.length || base[base.length - tree.length - 1] === '.';
}

/** Whether a host is exactly the subtree's, or, of a subtree with a leading dot, has labels before it. */
export function uriHostInSubtree(host: string, subtree: string): boolean {
  const lower = host.toLowerCase();
  const tree = subtree.toLowerCase();
  return tree.startsWith('.') ? lower.endsWith(tree) && lower.length > tree.length : lower === tree;
}

/** Whether everything in `inner` is in `outer`. */
export function subtreeContains(kind: ConstrainedKind, outer: string, inner: string): boolean {
  switch (kind) {
    case 'dns':
      return dnsInSubtree(inner, outer);
    case 'uri':
      // '.a.b' holds hosts below a.b only, so it lies in '.b' and in '.a.b', never in a single host.
      if (inner.startsWith('.')) return outer.startsWith('.') && inner.toLowerCase().endsWith(outer.toLowerCase());
      return uriHostInSubtree(inner, outer);
    case 'ip':
      return ipRangeContains(outer, inner);
  }
}

/** The host of a URI name, lower-case; undefined where there is none, which RFC 5280 says to reject under a constraint. */
export function uriHost(uri: string): string | undefined {
  const match = /^[a-z][a-z0-9+.-]*:\/\/(?:[^/?#@]*@)?([^/?#:@]+)(?::[0-9]*)?(?:[/?#]|$)/i.exec(uri);
  return match?.[1]?.toLowerCase();
}

/** Whether the constraints let a name pass. Names of kinds they do not speak of pass. */
export function constraintsPermit(constraints: NameConstraints, name: GeneralName): boolean {
  switch (name.kind) {
    case 'dns':
      return passes(constraints, 'dns', (tree) => dnsInSubtree(name.value, tree));
    case 'ip':
      return passes(constraints, 'ip', (tree) => ipRangeContains(tree, name.value));
    case 'uri': {
      const host = uriHost(name.value);
      if (host !== undefined) return passes(constraints, 'uri', (tree) => uriHostInSubtree(host, tree));
      return constraints.permitted.uri === undefined && constraints.excluded?.uri === undefined;
    }
    default:
      return true;
  }
}

function passes(constraints: NameConstraints, kind: ConstrainedKind, inTree: (subtree: string) => boolean): boolean {
  const permitted = constraints.permitted[kind];
  if (permitted !== undefined && !permitted.some(inTree)) return false;
  return !(constraints.excluded?.[kind] ?? []).some(inTree);
}
