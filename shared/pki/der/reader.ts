import type { EpochMs } from '../epoch.ts';
import { MalformedError } from '../malformed.ts';
import { isAscii, parseGeneralizedTime, parseUtcTime, readCodePoint, tags } from './primitive.ts';
import { contentLength, type DerLimits, defaultDerLimits, scanDer } from './scan.ts';

export { type DerLimits, defaultDerLimits, scanDer, tags };

/**
 * A place in DER that `openDer` has proven canonical. Reading moves `at` forward; `end` is where the enclosing element
 * ends. Views handed out share memory with `bytes`.
 */
export interface DerCursor {
  readonly bytes: Uint8Array;
  at: number;
  readonly end: number;
}

/**
 * A cursor before the one element that `der` is. Scans all of it first (X.690 DER, `limits`), so that every read
 * after it meets canonical elements only; throws MalformedError and nothing else, in time linear in the bytes.
 */
export function openDer(der: Uint8Array, limits: DerLimits = defaultDerLimits): DerCursor {
  // A plain Uint8Array, since views of a Buffer cost several times as much.
  const bytes = der.constructor === Uint8Array ? der : new Uint8Array(der.buffer, der.byteOffset, der.byteLength);
  scanDer(bytes, limits);
  return { bytes, at: 0, end: bytes.length };
}

/** Whether the enclosing element has nothing left. */
export function isAtEnd(cursor: DerCursor): boolean {
  return cursor.at >= cursor.end;
}

/** Throws `der-malformed` when the enclosing element has more than was read. */
export function expectEnd(cursor: DerCursor): void {
  if (cursor.at < cursor.end) throw new MalformedError('der-malformed', 'an element more than expected', cursor.at);
}

/** The tag octet of the next element, or -1 at the end. */
export function peekTag(cursor: DerCursor): number {
  return cursor.at < cursor.end ? cursor.bytes[cursor.at]! : -1;
}

// Consumes a header with `tag`, leaving `at` on the content; returns where the content ends.
function readHeader(cursor: DerCursor, tag: number): number {
  const { bytes, at } = cursor;
  if (at >= cursor.end) throw new MalformedError('der-malformed', 'an element is missing', at);
  if (bytes[at] !== tag) throw new MalformedError('der-malformed', 'an element of another type was expected', at);
  return enterContent(cursor);
}

function enterContent(cursor: DerCursor): number {
  const { bytes, at } = cursor;
  const first = bytes[at + 1]!;
  const contentStart = first < 0x80 ? at + 2 : at + 2 + (first & 0x7f);
  const contentEnd = contentStart + contentLength(bytes, at, contentStart);
  // Cannot happen behind openDer; makes a cursor over anything else fail instead of running on.
  if (!(contentEnd <= cursor.end)) throw new MalformedError('der-truncated', 'the DER ends too early', at);
  cursor.at = contentStart;
  return contentEnd;
}

/** Reads a constructed element with the tag octet `tag` (e.g. 0xa0 for [0]); returns a cursor over its content. */
export function readConstructed(cursor: DerCursor, tag: number): DerCursor {
  const end = readHeader(cursor, tag);
  const inner: DerCursor = { bytes: cursor.bytes, at: cursor.at, end };
  cursor.at = end;
  return inner;
}

/** Reads a SEQUENCE; returns a cursor over its content. */
export function readSequence(cursor: DerCursor): DerCursor {
  return readConstructed(cursor, tags.sequence);
}

/** Reads a SET; returns a cursor over its content. */
export function readSet(cursor: DerCursor): DerCursor {
  return readConstructed(cursor, tags.set);
}

/** Reads any element whole: a view of tag, length and content. */
export function readElement(cursor: DerCursor): Uint8Array {
  const start = cursor.at;
  if (start >= cursor.end) throw new MalformedError('der-malformed', 'an element is missing', start);
  const end = enterContent(cursor);
  cursor.at = end;
  return cursor.bytes.subarray(start, end);
}

