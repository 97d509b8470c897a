import {
  type DerCursor,
  expectEnd,
  isAtEnd,
  openDer,
  readOid,
  readSequence,
  readSet,
  readString,
} from './der/reader.ts';
import { ia5String, oid, printableString, sequence, set, utf8String } from './der/writer.ts';
import { MalformedError } from './malformed.ts';
import { oids } from './oids.ts';

/** One AttributeTypeAndValue; `rdn` counts the relative distinguished names, so that equal numbers stood in one SET. */
export interface NameAttribute {
  readonly type: string;
  readonly value: string;
  readonly rdn: number;
}

/** A Name (RFC 5280 §4.1.2.4): its DER, and its attributes in the order of the DER. */
export interface DistinguishedName {
  readonly der: Uint8Array;
  readonly attributes: readonly NameAttribute[];
}

// Real subjects have up to a dozen; the bound keeps what is shown and compared small.
const attributesMax = 64;
const nameCharactersMax = 4_096;

/**
 * Reads a Name. Values of every string type are decoded; a value that is no string (x500UniqueIdentifier) is
 * `name-malformed`, since no tool puts one into a request and text would not say what it is.
 */
export function readName(cursor: DerCursor): DistinguishedName {
  const start = cursor.at;
  const rdns = readSequence(cursor);
  const attributes: NameAttribute[] = [];
  for (let rdn = 0; !isAtEnd(rdns); rdn++) readRelativeName(rdns, rdn, attributes);
  return { der: cursor.bytes.subarray(start, cursor.at), attributes };
}

function readRelativeName(rdns: DerCursor, rdn: number, attributes: NameAttribute[]): void {
  const elements = readSet(rdns);
  if (isAtEnd(elements)) {
    throw new MalformedError('name-malformed', 'a relative distinguished name has an attribute', elements.at);
  }
  while (!isAtEnd(elements)) {
    if (attributes.length >= attributesMax) {
      throw new MalformedError('name-malformed', 'a name has too many attributes', elements.at);
    }
    const attribute = readSequence(elements);
    const type = readOid(attribute);
    const value = readString(attribute);
    if (value === undefined) {
      throw new MalformedError('name-malformed', 'the value of a name attribute is a string', attribute.at);
    }
    expectEnd(attribute);
    attributes.push({ type, value, rdn });
  }
}

/** Parses a Name that stands alone. Throws MalformedError. */
export function parseName(der: Uint8Array): DistinguishedName {
  return readName(openDer(der));
}

interface AttributeForm {
  readonly label: string;
  readonly type: string;
  readonly string: 'directory' | 'printable' | 'ia5';
  readonly charactersMax: number;
}

// RFC 4514 §3 and what tools write; upper bounds of RFC 5280 appendix A.1.
const attributeForms: readonly AttributeForm[] = [
  { label: 'CN', type: oids.commonName, string: 'directory', charactersMax: 64 },
  { label: 'O', type: oids.organizationName, string: 'directory', charactersMax: 64 },
  { label: 'OU', type: oids.organizationalUnitName, string: 'directory', charactersMax: 64 },
  { label: 'C', type: oids.countryName, string: 'printable', charactersMax: 2 },
  { label: 'L', type: oids.localityName, string: 'directory', charactersMax: 128 },
  { label: 'ST', type: oids.stateOrProvinceName, string: 'directory', charactersMax: 128 },
  { label: 'STREET', type: oids.streetAddress, string: 'directory', charactersMax: 128 },
  { label: 'DC', type: oids.domainComponent, string: 'ia5', charactersMax: 63 },
  { label: 'UID', type: oids.userId, string: 'directory', charactersMax: 256 },
  { label: 'serialNumber', type: oids.serialNumber, string: 'printable', charactersMax: 64 },
  { label: 'SN', type: oids.surname, string: 'directory', charactersMax: 128 },
  { label: 'GN', type: oids.givenName, string: 'directory', charactersMax: 128 },
  { label: 'title', type: oids.title, string: 'directory', charactersMax: 64 },
  { label: 'dnQualifier', type: oids.dnQualifier, string: 'printable', charactersMax: 64 },
  { label: 'emailAddress', type: oids.emailAddress, string: 'ia5', charactersMax: 255 },
];
const formsByType: ReadonlyMap<string, AttributeForm> = new Map(attributeForms.map((form) => [form.type, form]));
const formsByLabel: ReadonlyMap<string, AttributeForm> = new Map(
  attributeForms.map((form) => [form.label.toLowerCase(), form]),
);

/**
 * Text of a name for people and logs: RFC 4514 escapes, attributes in the order of the DER (so the same order
 * `encodeDistinguishedName` takes), `+` inside a multi-valued RDN. Every control, format, bidirectional, invisible or
 * unassigned character comes out as `\xx` of its UTF-8, so that no name can rewrite the line it is shown on.
 */
export function formatDistinguishedName(name: DistinguishedName): string {
  let text = '';
  let rdn = 0;
  for (const attribute of name.attributes) {
    if (text !== '') text += attribute.rdn === rdn ? '+' : ',';
    text += `${formsByType.get(attribute.type)?.label ?? attribute.type}=${escapeValue(attribute.value)}`;
    rdn = attribute.rdn;
  }
  return text;
}

