import { describe, expect, it } from 'vitest';
import { hexOf } from '../../shared/pki/der/reader.ts';
import {
  explicit,
  ia5String,
  implicit,
  implicitConstructed,
  oid,
  sequence,
  set,
  utf8String,
} from '../../shared/pki/der/writer.ts';
import { formatIpRange, parseIpRange } from '../../shared/pki/ip-address.ts';
import {
  type DistinguishedName,
  dnsNameFault,
  encodeCommonNameOnly,
  encodeDistinguishedName,
  encodeGeneralNames,
  formatDistinguishedName,
  type GeneralName,
  isWildcard,
  nameKey,
  parseGeneralNames,
  parseName,
} from '../../shared/pki/names.ts';
import { oids } from '../../shared/pki/oids.ts';
import { malformedBy, otherName, rdn } from '../support/certification-requests.ts';

function nameOf(value: string): DistinguishedName {
  return { der: new Uint8Array(), attributes: [{ type: oids.commonName, value, rdn: 0 }] };
}

describe('a distinguished name', () => {
  it.each([
    'CN=Example Root G1,O=Example Fleet',
    'C=DE,ST=Bayern,L=München,O=Example\\, Inc.,OU=\\#1,CN=a\\+b',
    'CN=multi+serialNumber=SN-77,O=Example Fleet',
    'DC=example,DC=fleet,UID=u1,emailAddress=a@fleet.example',
    '1.2.3.4=x,CN=\\ blank\\ ',
    'CN=\\"\\<\\>\\;\\\\',
    '2.25.340282366920938463463374607431768211455=x',
    '',
  ])('%s is written and read back in the same order (RFC 4514)', (text) => {
    expect(formatDistinguishedName(parseName(encodeDistinguishedName(text)))).toBe(text);
  });

  it('takes white space after a comma and hexadecimal escapes', () => {
    expect(formatDistinguishedName(parseName(encodeDistinguishedName('CN=a , O=M\\c3\\bcller')))).toBe('CN=a,O=Müller');
  });

  it('numbers its relative names', () => {
    const { attributes } = parseName(encodeDistinguishedName('CN=a+serialNumber=b,O=c'));
    expect(attributes.map(({ value, rdn: index }) => [value, index])).toEqual([
      ['a', 0],
      ['b', 0],
      ['c', 1],
    ]);
  });

  it.each([
    ['no equals sign', 'CN'],
    ['an unknown label', 'XX=a'],
    ['an arc too long', `1.2.${'9'.repeat(40)}=a`],
    ['a second arc over 39 under the first', '1.40=a'],
    ['an empty value', 'CN='],
    ['a common name of 65 characters (ub-common-name)', `CN=${'a'.repeat(65)}`],
    ['a country of three letters', 'C=DEU'],
    ['a serial number outside PrintableString', 'serialNumber=a_b'],
    ['a domain component outside ASCII', 'DC=é'],
    ['an unescaped quote', 'CN="a"'],
    ['a dangling backslash', 'CN=a\\'],
    ['an escape RFC 4514 has not', 'CN=\\z'],
    ['escapes that are not UTF-8', 'CN=\\ff\\fe'],
    ['a lone surrogate', 'CN=\ud800'],
    ['an empty part', 'CN=a,,O=b'],
    ['4,097 characters', `CN=a${',CN=a'.repeat(1_000)}`],
  ])('is not written with %s (name-malformed)', (_what, text) => {
    expect(malformedBy(() => encodeDistinguishedName(text))?.code).toBe('name-malformed');
  });

  it.each([
    ['a line end', 'a\nb', 'CN=a\\0ab'],
    ['an escape sequence', '\u001b[2J', 'CN=\\1b[2J'],
    ['a NUL', 'a\0', 'CN=a\\00'],
    ['a C1 control', '\u0085', 'CN=\\c2\\85'],
    ['a right-to-left override', 'a\u202eb', 'CN=a\\e2\\80\\aeb'],
    ['a bidirectional isolate', '\u2066', 'CN=\\e2\\81\\a6'],
    ['a zero-width space', 'a\u200bb', 'CN=a\\e2\\80\\8bb'],
    ['a line separator', '\u2028', 'CN=\\e2\\80\\a8'],
    ['a no-break space', 'a\u00a0b', 'CN=a\\c2\\a0b'],
    ['a tag character', '\u{e0041}', 'CN=\\f3\\a0\\81\\81'],
    ['a quote and a comma', '"x",O=y', 'CN=\\"x\\"\\,O=y'],
    ['a blank alone', ' ', 'CN=\\ '],
  ])('shows %s as an escape', (_what, value, text) => {
    expect(formatDistinguishedName(nameOf(value))).toBe(text);
  });

  it.each([
    ['a relative name without an attribute', sequence(set())],
    ['a value that is no string', sequence(set(sequence(oid('2.5.4.45'), new Uint8Array([3, 1, 0]))))],
    ['65 attributes', sequence(...new Array<Uint8Array>(65).fill(rdn(oids.commonName, 'a')))],
  ])('is not read with %s (name-malformed)', (_what, der) => {
    expect(malformedBy(() => parseName(der))?.code).toBe('name-malformed');
  });

  it('is not read with something after the value (der-malformed)', () => {
    const der = sequence(set(sequence(oid(oids.commonName), utf8String('a'), utf8String('b'))));
    expect(malformedBy(() => parseName(der))?.code).toBe('der-malformed');
  });

  it('of a common name alone has one attribute, or none', () => {
    expect(formatDistinguishedName(parseName(encodeCommonNameOnly('device-1')))).toBe('CN=device-1');
    expect(hexOf(encodeCommonNameOnly(undefined))).toBe('3000');
    expect(malformedBy(() => encodeCommonNameOnly('a'.repeat(65)))?.code).toBe('name-malformed');
  });
});

