import { isUtf8 } from 'node:buffer';
import type { EpochMs } from '../epoch.ts';
import { MalformedError } from '../malformed.ts';

/** Universal tags (X.680) with their constructed bit, as they stand in DER. */
export const tags = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  oid: 0x06,
  enumerated: 0x0a,
  utf8String: 0x0c,
  numericString: 0x12,
  printableString: 0x13,
  teletexString: 0x14,
  videotexString: 0x15,
  ia5String: 0x16,
  utcTime: 0x17,
  generalizedTime: 0x18,
  graphicString: 0x19,
  visibleString: 0x1a,
  generalString: 0x1b,
  universalString: 0x1c,
  bmpString: 0x1e,
  sequence: 0x30,
  set: 0x31,
} as const;

// An arc of 2.25 is a UUID of 128 bits (X.667), 19 septets; nothing longer is assigned anywhere.
const oidArcBytesMax = 19;
const oidBytesMax = 128;

/** Checks the content of a universal primitive against DER (X.690 §8, §10, §11); throws MalformedError. */
export function checkPrimitive(bytes: Uint8Array, tag: number, start: number, end: number): void {
  switch (tag) {
    case tags.boolean:
      if (end - start !== 1) throw new MalformedError('der-malformed', 'a BOOLEAN has one content octet', start);
      if (bytes[start] !== 0x00 && bytes[start] !== 0xff) {
        throw new MalformedError('der-not-canonical', 'a BOOLEAN is 00 or FF', start);
      }
      return;
    case tags.integer:
    case tags.enumerated:
      checkInteger(bytes, start, end);
      return;
    case tags.bitString:
      checkBitString(bytes, start, end);
      return;
    case tags.octetString:
    case tags.teletexString:
    case tags.videotexString:
    case tags.graphicString:
    case tags.generalString:
      return;
    case tags.null:
      if (end !== start) throw new MalformedError('der-malformed', 'a NULL has no content', start);
      return;
    case tags.oid:
      checkOid(bytes, start, end);
      return;
    case tags.utcTime:
      parseUtcTime(bytes, start, end);
      return;
    case tags.generalizedTime:
      checkGeneralizedTime(bytes, start, end);
      return;
    default:
      checkString(bytes, tag, start, end);
  }
}

function checkInteger(bytes: Uint8Array, start: number, end: number): void {
  if (end === start) throw new MalformedError('der-malformed', 'an INTEGER has content', start);
  if (end - start > 1) {
    const first = bytes[start]!;
    const nextIsNegative = bytes[start + 1]! >= 0x80;
    if ((first === 0x00 && !nextIsNegative) || (first === 0xff && nextIsNegative)) {
      throw new MalformedError('der-not-canonical', 'an INTEGER has no superfluous leading octet', start);
    }
  }
}

function checkBitString(bytes: Uint8Array, start: number, end: number): void {
  if (end === start) throw new MalformedError('der-malformed', 'a BIT STRING says its unused bits', start);
  const unusedBits = bytes[start]!;
  if (unusedBits > 7 || (unusedBits > 0 && end - start === 1)) {
    throw new MalformedError('der-malformed', 'a BIT STRING has at most seven unused bits, and none when empty', start);
  }
  if ((bytes[end - 1]! & ((1 << unusedBits) - 1)) !== 0 && unusedBits > 0) {
    throw new MalformedError('der-not-canonical', 'the unused bits of a BIT STRING are zero', start);
  }
}

/** Checks the content octets of an OBJECT IDENTIFIER: whole, minimal and bounded arcs (X.690 §8.19). */
export function checkOid(bytes: Uint8Array, start: number, end: number): void {
  if (end === start) throw new MalformedError('der-malformed', 'an OBJECT IDENTIFIER has content', start);
  if (end - start > oidBytesMax) throw new MalformedError('der-malformed', 'an OBJECT IDENTIFIER is too long', start);
  let arcStart = start;
  for (let at = start; at < end; at++) {
    const octet = bytes[at]!;
    if (at === arcStart && octet === 0x80) {
      throw new MalformedError('der-not-canonical', 'an arc of an OBJECT IDENTIFIER has no leading zero octet', at);
    }
    if (octet < 0x80) {
      if (at - arcStart >= oidArcBytesMax) {
        throw new MalformedError('der-malformed', 'an arc of an OBJECT IDENTIFIER is too long', arcStart);
      }
      arcStart = at + 1;
    }
  }
  if (arcStart !== end) throw new MalformedError('der-malformed', 'an OBJECT IDENTIFIER ends inside an arc', start);
}

function checkString(bytes: Uint8Array, tag: number, start: number, end: number): void {
  switch (tag) {
    case tags.utf8String:
      if (!isAscii(bytes, start, end) && !isUtf8(bytes.subarray(start, end))) {
        throw new MalformedError('der-malformed', 'a UTF8String is UTF-8', start);
      }
      return;
    case tags.printableString:
      for (let at = start; at < end; at++) {
        if (!isPrintableStringOctet(bytes[at]!)) {
          throw new MalformedError('der-malformed', 'a PrintableString has a character outside its alphabet', at);
        }
      }
      return;
    case tags.ia5String:
      if (!isAscii(bytes, start, end)) throw new MalformedError('der-malformed', 'an IA5String is seven-bit', start);
      return;
    case tags.visibleString:
      for (let at = start; at < end; at++) {
        if (bytes[at]! < 0x20 || bytes[at]! > 0x7e) {
          throw new MalformedError('der-malformed', 'a VisibleString has graphic characters only', at);
        }
      }
      return;
    case tags.numericString:
      for (let at = start; at < end; at++) {
        if (bytes[at] !== 0x20 && !isDigit(bytes[at]!)) {
          throw new MalformedError('der-malformed', 'a NumericString has digits and spaces only', at);
        }
      }
      return;
    case tags.bmpString:
      checkFixedWidthString(bytes, start, end, 2);
      return;
    case tags.universalString:
      checkFixedWidthString(bytes, start, end, 4);
      return;
    default:
      throw new MalformedError('der-malformed', 'a universal type that no structure here uses', start);
  }
}