function escapeValue(value: string): string {
  return value
    .replace(/["+,;<>\\]/g, '\\$&')
    .replace(/^[ #]|(?<=.) $/gsu, '\\$&')
    .replace(/(?! )[\p{C}\p{Z}]/gu, escapeOctets);
}

function escapeOctets(character: string): string {
  return Array.from(Buffer.from(character, 'utf8'), (octet) => `\\${octet.toString(16).padStart(2, '0')}`).join('');
}

/**
 * DER of a name given as text: `CN=Example Root G1,O=Example Fleet`, in the order written, RFC 4514 escapes, `+` for
 * several attributes in one RDN; labels as above or dotted object identifiers. Throws MalformedError `name-malformed`
 * for an unknown label, an empty or over-long value, or a character its string type does not have.
 */
export function encodeDistinguishedName(text: string): Uint8Array {
  if (text === '') return sequence();
  if (text.length > nameCharactersMax || !text.isWellFormed()) {
    throw new MalformedError('name-malformed', 'the text of a name is too long, or not Unicode');
  }
  const rdns: Uint8Array[] = [];
  for (const rdn of splitUnescaped(text, ',')) {
    rdns.push(set(...splitUnescaped(rdn, '+').map(encodeAttribute)));
  }
  return sequence(...rdns);
}

/** DER of a name of one common name (UTF8String), or of no attribute at all for undefined. */
export function encodeCommonNameOnly(commonName: string | undefined): Uint8Array {
  if (commonName === undefined) return sequence();
  return sequence(set(sequence(commonNameType, encodeValue(commonNameForm, commonName))));
}

const commonNameType = oid(oids.commonName);
const commonNameForm = formsByType.get(oids.commonName);

function splitUnescaped(text: string, separator: string): string[] {
  const parts: string[] = [];
  let start = 0;
  for (let at = 0; at < text.length; at++) {
    if (text[at] === '\\') at++;
    else if (text[at] === separator) {
      parts.push(text.slice(start, at));
      start = at + 1;
    }
  }
  parts.push(text.slice(start));
  return parts;
}

function encodeAttribute(text: string): Uint8Array {
  const equals = text.indexOf('=');
  if (equals < 1) throw new MalformedError('name-malformed', 'an attribute of a name is written label=value');
  const label = text.slice(0, equals).trim();
  const form = formsByLabel.get(label.toLowerCase());
  const type = form?.type ?? label;
  return sequence(
    encodeAttributeType(type),
    encodeValue(form ?? formsByType.get(type), unescapeValue(text.slice(equals + 1))),
  );
}

/**
 * DER of an object identifier in dotted form, of arcs of up to 39 digits (a UUID's) and 128 characters in all;
 * `name-malformed` otherwise.
 */
export function encodeAttributeType(dotted: string): Uint8Array {
  const [root, second] = dotted.split('.', 2);
  const isOid = dotted.length <= 128 && /^[0-2](\.(0|[1-9][0-9]{0,38}))+$/.test(dotted);
  if (!isOid || (root !== '2' && Number(second) > 39)) {
    throw new MalformedError('name-malformed', 'a type in a name is no object identifier, or too long a one');
  }
  return oid(dotted);
}

function encodeValue(form: AttributeForm | undefined, value: string): Uint8Array {
  if (value === '' || value.length > (form?.charactersMax ?? 255) || !value.isWellFormed()) {
    throw new MalformedError('name-malformed', 'a value of a name is empty or longer than RFC 5280 allows');
  }
  if (form?.string === 'printable') {
    if (!/^[A-Za-z0-9 '()+,\-./:=?]+$/.test(value)) {
      throw new MalformedError('name-malformed', 'a value of a name has a character PrintableString has not');
    }
    return printableString(value);
  }
  if (form?.string === 'ia5') {
    if (!/^[\x20-\x7e]+$/.test(value)) {
      throw new MalformedError('name-malformed', 'a value of a name has a character IA5String has not');
    }
    return ia5String(value);
  }
  return utf8String(value);
}

// White space around an unescaped value is dropped, as RFC 4514 writers disagree about a blank after the comma.
function unescapeValue(text: string): string {
  const trimmed = text.replace(/^ +/, '').replace(/(?<=[^\\]) +$/, '');
  const octets: number[] = [];
  for (let at = 0; at < trimmed.length; at++) {
    const character = String.fromCodePoint(trimmed.codePointAt(at)!);
    if (character !== '\\') {
      if ('"+,;<>'.includes(character)) {
        throw new MalformedError('name-malformed', 'a special character in a name is escaped');
      }
      octets.push(...Buffer.from(character, 'utf8'));
      at += character.length - 1;
      continue;
    }
    const pair = trimmed.slice(at + 1, at + 3);
    if (/^[0-9a-fA-F]{2}$/.test(pair)) {
      octets.push(Number.parseInt(pair, 16));
      at += 2;
    } else if (pair !== '' && ' "#+,;<=>\\'.includes(pair[0]!)) {
      octets.push(pair.charCodeAt(0));
      at += 1;
    } else {
      throw new MalformedError('name-malformed', 'an escape in a name is not one of RFC 4514');
    }
  }
  return decodeStrictUtf8(Uint8Array.from(octets));
}

function decodeStrictUtf8(octets: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(octets);
  } catch {
    throw new MalformedError('name-malformed', 'the escapes of a name do not spell UTF-8');
  }
}