/** Reads an element with the tag octet `tag` whole. */
export function readElementOf(cursor: DerCursor, tag: number): Uint8Array {
  if (peekTag(cursor) !== tag) {
    throw new MalformedError('der-malformed', 'an element of another type was expected', cursor.at);
  }
  return readElement(cursor);
}

/** Reads an element with the tag octet `tag`; a view of its content. */
export function readContent(cursor: DerCursor, tag: number): Uint8Array {
  const end = readHeader(cursor, tag);
  const content = cursor.bytes.subarray(cursor.at, end);
  cursor.at = end;
  return content;
}

/** Moves past the next element. */
export function skipElement(cursor: DerCursor): void {
  if (cursor.at >= cursor.end) throw new MalformedError('der-malformed', 'an element is missing', cursor.at);
  cursor.at = enterContent(cursor);
}

/** Reads a BOOLEAN. */
export function readBoolean(cursor: DerCursor): boolean {
  const end = readHeader(cursor, tags.boolean);
  const value = cursor.bytes[cursor.at] === 0xff;
  cursor.at = end;
  return value;
}

/** Reads `BOOLEAN DEFAULT FALSE`: TRUE, or nothing; FALSE spelt out is not DER (X.690 §11.5). */
export function readBooleanDefaultFalse(cursor: DerCursor): boolean {
  if (peekTag(cursor) !== tags.boolean) return false;
  const start = cursor.at;
  if (!readBoolean(cursor)) throw new MalformedError('der-not-canonical', 'a default value is not encoded', start);
  return true;
}

/** Reads a NULL. */
export function readNull(cursor: DerCursor): void {
  cursor.at = readHeader(cursor, tags.null);
}

/** Reads an INTEGER's content: two's complement, big-endian, minimal. */
export function readIntegerBytes(cursor: DerCursor): Uint8Array {
  return readContent(cursor, tags.integer);
}

/** Reads an INTEGER of any size. */
export function readInteger(cursor: DerCursor): bigint {
  const content = readIntegerBytes(cursor);
  const unsigned = unsignedInteger(content);
  return content[0]! >= 0x80 ? unsigned - (1n << BigInt(content.length * 8)) : unsigned;
}

/** Reads an INTEGER (or, with its tag octet, an implicit or ENUMERATED one) from 0 to `max`, at most 2^31 − 1. */
export function readSmallInteger(cursor: DerCursor, max: number, tag: number = tags.integer): number {
  const start = cursor.at;
  const content = readContent(cursor, tag);
  const isSmall = content.length >= 1 && content.length <= 4 && content[0]! < 0x80;
  let value = 0;
  for (const octet of content.subarray(0, 4)) value = value * 256 + octet;
  if (!isSmall || value > max) throw new MalformedError('der-malformed', 'an INTEGER is out of its range', start);
  return value;
}

/** The integer that big-endian octets spell, unsigned. */
export function unsignedInteger(bytes: Uint8Array): bigint {
  return bytes.length === 0 ? 0n : BigInt(`0x${hexOf(bytes)}`);
}

/** Lower-case hex of `bytes`. */
export function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex');
}

/** Reads an OBJECT IDENTIFIER in dotted form. */
export function readOid(cursor: DerCursor): string {
  const end = readHeader(cursor, tags.oid);
  const oid = decodeOid(cursor.bytes, cursor.at, end);
  cursor.at = end;
  return oid;
}

/** The dotted form of an OBJECT IDENTIFIER's content octets, which `checkOid` has passed. */
export function decodeOid(bytes: Uint8Array, start: number, end: number): string {
  let text = '';
  let arcStart = start;
  let arc = 0;
  for (let at = start; at < end; at++) {
    const octet = bytes[at]!;
    arc = arc * 128 + (octet & 0x7f);
    if (octet >= 0x80) continue;
    if (arc > 0x1_ffff_ffff_ffff) {
      const big = bigArc(bytes, arcStart, at + 1);
      text += arcStart === start ? `2.${big - 80n}` : `.${big}`;
    } else if (arcStart === start) {
      const root = arc < 40 ? 0 : arc < 80 ? 1 : 2;
      text = `${root}.${arc - root * 40}`;
    } else {
      text += `.${arc}`;
    }
    arc = 0;
    arcStart = at + 1;
  }
  return text;
}