function checkFixedWidthString(bytes: Uint8Array, start: number, end: number, width: 2 | 4): void {
  if ((end - start) % width !== 0) throw new MalformedError('der-malformed', 'a string ends inside a character', start);
  for (let at = start; at < end; at += width) {
    const codePoint = readCodePoint(bytes, at, width);
    if (codePoint > 0x10ffff || (codePoint >= 0xd800 && codePoint <= 0xdfff)) {
      throw new MalformedError('der-malformed', 'a string has a value that is no character', at);
    }
  }
}

/** The big-endian code unit of `width` octets at `at`: UCS-2 of a BMPString, UCS-4 of a UniversalString. */
export function readCodePoint(bytes: Uint8Array, at: number, width: 2 | 4): number {
  let value = 0;
  for (let index = 0; index < width; index++) value = value * 256 + bytes[at + index]!;
  return value;
}

/** Whether every octet of the range is below 0x80. */
export function isAscii(bytes: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end; at++) if (bytes[at]! >= 0x80) return false;
  return true;
}

function isDigit(octet: number): boolean {
  return octet >= 0x30 && octet <= 0x39;
}

// X.680 §41.4, and the four characters that widespread tools put into a PrintableString although it has none of them:
// '*' and '&' (old CAs; Go's parser accepts the same two), '@' (e-mail addresses) and '_' (host names). Nothing of a
// subject reaches a certificate, so a refusal would protect nobody and would turn real devices away.
const printableStringOctets: Uint8Array = makeOctetSet(
  "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 '()+,-./:=?*&@_",
);

function isPrintableStringOctet(octet: number): boolean {
  return printableStringOctets[octet] === 1;
}

function makeOctetSet(characters: string): Uint8Array {
  const set = new Uint8Array(256);
  for (const character of characters) set[character.charCodeAt(0)] = 1;
  return set;
}

/** The instant of a UTCTime `YYMMDDHHMMSSZ`; 50–99 are 19xx (RFC 5280 §4.1.2.5.1). Throws MalformedError. */
export function parseUtcTime(bytes: Uint8Array, start: number, end: number): EpochMs {
  if (end - start !== 13 || bytes[end - 1] !== 0x5a) {
    throw new MalformedError('der-not-canonical', 'a UTCTime is YYMMDDHHMMSSZ', start);
  }
  const year = readDigits(bytes, start, 2);
  return instant(bytes, start + 2, year >= 50 ? 1900 + year : 2000 + year);
}

/** The instant of a GeneralizedTime `YYYYMMDDHHMMSSZ`, without a fraction (RFC 5280 §4.1.2.5.2). Throws MalformedError. */
export function parseGeneralizedTime(bytes: Uint8Array, start: number, end: number): EpochMs {
  if (end - start !== 15 || bytes[end - 1] !== 0x5a) {
    throw new MalformedError('der-not-canonical', 'a GeneralizedTime is YYYYMMDDHHMMSSZ', start);
  }
  return instant(bytes, start + 4, readDigits(bytes, start, 4));
}

// X.690 §11.7 allows a fraction without trailing zeros; RFC 5280 forbids it in certificates, but an attribute or an
// otherName that we do not interpret may hold one.
function checkGeneralizedTime(bytes: Uint8Array, start: number, end: number): void {
  if (end - start === 15 && bytes[end - 1] === 0x5a) {
    parseGeneralizedTime(bytes, start, end);
    return;
  }
  const lastDigit = bytes[end - 2];
  if (end - start < 17 || bytes[end - 1] !== 0x5a || bytes[start + 14] !== 0x2e || lastDigit === 0x30) {
    throw new MalformedError('der-not-canonical', 'a GeneralizedTime is YYYYMMDDHHMMSS[.f]Z', start);
  }
  instant(bytes, start + 4, readDigits(bytes, start, 4));
  for (let at = start + 15; at < end - 1; at++) {
    if (!isDigit(bytes[at]!)) throw new MalformedError('der-malformed', 'a time has a character that is no digit', at);
  }
}

function instant(bytes: Uint8Array, at: number, year: number): EpochMs {
  const month = readDigits(bytes, at, 2);
  const day = readDigits(bytes, at + 2, 2);
  const hour = readDigits(bytes, at + 4, 2);
  const minute = readDigits(bytes, at + 6, 2);
  const second = readDigits(bytes, at + 8, 2);
  const isLeapYear = (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0;
  const days =
    month === 2 ? (isLeapYear ? 29 : 28) : month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
  if (month < 1 || month > 12 || day < 1 || day > days || hour > 23 || minute > 59 || second > 59) {
    throw new MalformedError('der-malformed', 'a time names no instant', at);
  }
  // Date.UTC takes years 0 to 99 for 1900 to 1999: there the year is set by itself.
  if (year > 99) return Date.UTC(year, month - 1, day, hour, minute, second);
  return new Date(Date.UTC(2000, month - 1, day, hour, minute, second)).setUTCFullYear(year, month - 1, day);
}

function readDigits(bytes: Uint8Array, at: number, count: number): number {
  let value = 0;
  for (let index = 0; index < count; index++) {
    const octet = bytes[at + index]!;
    if (!isDigit(octet)) throw new MalformedError('der-malformed', 'a time has a character that is no digit', at);
    value = value * 10 + (octet - 0x30);
  }
  return value;
}