const nineKinds: readonly GeneralName[] = [
  { kind: 'dns', value: 'a.fleet.example' },
  { kind: 'email', value: 'a@fleet.example' },
  { kind: 'uri', value: 'spiffe://fleet.example/a' },
  { kind: 'ip', value: '10.1.2.3' },
  { kind: 'ip', value: '2001:db8::7' },
  { kind: 'registered-id', value: '1.3.6.1.4.1.311' },
  { kind: 'directory', der: explicit(4, encodeDistinguishedName('CN=a')) },
  { kind: 'other', typeId: oids.hardwareModuleName, der: otherName(oids.hardwareModuleName, sequence()) },
  { kind: 'x400', der: implicitConstructed(3, sequence()) },
  { kind: 'edi', der: implicitConstructed(5, explicit(1, utf8String('a'))) },
];

describe('general names (RFC 5280 4.2.1.6)', () => {
  it('of all nine kinds are written and read back', () => {
    expect(parseGeneralNames(encodeGeneralNames(nineKinds))).toEqual(nineKinds);
  });

  it.each([
    ['an empty list', sequence(), 'name-malformed'],
    ['an empty name', sequence(implicit(2, new Uint8Array())), 'name-malformed'],
    ['a NUL inside', sequence(implicit(2, Buffer.from('a\0.example'))), 'name-malformed'],
    ['a line end', sequence(implicit(6, Buffer.from('a:\n'))), 'name-malformed'],
    ['an eighth bit', sequence(implicit(1, Buffer.from('é@x'))), 'name-malformed'],
    ['an address of 5 octets', sequence(implicit(7, new Uint8Array(5))), 'name-malformed'],
    ['an address range', sequence(implicit(7, new Uint8Array(8))), 'name-malformed'],
    ['a kind that is none', sequence(implicit(9, new Uint8Array(1))), 'name-malformed'],
    ['a constructed DNS name', sequence(implicitConstructed(2, ia5String('a'))), 'name-malformed'],
    ['a registered id that is cut', sequence(implicit(8, Uint8Array.of(0x2a, 0x81))), 'der-malformed'],
    ['an otherName without its value', sequence(implicitConstructed(0, oid('1.2.3'))), 'der-malformed'],
    [
      'an otherName of two values',
      sequence(implicitConstructed(0, oid('1.2.3'), explicit(0, sequence(), sequence()))),
      'der-malformed',
    ],
    ['a directoryName that is no Name', sequence(explicit(4, utf8String('a'))), 'der-malformed'],
    [
      '2,001 names',
      encodeGeneralNames(new Array<GeneralName>(2_001).fill({ kind: 'dns', value: 'a' })),
      'der-too-many-elements',
    ],
  ])('are not read with %s', (_what, der, code) => {
    expect(malformedBy(() => parseGeneralNames(der))?.code).toBe(code);
  });

  it.each([
    ['00000000000000000000000000000000', '::'],
    ['00000000000000000000000000000001', '::1'],
    ['20010db8000000000001000000000001', '2001:db8::1:0:0:1'],
    ['20010db8000000010001000100010001', '2001:db8:0:1:1:1:1:1'],
    ['00010000000000000000000000000000', '1::'],
    ['00000000000000000000ffff0a010203', '::ffff:10.1.2.3'],
    ['0a000001', '10.0.0.1'],
  ])('show the address %s canonically (RFC 5952)', (hex, text) => {
    const names = parseGeneralNames(sequence(implicit(7, Buffer.from(hex, 'hex'))));
    expect(names).toEqual([{ kind: 'ip', value: text }]);
    expect(hexOf(encodeGeneralNames(names))).toContain(hex);
  });

  it.each([
    '10.0.0',
    '10.0.0.256',
    '010.0.0.1',
    '1::2::3',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    'fe80::1%eth0',
    '12345::',
    '::10.0.0.1:1',
    'a',
  ])('refuse to write the address %s', (value) => {
    expect(malformedBy(() => encodeGeneralNames([{ kind: 'ip', value }]))?.code).toBe('name-malformed');
  });

  it.each<[GeneralName, string]>([
    [{ kind: 'dns', value: 'A.Fleet.EXAMPLE' }, 'dns:a.fleet.example'],
    [{ kind: 'uri', value: 'spiffe://fleet.example/A' }, 'uri:spiffe://fleet.example/A'],
    [{ kind: 'ip', value: '::1' }, 'ip:::1'],
    [{ kind: 'email', value: 'Ops@Fleet.example' }, 'email:Ops@fleet.example'],
  ])('have the key under which they are held', (name, key) => {
    expect(nameKey(name)).toBe(key);
  });

  it('have keys that differ where names differ', () => {
    const keys = nineKinds.map(nameKey);
    expect(new Set(keys).size).toBe(nineKinds.length);
    expect(keys.filter((key) => /^other:[0-9a-f]{64}$/.test(key))).toHaveLength(5);
  });
});

