import { checkOid } from './der/primitive.ts';
import {
  type DerCursor,
  decodeLatin1,
  decodeOid,
  expectEnd,
  isAtEnd,
  openDer,
  peekTag,
  readConstructed,
  readContent,
  readElement,
  readOid,
  readSequence,
  skipElement,
  tags,
} from './der/reader.ts';
import { concat, ia5Content, implicit, sequence } from './der/writer.ts';
import { encodeAttributeType, readName } from './distinguished-name.ts';
import { sha256Hex } from './hash.ts';
import { formatIpAddress, parseIpAddress } from './ip-address.ts';
import { MalformedError } from './malformed.ts';

export {
  type DistinguishedName,
  encodeCommonNameOnly,
  encodeDistinguishedName,
  formatDistinguishedName,
  type NameAttribute,
  parseName,
  readName,
} from './distinguished-name.ts';
export { dnsNameFault, isWildcard } from './dns-name.ts';

/**
 * A GeneralName (RFC 5280 §4.2.1.6). `ip` is canonical text (dotted decimal, or RFC 5952). `der` is the whole element
 * as it stood in its GeneralNames, context tag included.
 */
export type GeneralName =
  | { readonly kind: 'dns' | 'email' | 'uri'; readonly value: string }
  | { readonly kind: 'ip'; readonly value: string }
  | { readonly kind: 'directory'; readonly der: Uint8Array }
  | { readonly kind: 'other'; readonly typeId: string; readonly der: Uint8Array }
  | { readonly kind: 'registered-id'; readonly value: string }
  | { readonly kind: 'x400' | 'edi'; readonly der: Uint8Array };

/** Tag octets of GeneralName: context class, constructed where the type is. */
const nameTags = {
  other: 0xa0,
  email: 0x81,
  dns: 0x82,
  x400: 0xa3,
  directory: 0xa4,
  edi: 0xa5,
  uri: 0x86,
  ip: 0x87,
  registeredId: 0x88,
} as const;

// What a parser may be made to hold; how many a profile allows is policy's, and lower.
const generalNamesMax = 2_000;

/** Parses `GeneralNames` that stand alone, e.g. the value of a subjectAltName: one name at least. Throws MalformedError. */
export function parseGeneralNames(der: Uint8Array): readonly GeneralName[] {
  return readGeneralNames(readSequence(openDer(der)));
}

/** Reads the rest of `cursor` as GeneralName elements: the content of a GeneralNames, whatever its own tag. */
export function readGeneralNames(cursor: DerCursor): readonly GeneralName[] {
  const names: GeneralName[] = [];
  if (isAtEnd(cursor)) throw new MalformedError('name-malformed', 'GeneralNames has a name', cursor.at);
  while (!isAtEnd(cursor)) {
    if (names.length >= generalNamesMax) {
      throw new MalformedError('der-too-many-elements', 'GeneralNames has too many names', cursor.at);
    }
    names.push(readGeneralName(cursor));
  }
  return names;
}

/**
 * Reads one GeneralName of any of the nine kinds. Text is seven-bit, not empty and without control characters (a NUL
 * would end the name in one reader and not in another); an address has 4 or 16 octets. Whether a name has the form of
 * a host name, a mailbox or a SPIFFE id is judged by whoever wants that kind.
 */
export function readGeneralName(cursor: DerCursor): GeneralName {
  const tag = peekTag(cursor);
  switch (tag) {
    case nameTags.dns:
      return { kind: 'dns', value: readNameText(cursor, tag) };
    case nameTags.uri:
      return { kind: 'uri', value: readNameText(cursor, tag) };
    case nameTags.email:
      return { kind: 'email', value: readNameText(cursor, tag) };
    case nameTags.ip:
      return readIp(cursor);
    case nameTags.registeredId:
      return readRegisteredId(cursor);
    case nameTags.other:
      return readOtherName(cursor);
    case nameTags.directory:
      return readDirectoryName(cursor);
    case nameTags.x400:
      return { kind: 'x400', der: readElement(cursor) };
    case nameTags.edi:
      return { kind: 'edi', der: readElement(cursor) };
    default:
      throw new MalformedError('name-malformed', 'a GeneralName is of a kind RFC 5280 does not have', cursor.at);
  }
}

