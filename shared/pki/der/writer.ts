/**
 * DER writer (X.690). Every function returns one complete TLV in a fresh Uint8Array and never keeps its arguments.
 *
 * Sizes are computed before anything is written, so a value is copied once a nesting level and nothing is ever grown.
 * Wrong arguments are our own mistakes, not input: they throw RangeError.
 */
import type { EpochMs } from '../epoch.ts';

const tag = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  nullValue: 0x05,
  oid: 0x06,
  utf8String: 0x0c,
  printableString: 0x13,
  ia5String: 0x16,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
  contextPrimitive: 0x80,
  contextConstructed: 0xa0,
} as const;

/** Tag numbers above 30 need the multi-byte form, which no structure of RFC 5280, 2986 or 5652 uses. */
const contextTagMax = 30;

/** X.690 8.1.3: one octet below 128, else a count octet and the minimal big-endian length. */
function headerBytes(length: number): number {
  if (length < 0x80) return 2;
  if (length < 0x100) return 3;
  if (length < 0x1_0000) return 4;
  if (length < 0x100_0000) return 5;
  return 6;
}

function writeHeader(out: Uint8Array, identifier: number, length: number): number {
  out[0] = identifier;
  if (length < 0x80) {
    out[1] = length;
    return 2;
  }
  const lengthBytes = headerBytes(length) - 2;
  out[1] = 0x80 | lengthBytes;
  let rest = length;
  for (let at = 1 + lengthBytes; at > 1; at -= 1) {
    out[at] = rest & 0xff;
    rest >>>= 8;
  }
  return 2 + lengthBytes;
}

function wrap(identifier: number, content: Uint8Array): Uint8Array {
  const out = new Uint8Array(headerBytes(content.length) + content.length);
  out.set(content, writeHeader(out, identifier, content.length));
  return out;
}

function lengthOf(parts: readonly Uint8Array[]): number {
  let length = 0;
  for (const part of parts) length += part.length;
  return length;
}