describe('an address range (RFC 5280 4.2.1.10)', () => {
  it.each([
    ['10.0.0.0/8', '0a000000ff000000', '10.0.0.0/8'],
    ['10.1.2.3', '0a010203ffffffff', '10.1.2.3/32'],
    ['0.0.0.0/0', '0000000000000000', '0.0.0.0/0'],
    ['10.128.0.0/9', '0a800000ff800000', '10.128.0.0/9'],
    ['2001:db8::/32', `20010db8${'00'.repeat(12)}ffffffff${'00'.repeat(12)}`, '2001:db8::/32'],
  ])('%s is address and mask', (text, hex, canonical) => {
    const octets = parseIpRange(text);
    expect(octets === undefined ? undefined : hexOf(octets)).toBe(hex);
    expect(formatIpRange(Buffer.from(hex, 'hex'))).toBe(canonical);
  });

  it.each([
    '10.0.0.1/8',
    '10.0.0.0/33',
    '::/129',
    '10.0.0.0/08',
    '10.0.0.0/',
    '10.0.0.0/8/8',
    '10.0.0.0/-1',
    '/8',
    'a/8',
  ])('is not written %s', (text) => {
    expect(parseIpRange(text)).toBeUndefined();
  });

  it.each([
    ['a mask with a gap', '0a000000ff00ff00'],
    ['bits outside its mask', '0a000001ff000000'],
    ['an address alone', '0a000001'],
    ['no octets', ''],
  ])('is not read with %s', (_what, hex) => {
    expect(formatIpRange(Buffer.from(hex, 'hex'))).toBeUndefined();
  });
});

describe('a DNS name', () => {
  it.each([
    'a',
    'a.fleet.example',
    'xn--bcher-kva.fleet.example',
    '1.example',
    'A-1.Example',
    `${'a'.repeat(63)}.example`,
    '*.fleet.example',
  ])('%s has no fault (RFC 1123 2.1)', (value) => {
    expect(dnsNameFault(value)).toBeUndefined();
  });

  it.each([
    '',
    '.',
    'a.',
    '.a',
    'a..b',
    '-a.example',
    'a-.example',
    'a_b.example',
    'a b.example',
    'bücher.example',
    'a.*.example',
    'a*.example',
    '*',
    '*.*.example',
    '10.0.0.1',
    'ab--cd.example',
    'xn--.example',
    'xn--a.example',
    'xn--abc-.example',
    'xn--zzzzzz99999.example',
    `${'a'.repeat(64)}.example`,
    `${'a.'.repeat(126)}ab`,
  ])('%s has a fault (RFC 1123 2.1, RFC 5890 2.3)', (value) => {
    expect(dnsNameFault(value)).toBeTypeOf('string');
  });

  it('is a wildcard by its asterisk', () => {
    expect([isWildcard('*.fleet.example'), isWildcard('a*.example'), isWildcard('a.example')]).toEqual([
      true,
      true,
      false,
    ]);
  });
});
