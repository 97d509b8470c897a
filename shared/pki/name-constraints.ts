/**
 * Subtrees of names (RFC 5280 §4.2.1.10): how they are encoded, and which names lie inside.
 */
import {
  type DerCursor,
  expectEnd,
  isAtEnd,
  openDer,
  peekTag,
  readConstructed,
  readContent,
  readElement,
} from './der/reader.ts';
import * as der from './der/writer.ts';
import { formatIpRange, parseIpAddress, parseIpRange } from './ip-address.ts';
import { MalformedError } from './malformed.ts';
import { type GeneralName, readGeneralName, readName } from './names.ts';

/**
 * Base of a GeneralSubtree. `dns`: a domain, itself and everything below, '' being all. `uri`: a host, or with a leading
 * '.' all hosts below. `email`: a mailbox, a host, or with a leading '.' all hosts below. `ip`: CIDR text. `directory`: the
 * DER of a Name, itself and everything below. `other`: a kind that we do not judge, hence never inside or outside by itself.
 */
export type GeneralSubtree =
  | { readonly kind: 'dns' | 'uri' | 'email' | 'ip'; readonly value: string }
  | { readonly kind: 'directory'; readonly der: Uint8Array }
  | { readonly kind: 'other'; readonly der: Uint8Array };

export interface NameConstraints {
  readonly permitted: readonly GeneralSubtree[];
  readonly excluded: readonly GeneralSubtree[];
}

/** Far above any hierarchy's; bounds names × subtrees of a foreign certificate. */
const subtreesMax = 256;

const baseTags = { email: 0x81, dns: 0x82, directory: 0xa4, uri: 0x86, ip: 0x87 } as const;

/** GeneralSubtree DER, one each; `minimum` is 0, its default, and `maximum` absent. MalformedError for a bad base. */
export function encodeSubtrees(subtrees: readonly GeneralSubtree[]): readonly Uint8Array[] {
  return subtrees.map((subtree) => der.sequence(encodeBase(subtree)));
}

function encodeBase(subtree: GeneralSubtree): Uint8Array {
  switch (subtree.kind) {
    case 'email':
      return der.implicit(1, der.ia5Content(subtree.value));
    case 'dns':
      return der.implicit(2, der.ia5Content(subtree.value));
    case 'uri':
      return der.implicit(6, der.ia5Content(subtree.value));
    case 'ip': {
      const range = parseIpRange(subtree.value);
      if (range === undefined) throw new MalformedError('name-malformed', 'a subtree is not an address range');
      return der.implicit(7, range);
    }
    case 'directory':
      return der.explicit(4, subtree.der);
    case 'other':
      return subtree.der;
  }
}

/** Reads GeneralSubtrees from their content. `minimum` other than 0 or any `maximum` is malformed, as RFC 5280 has none. */
export function readSubtrees(cursor: DerCursor): readonly GeneralSubtree[] {
  const subtrees: GeneralSubtree[] = [];
  while (!isAtEnd(cursor)) {
    if (subtrees.length >= subtreesMax)
      throw new MalformedError('der-too-many-elements', 'too many subtrees', cursor.at);
    const subtree = readConstructed(cursor, 0x30);
    subtrees.push(readBase(subtree));
    expectEnd(subtree);
  }
  if (subtrees.length === 0) throw new MalformedError('der-malformed', 'a list of subtrees has one', cursor.at);
  return subtrees;
}

function readBase(cursor: DerCursor): GeneralSubtree {
  const start = cursor.at;
  const tag = peekTag(cursor);
  switch (tag) {
    case baseTags.email:
      return { kind: 'email', value: readText(cursor, tag) };
    case baseTags.dns:
      return { kind: 'dns', value: readText(cursor, tag) };
    case baseTags.uri:
      return { kind: 'uri', value: readText(cursor, tag) };
    case baseTags.ip: {
      const value = formatIpRange(readContent(cursor, tag));
      if (value === undefined) throw new MalformedError('name-malformed', 'a subtree is not an address range', start);
      return { kind: 'ip', value };
    }
    case baseTags.directory: {
      const inner = readConstructed(cursor, tag);
      const name = readName(inner);
      expectEnd(inner);
      return { kind: 'directory', der: name.der };
    }
    default:
      readGeneralName(cursor);
      return { kind: 'other', der: cursor.bytes.subarray(start, cursor.at) };
  }
}

// A subtree may be empty, which a name may not: for DNS it means every name.
function readText(cursor: DerCursor, tag: number): string {
  const content = readContent(cursor, tag);
  const text = Buffer.from(content.buffer, content.byteOffset, content.byteLength).toString('latin1');
  if (!/^[\x20-\x7e]*$/.test(text)) {
    throw new MalformedError('name-malformed', 'a subtree has a character that is not printable ASCII', cursor.at);
  }
  return text;
}

/**
 * Whether a name obeys the constraints: outside every excluded subtree of its kind and, where there are permitted subtrees
 * of its kind, inside one of them. A name of a kind with a constraint that we do not judge is refused (RFC 5280 §6.1.4:
 * a constraint that cannot be processed rejects the certificate). A URI without a host is refused where URIs are constrained.
 */