function wrapParts(identifier: number, parts: readonly Uint8Array[]): Uint8Array {
  const length = lengthOf(parts);
  const out = new Uint8Array(headerBytes(length) + length);
  let at = writeHeader(out, identifier, length);
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

function contextNumber(n: number): number {
  if (!Number.isInteger(n) || n < 0 || n > contextTagMax) throw new RangeError('context tag number out of range');
  return n;
}

/** The octets of all parts, one after the other, without a header. */
export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(lengthOf(parts));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** SEQUENCE (OF) of already encoded elements. */
export function sequence(...parts: readonly Uint8Array[]): Uint8Array {
  return wrapParts(tag.sequence, parts);
}

function compareOctets(a: Uint8Array, b: Uint8Array): number {
  const shared = Math.min(a.length, b.length);
  for (let i = 0; i < shared; i += 1) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

/** SET OF of already encoded elements, put in ascending order as X.690 11.6 asks of DER. */
export function set(...parts: readonly Uint8Array[]): Uint8Array {
  return wrapParts(tag.set, parts.length < 2 ? parts : [...parts].sort(compareOctets));
}

/** OCTET STRING. */
export function octetString(content: Uint8Array): Uint8Array {
  return wrap(tag.octetString, content);
}

/** BIT STRING of `content`; the last `unusedBits` (0–7) bits do not count and must be zero (X.690 11.2.1). */
export function bitString(content: Uint8Array, unusedBits = 0): Uint8Array {
  const last = content[content.length - 1] ?? 0;
  if (!Number.isInteger(unusedBits) || unusedBits < 0 || unusedBits > 7 || (last & ((1 << unusedBits) - 1)) !== 0)
    throw new RangeError('unused bits of a BIT STRING must be 0 to 7 and zero');
  if (content.length === 0 && unusedBits !== 0) throw new RangeError('an empty BIT STRING has no unused bits');
  const length = content.length + 1;
  const out = new Uint8Array(headerBytes(length) + length);
  const at = writeHeader(out, tag.bitString, length);
  out[at] = unusedBits;
  out.set(content, at + 1);
  return out;
}

/** What stands before the octets of a BIT STRING of whole octets, for whatever holds it, so that they are copied once. */
export function bitStringHeader(octets: number): Uint8Array {
  const length = octets + 1;
  const out = new Uint8Array(headerBytes(length) + 1);
  writeHeader(out, tag.bitString, length);
  return out;
}

/** INTEGER, two's complement in the fewest octets (X.690 8.3.2). */
export function integer(value: bigint | number): Uint8Array {
  if (typeof value === 'number') {
    if (!Number.isSafeInteger(value)) throw new RangeError('an INTEGER from a number must be a safe integer');
    if (value >= 0 && value < 0x80) return Uint8Array.of(tag.integer, 1, value);
  }
  let rest = BigInt(value);
  const octets: number[] = [];
  for (;;) {
    const low = Number(rest & 0xffn);
    octets.push(low);
    rest >>= 8n;
    if ((rest === 0n && low < 0x80) || (rest === -1n && low >= 0x80)) break;
  }
  return wrap(tag.integer, Uint8Array.from(octets.reverse()));
}

/** Positive INTEGER from unsigned big-endian octets: leading zeros are dropped, a sign octet is put where it is needed. */
export function integerBytes(unsigned: Uint8Array): Uint8Array {
  let start = 0;
  while (start < unsigned.length - 1 && unsigned[start] === 0) start += 1;
  if (unsigned.length === 0) return Uint8Array.of(tag.integer, 1, 0);
  const signBytes = (unsigned[start] ?? 0) >= 0x80 ? 1 : 0;
  const length = unsigned.length - start + signBytes;
  const out = new Uint8Array(headerBytes(length) + length);
  const at = writeHeader(out, tag.integer, length);
  out.set(start === 0 ? unsigned : unsigned.subarray(start), at + signBytes);
  return out;
}

function pushBase128(octets: number[], value: bigint): void {
  const groups: number[] = [Number(value & 0x7fn)];
  for (let rest = value >> 7n; rest > 0n; rest >>= 7n) groups.push(0x80 | Number(rest & 0x7fn));
  for (let i = groups.length - 1; i >= 0; i -= 1) octets.push(groups[i] ?? 0);
}

/** OBJECT IDENTIFIER from dotted decimal (X.690 8.19). Call it once a constant: the result is safe to share. */
export function oid(dotted: string): Uint8Array {
  if (!/^[0-2](?:\.(?:0|[1-9][0-9]*))+$/.test(dotted)) throw new RangeError('not a dotted object identifier');
  const [first = 0n, second = 0n, ...arcs] = dotted.split('.').map((arc) => BigInt(arc));
  if (first < 2n && second > 39n) throw new RangeError('second arc of an object identifier out of range');
  const octets: number[] = [];
  pushBase128(octets, first * 40n + second);
  for (const arc of arcs) pushBase128(octets, arc);
  return wrap(tag.oid, Uint8Array.from(octets));
}

const encoder = new TextEncoder();

/** The octets of seven-bit text, undefined for any other: the texts of names are short, and a call of the encoder is not. */
function asciiOctets(value: string): Uint8Array | undefined {
  const octets = new Uint8Array(value.length);
  for (let at = 0; at < value.length; at += 1) {
    const unit = value.charCodeAt(at);
    if (unit >= 0x80) return undefined;
    octets[at] = unit;
  }
  return octets;
}

/** UTF8String. A lone surrogate has no UTF-8 form and is refused. */
export function utf8String(value: string): Uint8Array {
  if (!value.isWellFormed()) throw new RangeError('not well-formed Unicode');
  return wrap(tag.utf8String, asciiOctets(value) ?? encoder.encode(value));
}

/** PrintableString; refuses characters outside its set (X.680 41.4). */
export function printableString(value: string): Uint8Array {
  if (!/^[A-Za-z0-9 '()+,\-./:=?]*$/.test(value)) throw new RangeError('not a PrintableString');
  return wrap(tag.printableString, encoder.encode(value));
}

/** The bare octets of an IA5String, for `implicit`; refuses what is not 7-bit. */
export function ia5Content(value: string): Uint8Array {
  const octets = asciiOctets(value);
  if (octets === undefined) throw new RangeError('not an IA5String');
  return octets;
}

/** IA5String; refuses what is not 7-bit. */
export function ia5String(value: string): Uint8Array {
  return wrap(tag.ia5String, ia5Content(value));
}

/** BOOLEAN TRUE; DER has one form of it (X.690 11.1). FALSE is always a DEFAULT in our structures, hence never written. */
export function booleanTrue(): Uint8Array {
  return Uint8Array.of(tag.boolean, 1, 0xff);
}

/** NULL. */
export function nullValue(): Uint8Array {
  return Uint8Array.of(tag.nullValue, 0);
}

/** `[n] EXPLICIT`: the parts are complete TLVs. */
export function explicit(n: number, ...parts: readonly Uint8Array[]): Uint8Array {
  return wrapParts(tag.contextConstructed | contextNumber(n), parts);
}

/**
 * The two headers of an `[n] EXPLICIT` SEQUENCE of these elements, which stand after it in whatever holds it: so long a value
 * is copied once, not once for each header.
 */
export function explicitSequenceHeaders(n: number, parts: readonly Uint8Array[]): Uint8Array {
  const length = lengthOf(parts);
  const inner = new Uint8Array(headerBytes(length));
  writeHeader(inner, tag.sequence, length);
  const outer = new Uint8Array(headerBytes(inner.length + length) + inner.length);
  outer.set(inner, writeHeader(outer, tag.contextConstructed | contextNumber(n), inner.length + length));
  return outer;
}

/** `[n] IMPLICIT` of a primitive type: `content` is the bare content, without the header it would have had. */
export function implicit(n: number, content: Uint8Array): Uint8Array {
  return wrap(tag.contextPrimitive | contextNumber(n), content);
}

/** `[n] IMPLICIT` of a constructed type: the parts are the elements of the SEQUENCE or SET it replaces. */
export function implicitConstructed(n: number, ...parts: readonly Uint8Array[]): Uint8Array {
  return wrapParts(tag.contextConstructed | contextNumber(n), parts);
}

/** `[n] IMPLICIT SET OF`: as `implicitConstructed`, with the elements put in order (X.690 11.6). */
export function implicitSet(n: number, ...parts: readonly Uint8Array[]): Uint8Array {
  return wrapParts(tag.contextConstructed | contextNumber(n), [...parts].sort(compareOctets));
}

function writeTwoDigits(out: Uint8Array, at: number, value: number): void {
  out[at] = 0x30 + Math.floor(value / 10);
  out[at + 1] = 0x30 + (value % 10);
}

/**
 * Time of a Validity (RFC 5280 §4.1.2.5): UTCTime for 1950 to 2049, GeneralizedTime from 2050, always with seconds and 'Z'.
 * `at` is a multiple of 1000, since a certificate cannot carry a fraction of a second; RangeError otherwise.
 */
export function time(at: EpochMs): Uint8Array {
  if (!Number.isSafeInteger(at) || at % 1000 !== 0) throw new RangeError('a certificate time is in whole seconds');
  const date = new Date(at);
  const year = date.getUTCFullYear();
  if (!(year >= 1950 && year <= 9999)) throw new RangeError('a certificate time lies between 1950 and 9999');
  const centuryBytes = year < 2050 ? 0 : 2;
  const length = 13 + centuryBytes;
  const out = new Uint8Array(2 + length);
  writeHeader(out, centuryBytes === 0 ? tag.utcTime : tag.generalizedTime, length);
  if (centuryBytes !== 0) writeTwoDigits(out, 2, Math.floor(year / 100));
  const from = 2 + centuryBytes;
  writeTwoDigits(out, from, year % 100);
  writeTwoDigits(out, from + 2, date.getUTCMonth() + 1);
  writeTwoDigits(out, from + 4, date.getUTCDate());
  writeTwoDigits(out, from + 6, date.getUTCHours());
  writeTwoDigits(out, from + 8, date.getUTCMinutes());
  writeTwoDigits(out, from + 10, date.getUTCSeconds());
  out[from + 12] = 0x5a;
  return out;
}