function readNameText(cursor: DerCursor, tag: number): string {
  const content = readContent(cursor, tag);
  const start = cursor.at - content.length;
  if (content.length === 0) throw new MalformedError('name-malformed', 'a name is empty', start);
  for (let index = 0; index < content.length; index++) {
    const octet = content[index]!;
    if (octet < 0x20 || octet >= 0x7f) {
      throw new MalformedError('name-malformed', 'a name has a character that is not printable ASCII', start + index);
    }
  }
  return decodeLatin1(content, 0, content.length);
}

function readIp(cursor: DerCursor): GeneralName {
  const start = cursor.at;
  const value = formatIpAddress(readContent(cursor, nameTags.ip));
  if (value === undefined) throw new MalformedError('name-malformed', 'an address has 4 or 16 octets', start);
  return { kind: 'ip', value };
}

function readRegisteredId(cursor: DerCursor): GeneralName {
  const content = readContent(cursor, nameTags.registeredId);
  checkOid(content, 0, content.length);
  return { kind: 'registered-id', value: decodeOid(content, 0, content.length) };
}

// OtherName ::= SEQUENCE { type-id OBJECT IDENTIFIER, value [0] EXPLICIT ANY }
function readOtherName(cursor: DerCursor): GeneralName {
  const start = cursor.at;
  const inner = readConstructed(cursor, nameTags.other);
  const typeId = readOid(inner);
  const value = readConstructed(inner, 0xa0);
  skipElement(value);
  expectEnd(value);
  expectEnd(inner);
  return { kind: 'other', typeId, der: cursor.bytes.subarray(start, cursor.at) };
}

// Name is a CHOICE, so its tag is explicit (X.680 §31.2.7).
function readDirectoryName(cursor: DerCursor): GeneralName {
  const start = cursor.at;
  const inner = readConstructed(cursor, nameTags.directory);
  readName(inner);
  expectEnd(inner);
  return { kind: 'directory', der: cursor.bytes.subarray(start, cursor.at) };
}

/** DER of `GeneralNames`, in the order given. Throws MalformedError for a value its kind cannot hold. */
export function encodeGeneralNames(names: readonly GeneralName[]): Uint8Array {
  return sequence(...names.map(encodeGeneralName));
}

/** DER of one GeneralName. Throws MalformedError `name-malformed` for a value its kind cannot hold. */
export function encodeGeneralName(name: GeneralName): Uint8Array {
  switch (name.kind) {
    case 'dns':
      return encodeNameText(2, name.value);
    case 'uri':
      return encodeNameText(6, name.value);
    case 'email':
      return encodeNameText(1, name.value);
    case 'ip': {
      const octets = parseIpAddress(name.value);
      if (octets === undefined) throw new MalformedError('name-malformed', 'a name is not an IP address');
      return implicit(7, octets);
    }
    case 'registered-id':
      return implicit(8, encodeOidContent(name.value));
    case 'directory':
    case 'other':
    case 'x400':
    case 'edi':
      return concat(name.der);
    default:
      return assertNever(name);
  }
}

function encodeOidContent(dotted: string): Uint8Array {
  return readContent(openDer(encodeAttributeType(dotted)), tags.oid);
}

function encodeNameText(tagNumber: number, value: string): Uint8Array {
  if (!/^[\x20-\x7e]+$/.test(value)) {
    throw new MalformedError('name-malformed', 'a name has a character that is not printable ASCII');
  }
  return implicit(tagNumber, ia5Content(value));
}

function assertNever(value: never): never {
  throw new TypeError(`unexpected kind of name: ${String(value)}`);
}

/**
 * The key under which a name is held: equal for names that mean the same. Host names ignore case (RFC 4343), of a
 * mailbox only the host does (RFC 5321 §2.4); a URI is taken as it stands, a SPIFFE id being lower-case already.
 */
export function nameKey(name: GeneralName): string {
  switch (name.kind) {
    case 'dns':
      return `dns:${name.value.toLowerCase()}`;
    case 'uri':
      return `uri:${name.value}`;
    case 'ip':
      return `ip:${name.value}`;
    case 'email': {
      const at = name.value.lastIndexOf('@') + 1;
      return `email:${name.value.slice(0, at)}${name.value.slice(at).toLowerCase()}`;
    }
    default:
      return `other:${sha256Hex(encodeGeneralName(name))}`;
  }
}