function bigArc(bytes: Uint8Array, start: number, end: number): bigint {
  let arc = 0n;
  for (let at = start; at < end; at++) arc = (arc << 7n) | BigInt(bytes[at]! & 0x7f);
  return arc;
}

/** Reads a BIT STRING that is a whole number of octets; a view of them. */
export function readBitStringOctets(cursor: DerCursor): Uint8Array {
  const start = cursor.at;
  const end = readHeader(cursor, tags.bitString);
  if (cursor.bytes[cursor.at] !== 0) {
    throw new MalformedError('der-malformed', 'a BIT STRING of whole octets was expected', start);
  }
  const octets = cursor.bytes.subarray(cursor.at + 1, end);
  cursor.at = end;
  return octets;
}

/** Reads a BIT STRING: its octets, and how many bits of the last one are unused. */
export function readBitString(cursor: DerCursor): { readonly octets: Uint8Array; readonly unusedBits: number } {
  const content = readContent(cursor, tags.bitString);
  return { octets: content.subarray(1), unusedBits: content[0]! };
}

/** Reads an OCTET STRING; a view of its octets. */
export function readOctetString(cursor: DerCursor): Uint8Array {
  return readContent(cursor, tags.octetString);
}

/** Reads a UTCTime or GeneralizedTime as RFC 5280 §4.1.2.5 writes them (UTCTime until 2049 is the caller's to check). */
export function readTime(cursor: DerCursor): EpochMs {
  const tag = peekTag(cursor);
  const end = readHeader(cursor, tag === tags.utcTime ? tags.utcTime : tags.generalizedTime);
  const parse = tag === tags.utcTime ? parseUtcTime : parseGeneralizedTime;
  const at = parse(cursor.bytes, cursor.at, end);
  cursor.at = end;
  return at;
}

/**
 * Reads a string of a type a name may have (DirectoryString, IA5String for mail and domains, NumericString for the
 * taxpayer numbers some national profiles put into subjects); undefined, with nothing read, when the next element is none.
 */
export function readString(cursor: DerCursor): string | undefined {
  const tag = peekTag(cursor);
  if (!stringTags.has(tag)) return undefined;
  const end = readHeader(cursor, tag);
  const start = cursor.at;
  cursor.at = end;
  if (tag === tags.bmpString) return decodeFixedWidth(cursor.bytes, start, end, 2);
  if (tag === tags.universalString) return decodeFixedWidth(cursor.bytes, start, end, 4);
  return tag === tags.utf8String ? decodeUtf8(cursor.bytes, start, end) : decodeLatin1(cursor.bytes, start, end);
}

const stringTags: ReadonlySet<number> = new Set([
  tags.utf8String,
  tags.printableString,
  tags.ia5String,
  tags.teletexString,
  tags.bmpString,
  tags.universalString,
  tags.numericString,
]);

/** The text of octets, one character each: exact for ASCII, and how a TeletexString is read in practice. */
export function decodeLatin1(bytes: Uint8Array, start: number, end: number): string {
  return end - start <= shortStringBytes
    ? String.fromCharCode.apply(null, bytes.subarray(start, end) as unknown as number[])
    : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1', start, end);
}

// Below this a call into the engine's own string code beats one into the runtime's.
const shortStringBytes = 64;

function decodeUtf8(bytes: Uint8Array, start: number, end: number): string {
  if (isAscii(bytes, start, end)) return decodeLatin1(bytes, start, end);
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8', start, end);
}

function decodeFixedWidth(bytes: Uint8Array, start: number, end: number, width: 2 | 4): string {
  let text = '';
  for (let at = start; at < end; at += width) text += String.fromCodePoint(readCodePoint(bytes, at, width));
  return text;
}
