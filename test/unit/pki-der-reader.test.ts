import { describe, expect, it } from 'vitest';
import {
  defaultDerLimits,
  isAtEnd,
  openDer,
  peekTag,
  readBitString,
  readBitStringOctets,
  readBoolean,
  readBooleanDefaultFalse,
  readConstructed,
  readElement,
  readInteger,
  readNull,
  readOid,
  readSequence,
  readSmallInteger,
  readString,
  readTime,
} from '../../shared/pki/der/reader.ts';
import { integer, octetString, oid, sequence } from '../../shared/pki/der/writer.ts';
import { malformedBy } from '../support/certification-requests.ts';

function bytes(hex: string): Uint8Array {
  return new Uint8Array(Buffer.from(hex.replaceAll(' ', ''), 'hex'));
}

function codeOf(hex: string): string | undefined {
  return malformedBy(() => openDer(bytes(hex)))?.code;
}

function nested(depth: number): Uint8Array {
  let der = sequence();
  for (let level = 1; level < depth; level++) der = sequence(der);
  return der;
}

describe('the strict DER scan', () => {
  it.each([
    ['an indefinite length (X.690 10.1)', '30 80 05 00 00 00', 'der-not-canonical'],
    ['a long length for a short content (X.690 10.1)', '30 81 02 05 00', 'der-not-canonical'],
    ['a length with a leading zero octet (X.690 10.1)', `04 82 00 80${'00'.repeat(128)}`, 'der-not-canonical'],
    ['a declared length of 2 GiB', '30 84 7f ff ff ff 05 00', 'der-truncated'],
    ['a length in 126 octets', `30 fe ${'ff'.repeat(126)}`, 'der-truncated'],
    ['a length whose octets are missing', '30 84 7f', 'der-truncated'],
    ['no bytes at all', '', 'der-truncated'],
    ['a tag alone', '30', 'der-truncated'],
    ['a value that is cut short', '30 04 05 00', 'der-truncated'],
    ['a child that passes its parent', '30 06 30 02 04 01 05 00', 'der-malformed'],
    ['a byte after the value', '05 00 00', 'der-trailing-bytes'],
    ['a tag in the multi-octet form', '1f 81 00 00', 'der-malformed'],
    ['an end-of-contents marker', '30 02 00 00', 'der-malformed'],
    ['a primitive SEQUENCE', '10 00', 'der-malformed'],
    ['a constructed string (X.690 10.2)', '24 04 04 02 00 00', 'der-not-canonical'],
    ['a constructed ObjectDescriptor, which is a string (X.690 10.2)', '27 02 19 00', 'der-not-canonical'],
    ['an EXTERNAL, constructed in DER too, as unused (X.690 8.18)', '28 02 05 00', 'der-malformed'],
    ['an EMBEDDED PDV, constructed in DER too, as unused (X.690 8.17)', '2b 02 05 00', 'der-malformed'],
    ['a CHARACTER STRING, constructed in DER too, as unused', '3d 02 05 00', 'der-malformed'],
    ['an application tag', '61 00', 'der-malformed'],
    ['a private tag', 'c1 00', 'der-malformed'],
    ['a type that no structure here uses', '09 01 00', 'der-malformed'],
    ['TRUE as 01 (X.690 11.1)', '01 01 01', 'der-not-canonical'],
    ['a BOOLEAN of two octets', '01 02 00 00', 'der-malformed'],
    ['an INTEGER without content', '02 00', 'der-malformed'],
    ['a superfluous 00 in an INTEGER (X.690 8.3.2)', '02 02 00 7f', 'der-not-canonical'],
    ['a superfluous FF in an INTEGER (X.690 8.3.2)', '02 02 ff 80', 'der-not-canonical'],
    ['a NULL with content', '05 01 00', 'der-malformed'],
    ['a BIT STRING without its first octet', '03 00', 'der-malformed'],
    ['eight unused bits', '03 02 08 00', 'der-malformed'],
    ['unused bits of nothing', '03 01 01', 'der-malformed'],
    ['unused bits that are set (X.690 11.2.1)', '03 02 04 08', 'der-not-canonical'],
    ['an OBJECT IDENTIFIER without content', '06 00', 'der-malformed'],
    ['an arc with a leading 80 (X.690 8.19.2)', '06 03 55 80 01', 'der-not-canonical'],
    ['an arc without its last octet', '06 02 55 81', 'der-malformed'],
    ['an arc of 134 bits', `06 14 ${'ff'.repeat(19)}7f`, 'der-malformed'],
    ['an OBJECT IDENTIFIER of 129 octets', `06 81 81 ${'55'.repeat(129)}`, 'der-malformed'],
    ['a UTF8String that is not UTF-8', '0c 02 c3 28', 'der-malformed'],
    ['a UTF8String with an overlong form', '0c 02 c0 80', 'der-malformed'],
    ['a UTF8String with a surrogate', '0c 03 ed a0 80', 'der-malformed'],
    ['an IA5String with an eighth bit', '16 01 e9', 'der-malformed'],
    ['a PrintableString with a semicolon', '13 01 3b', 'der-malformed'],
    ['a PrintableString with a NUL', '13 02 41 00', 'der-malformed'],
    ['a NumericString with a letter', '12 01 41', 'der-malformed'],
    ['a VisibleString with a tab', '1a 01 09', 'der-malformed'],
    ['a BMPString of an odd length', '1e 01 41', 'der-malformed'],
    ['a BMPString with a surrogate', '1e 02 d8 00', 'der-malformed'],
    ['a UniversalString beyond Unicode', '1c 04 00 11 00 00', 'der-malformed'],
    ['a UTCTime without seconds', `17 0b ${Buffer.from('2501010000Z').toString('hex')}`, 'der-not-canonical'],
    ['a UTCTime with an offset', `17 11 ${Buffer.from('250101000000+0000').toString('hex')}`, 'der-not-canonical'],
    ['the 30th of February', `17 0d ${Buffer.from('250230000000Z').toString('hex')}`, 'der-malformed'],
    ['a fraction that ends in zero', `18 11 ${Buffer.from('20250101000000.0Z').toString('hex')}`, 'der-not-canonical'],
    ['a SET OF in descending order (X.690 11.6)', '31 06 02 01 02 02 01 01', 'der-not-canonical'],
  ])('refuses %s', (_what, hex, code) => {
    expect(codeOf(hex)).toBe(code);
  });

  it.each([
    ['an empty SEQUENCE', '30 00'],
    ['a SET OF with equal elements', '31 06 02 01 01 02 01 01'],
    ['an empty BIT STRING', '03 01 00'],
    ['a negative INTEGER', '02 01 80'],
    ['a UUID arc of 128 bits', `06 14 69 83 ${'ff'.repeat(17)}7f`],
    ['the four characters tools add to PrintableString', `13 04 ${Buffer.from('*&@_').toString('hex')}`],
    ['a fraction of a second', `18 11 ${Buffer.from('20250101000000.5Z').toString('hex')}`],
    ['a leap day', `17 0d ${Buffer.from('240229000000Z').toString('hex')}`],
    ['any content of a context-specific primitive', '80 03 ff 00 80'],
  ])('accepts %s', (_what, hex) => {
    expect(codeOf(hex)).toBeUndefined();
  });

  it('names the whole rule for a GeneralizedTime of 15 octets that does not end in Z (X.690 11.7)', () => {
    const der = bytes(`18 0f ${Buffer.from('20250101000000.').toString('hex')}`);
    expect(malformedBy(() => openDer(der))?.message).toMatch(/^a GeneralizedTime is YYYYMMDDHHMMSS\[\.f\]Z \(/);
  });

  it('stops at its depth (der-too-deep)', () => {
    expect(malformedBy(() => openDer(nested(32)))).toBeUndefined();
    expect(malformedBy(() => openDer(nested(33)))?.code).toBe('der-too-deep');
  });

  it('stops at its number of elements (der-too-many-elements)', () => {
    const limits = { ...defaultDerLimits, elementsMax: 4 };
    const three = [integer(1), integer(1), integer(1)];
    expect(malformedBy(() => openDer(sequence(...three), limits))).toBeUndefined();
    expect(malformedBy(() => openDer(sequence(...three, integer(1)), limits))?.code).toBe('der-too-many-elements');
  });

  it('stops at its number of bytes (der-too-long)', () => {
    expect(malformedBy(() => openDer(octetString(new Uint8Array(65_532))))).toBeUndefined();
    expect(malformedBy(() => openDer(octetString(new Uint8Array(65_533))))?.code).toBe('der-too-long');
  });

  it('says where it stopped', () => {
    expect(malformedBy(() => openDer(bytes('30 05 05 00 01 01 01')))?.offset).toBe(6);
  });
});

describe('the cursor', () => {
  it.each([
    '0.0',
    '1.39',
    '2.5.4.3',
    '2.999.1',
    '1.2.840.113549.1.9.14',
    '2.25.340282366920938463463374607431768211455',
  ])('reads the object identifier %s as it was written (X.690 8.19)', (dotted) => {
    expect(readOid(openDer(oid(dotted)))).toBe(dotted);
  });

  it.each([0n, 1n, 127n, 128n, -1n, -128n, -129n, 2n ** 160n, -(2n ** 64n)])('reads the integer %s', (value) => {
    expect(readInteger(openDer(integer(value)))).toBe(value);
  });

  it.each([
    ['-1', integer(-1)],
    ['11 where 10 is the most', integer(11)],
    ['2^40', integer(2n ** 40n)],
  ])('refuses %s as a small integer', (_what, der) => {
    expect(malformedBy(() => readSmallInteger(openDer(der), 10))?.code).toBe('der-malformed');
  });

  it.each([
    ['0c 05 4d c3 bc 6c 6c', 'Müll'],
    ['13 02 41 42', 'AB'],
    ['14 02 c4 42', 'ÄB'],
    ['1e 04 00 41 65 e5', 'A日'],
    ['1c 08 00 00 00 41 00 01 f6 00', 'A\u{1f600}'],
    ['16 00', ''],
  ])('decodes the string %s', (hex, text) => {
    expect(readString(openDer(bytes(hex)))).toBe(text);
  });

  it('decodes strings beyond the short path', () => {
    const ascii = 'x'.repeat(300);
    expect(readString(openDer(bytes(`0c82012c${Buffer.from(ascii).toString('hex')}`)))).toBe(ascii);
  });

  it.each([
    ['UTCTime of 1950', '500101000000Z', '1950-01-01T00:00:00Z'],
    ['UTCTime of 2049', '491231235959Z', '2049-12-31T23:59:59Z'],
    ['GeneralizedTime', '20500101000000Z', '2050-01-01T00:00:00Z'],
    ['GeneralizedTime of the year 99', '00990301000000Z', '0099-03-01T00:00:00Z'],
  ])('reads a %s (RFC 5280 4.1.2.5)', (_what, text, instant) => {
    const tag = text.length === 13 ? '170d' : '180f';
    expect(readTime(openDer(bytes(tag + Buffer.from(text).toString('hex'))))).toBe(Date.parse(instant));
  });

  it('refuses a default that is written out (X.690 11.5)', () => {
    expect(malformedBy(() => readBooleanDefaultFalse(openDer(bytes('01 01 00'))))?.code).toBe('der-not-canonical');
    expect(readBooleanDefaultFalse(openDer(bytes('01 01 ff')))).toBe(true);
    expect(readBooleanDefaultFalse(openDer(bytes('05 00')))).toBe(false);
  });

  it('reads bit strings with their unused bits', () => {
    expect(readBitString(openDer(bytes('03 02 05 a0')))).toEqual({ octets: bytes('a0'), unusedBits: 5 });
    expect(malformedBy(() => readBitStringOctets(openDer(bytes('03 02 05 a0'))))?.code).toBe('der-malformed');
  });

  it('refuses another type than asked for, and an element that is not there', () => {
    expect(malformedBy(() => readNull(openDer(bytes('01 01 ff'))))?.code).toBe('der-malformed');
    const empty = readSequence(openDer(bytes('30 00')));
    expect(peekTag(empty)).toBe(-1);
    expect(malformedBy(() => readBoolean(empty))?.code).toBe('der-malformed');
    expect(malformedBy(() => readElement(empty))?.code).toBe('der-malformed');
  });

  it('walks a structure and ends where it ends', () => {
    const cursor = openDer(Buffer.from('300aa0030101ff0203010001', 'hex'));
    const fields = readSequence(cursor);
    expect(readBoolean(readConstructed(fields, 0xa0))).toBe(true);
    expect(readElement(fields)).toEqual(bytes('02 03 01 00 01'));
    expect([isAtEnd(fields), isAtEnd(cursor)]).toEqual([true, true]);
  });
});