export function isNameWithinConstraints(name: GeneralName, constraints: NameConstraints): boolean {
  const { permitted, excluded } = constraints;
  const kind = subtreeKind(name);
  const ofKind = (subtree: GeneralSubtree) => subtree.kind === kind;
  const isPermittedKind = permitted.some(ofKind);
  if (!isPermittedKind && !excluded.some(ofKind)) return true;
  if (kind === 'other' || (name.kind === 'uri' && uriHost(name.value) === undefined)) return false;
  // A name lies inside subtrees of its own kind only.
  const holds = (subtree: GeneralSubtree) => isInside(name, subtree);
  return !excluded.some(holds) && (!isPermittedKind || permitted.some(holds));
}

/** Whether a subject obeys the constraints of kind `directory`; the empty subject always does (RFC 5280 §4.2.1.10). */
export function isSubjectWithinConstraints(subjectDer: Uint8Array, constraints: NameConstraints): boolean {
  if (subjectDer.length <= 2 || !constrainsDirectoryNames(constraints)) return true;
  return isNameWithinConstraints({ kind: 'directory', der: der.explicit(4, subjectDer) }, constraints);
}

function constrainsDirectoryNames({ excluded, permitted }: NameConstraints): boolean {
  return permitted.some(({ kind }) => kind === 'directory') || excluded.some(({ kind }) => kind === 'directory');
}

function subtreeKind(name: GeneralName): GeneralSubtree['kind'] {
  switch (name.kind) {
    case 'dns':
    case 'uri':
    case 'email':
    case 'ip':
    case 'directory':
      return name.kind;
    default:
      return 'other';
  }
}

function isInside(name: GeneralName, subtree: GeneralSubtree): boolean {
  if (name.kind === 'directory') return subtree.kind === 'directory' && isDirectoryInside(name.der, subtree.der);
  if (subtree.kind === 'directory' || subtree.kind === 'other' || subtree.kind !== name.kind) return false;
  switch (name.kind) {
    case 'dns':
      return isDomainInside(name.value.toLowerCase(), subtree.value.toLowerCase());
    case 'uri':
      return isHostInside(uriHost(name.value), subtree.value.toLowerCase());
    case 'email':
      return isMailboxInside(name.value, subtree.value);
    case 'ip':
      return isAddressInside(name.value, subtree.value);
    default:
      return false;
  }
}

/** RFC 5280: any name made by adding labels to the left of the base. A leading dot, found in the field, asks for one. */
function isDomainInside(domain: string, base: string): boolean {
  if (base === '') return true;
  if (base.startsWith('.')) return domain.endsWith(base);
  return domain === base || domain.endsWith(`.${base}`);
}

/** RFC 5280: with a leading period one or more labels more, without it that very host. */
function isHostInside(host: string | undefined, base: string): boolean {
  if (host === undefined) return false;
  return base.startsWith('.') ? host.endsWith(base) && host.length > base.length : host === base;
}

// The authority's host (RFC 3986 §3.2.2), lower-case; undefined for none, and for an address, which is no domain name.
function uriHost(uri: string): string | undefined {
  const match = /^[A-Za-z][A-Za-z0-9+.-]*:\/\/(?:[^/?#@]*@)?([^/?#:[\]]+)(?::[0-9]*)?(?:[/?#]|$)/.exec(uri);
  const host = match?.[1]?.toLowerCase();
  return host === undefined || parseIpAddress(host) !== undefined ? undefined : host;
}

function isMailboxInside(mailbox: string, base: string): boolean {
  const at = mailbox.lastIndexOf('@');
  const baseAt = base.lastIndexOf('@');
  const host = mailbox.slice(at + 1).toLowerCase();
  if (baseAt < 0) return isHostInside(host, base.toLowerCase());
  return mailbox.slice(0, at) === base.slice(0, baseAt) && host === base.slice(baseAt + 1).toLowerCase();
}

function isAddressInside(address: string, range: string): boolean {
  const octets = parseIpAddress(address);
  const bounds = parseIpRange(range);
  if (octets === undefined || bounds === undefined || bounds.length !== octets.length * 2) return false;
  return octets.every((octet, i) => (octet & bounds[octets.length + i]!) === bounds[i]);
}

// RDN by RDN from the root, compared as bytes: the stricter reading of RFC 5280 §7.1, which never widens what is permitted.
function isDirectoryInside(nameDer: Uint8Array, baseDer: Uint8Array): boolean {
  const nameRdns = rdnsOf(readConstructed(openDer(nameDer), baseTags.directory));
  return rdnsOf(openDer(baseDer)).every(
    (rdn, i) => nameRdns[i] !== undefined && Buffer.compare(rdn, nameRdns[i]) === 0,
  );
}

function rdnsOf(beforeName: DerCursor): readonly Uint8Array[] {
  const cursor = readConstructed(beforeName, 0x30);
  const rdns: Uint8Array[] = [];
  while (!isAtEnd(cursor)) rdns.push(readElement(cursor));
  return rdns;
}
