import { AsnConvert, AsnUtf8StringConverter, OctetString } from '@peculiar/asn1-schema';
import { describe, expect, it } from 'vitest';
import * as der from '../../shared/pki/der/writer.ts';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const ascii = (bytes: Uint8Array): string => Buffer.from(bytes.subarray(2)).toString('latin1');

describe('DER writer', () => {
  it.each([
    [0, '0400'],
    [1, '0401aa'],
    [127, `047f${'aa'.repeat(127)}`],
    [128, `048180${'aa'.repeat(128)}`],
    [255, `0481ff${'aa'.repeat(255)}`],
    [256, `04820100${'aa'.repeat(256)}`],
    [65_535, `0482ffff${'aa'.repeat(65_535)}`],
    [65_536, `0483010000${'aa'.repeat(65_536)}`],
  ])('writes the shortest length for %i octets (X.690 10.1)', (length, expected) => {
    expect(hex(der.octetString(new Uint8Array(length).fill(0xaa)))).toBe(expected);
  });

  it.each([
    [0, '020100'],
    [127, '02017f'],
    [128, '02020080'],
    [255, '020200ff'],
    [256, '02020100'],
    [-1, '0201ff'],
    [-128, '020180'],
    [-129, '0202ff7f'],
    [2n ** 64n, '0209010000000000000000'],
    [-(2n ** 63n), '02088000000000000000'],
  ])('writes the integer %s in the fewest octets (X.690 8.3.2)', (value, expected) => {
    expect(hex(der.integer(value))).toBe(expected);
  });

  it('refuses a number that is not exact', () => {
    expect(() => der.integer(2 ** 60)).toThrow(RangeError);
    expect(() => der.integer(1.5)).toThrow(RangeError);
  });

  it.each([
    ['00', '020100'],
    ['', '020100'],
    ['0001', '020101'],
    ['80', '02020080'],
    ['7f00', '02027f00'],
    ['00ff', '020200ff'],
  ])('writes the unsigned octets %s as a positive integer', (unsigned, expected) => {
    expect(hex(der.integerBytes(Buffer.from(unsigned, 'hex')))).toBe(expected);
  });

  it.each([
    ['1.2.840.113549.1.1.11', '06092a864886f70d01010b'],
    ['2.5.29.17', '0603551d11'],
    ['2.999', '06028837'],
    ['0.39', '060127'],
  ])('writes the object identifier %s (X.690 8.19)', (dotted, expected) => {
    expect(hex(der.oid(dotted))).toBe(expected);
  });

  it.each(['', '1', '3.1', '1.40', '1.2.', '1.02', '1.2.a'])('refuses %j as an object identifier', (dotted) => {
    expect(() => der.oid(dotted)).toThrow(RangeError);
  });

  it.each([
    ['1950-01-01T00:00:00Z', 0x17, '500101000000Z'],
    ['2026-11-23T11:47:33Z', 0x17, '261123114733Z'],
    ['2049-12-31T23:59:59Z', 0x17, '491231235959Z'],
    ['2050-01-01T00:00:00Z', 0x18, '20500101000000Z'],
    ['9999-12-31T23:59:59Z', 0x18, '99991231235959Z'],
  ])('writes %s with the tag of its year (RFC 5280 4.1.2.5)', (at, tag, text) => {
    const encoded = der.time(Date.parse(at));
    expect(encoded[0]).toBe(tag);
    expect(encoded[1]).toBe(text.length);
    expect(ascii(encoded)).toBe(text);
  });

  it('refuses a time with a fraction of a second or outside four digits of a year', () => {
    expect(() => der.time(1)).toThrow(RangeError);
    expect(() => der.time(Date.parse('1949-12-31T23:59:59Z'))).toThrow(RangeError);
    expect(() => der.time(Number.NaN)).toThrow(RangeError);
  });

  it('refuses unused bits that are set, since DER wants them zero (X.690 11.2.1)', () => {
    expect(hex(der.bitString(Uint8Array.of(0x80), 7))).toBe('03020780');
    expect(hex(der.bitString(new Uint8Array(0)))).toBe('030100');
    expect(() => der.bitString(Uint8Array.of(0x81), 1)).toThrow(RangeError);
    expect(() => der.bitString(new Uint8Array(0), 1)).toThrow(RangeError);
    expect(() => der.bitString(Uint8Array.of(0), 8)).toThrow(RangeError);
  });

  it('orders the elements of a SET OF (X.690 11.6) and keeps those of a SEQUENCE', () => {
    const [one, two, longer] = [der.integer(1), der.integer(2), der.integer(256)];
    expect(hex(der.set(longer, two, one))).toBe('310a02010102010202020100');
    expect(hex(der.sequence(longer, two, one))).toBe('300a02020100020102020101');
  });

  it('tags explicit, implicit primitive and implicit constructed values', () => {
    expect(hex(der.explicit(3, der.nullValue()))).toBe('a3020500');
    expect(hex(der.implicit(2, Buffer.from('a')))).toBe('820161');
    expect(hex(der.implicitConstructed(0, der.integer(1), der.booleanTrue()))).toBe('a0060201010101ff');
    expect(() => der.explicit(31, der.nullValue())).toThrow(RangeError);
  });

  it('refuses characters outside the string type', () => {
    expect(hex(der.printableString("Az09 '()+,-./:=?"))).toBe('1310417a30392027' + '28292b2c2d2e2f3a3d3f');
    expect(() => der.printableString('a@b')).toThrow(RangeError);
    expect(() => der.ia5String('ä')).toThrow(RangeError);
    expect(() => der.utf8String('\ud800')).toThrow(RangeError);
  });

  it('agrees with an independent ASN.1 library on strings and octets', () => {
    const bytes = new Uint8Array(300).map((_, i) => i);
    expect(hex(der.octetString(bytes))).toBe(hex(new Uint8Array(AsnConvert.serialize(new OctetString(bytes)))));
    const text = 'Schlüssel 鍵';
    const theirs = AsnUtf8StringConverter.toASN(text) as { toBER(): ArrayBuffer };
    expect(hex(der.utf8String(text))).toBe(hex(new Uint8Array(theirs.toBER())));
  });

  it('concatenates without a header', () => {
    expect(hex(der.concat(Uint8Array.of(1), new Uint8Array(0), Uint8Array.of(2, 3)))).toBe('010203');
  });
});
