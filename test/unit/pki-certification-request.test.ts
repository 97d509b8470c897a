import { describe, expect, it } from 'vitest';
import { parseCertificationRequest } from '../../shared/pki/certification-request.ts';
import {
  bitString,
  concat,
  explicit,
  implicitConstructed,
  integer,
  nullValue,
  octetString,
  oid,
  printableString,
  sequence,
  set,
  time,
  utf8String,
} from '../../shared/pki/der/writer.ts';
import { encodeDistinguishedName } from '../../shared/pki/names.ts';
import { oids } from '../../shared/pki/oids.ts';
import { signatureAlgorithmName } from '../../shared/pki/signature-algorithm.ts';
import {
  altNames,
  anyKeyPair,
  attribute,
  attributesOf,
  extension,
  extensionRequest,
  makeRequest,
  malformedBy,
  spkiOf,
} from '../support/certification-requests.ts';

function codeOf(der: Uint8Array): string | undefined {
  return malformedBy(() => parseCertificationRequest(der))?.code;
}

function codeWithExtensions(...extensions: readonly Uint8Array[]): string | undefined {
  return codeOf(makeRequest({ attributes: attributesOf(extensionRequest(...extensions)) }));
}

describe('a certification request (RFC 2986 4)', () => {
  it('keeps the bytes that are signed, the key and the signature', () => {
    const der = makeRequest();
    const request = parseCertificationRequest(der);
    expect(Buffer.from(der).includes(Buffer.from(request.info))).toBe(true);
    expect(request.publicKey.der).toEqual(spkiOf(anyKeyPair.publicKey));
    expect(signatureAlgorithmName(request.signatureAlgorithm)).toBe('ecdsa-with-SHA256');
    expect(request.signature[0]).toBe(0x30);
  });

  it.each([
    ['version 1', makeRequest({ version: integer(1) }), 'der-malformed'],
    ['a negative version', makeRequest({ version: integer(-1) }), 'der-malformed'],
    ['no attributes at all (RFC 2986 4.1)', makeRequest({ attributes: new Uint8Array() }), 'der-malformed'],
    [
      'a second field of attributes',
      makeRequest({ attributes: concat(attributesOf(), attributesOf()) }),
      'der-malformed',
    ],
    ['attributes under another tag', makeRequest({ attributes: implicitConstructed(1) }), 'der-malformed'],
    ['a fourth element', sequence(...requestParts(), nullValue()), 'der-malformed'],
    ['no signature', sequence(...requestParts().slice(0, 2)), 'not-a-certification-request'],
    [
      'a signature of unused bits',
      sequence(...requestParts().slice(0, 2), bitString(Uint8Array.of(0x80), 7)),
      'der-malformed',
    ],
    ['a number in its place', integer(1), 'not-a-certification-request'],
    [
      'a private key in its place',
      sequence(integer(0), sequence(oid(oids.ecPublicKey)), octetString(new Uint8Array(32))),
      'not-a-certification-request',
    ],
    [
      'a certificate of version 3 in its place',
      certificateLike(explicit(0, integer(2))),
      'not-a-certification-request',
    ],
    ['a certificate of version 1 in its place', certificateLike(), 'not-a-certification-request'],
    ['a subject of another type', makeRequest({ subject: set() }), 'not-a-certification-request'],
    [
      'a subject attribute that is no string',
      makeRequest({ subject: sequence(set(sequence(oid(oids.commonName), integer(1)))) }),
      'name-malformed',
    ],
    ['bytes after it', concat(makeRequest(), Uint8Array.of(0)), 'der-trailing-bytes'],
    ['a second one after it', concat(makeRequest(), makeRequest()), 'der-trailing-bytes'],
  ])('is refused with %s', (_what, der, code) => {
    expect(codeOf(der)).toBe(code);
  });

  it('is taken with an empty set of attributes', () => {
    expect(parseCertificationRequest(makeRequest({ attributes: attributesOf() })).attributeOids).toEqual([]);
  });
});

function requestParts(): readonly Uint8Array[] {
  return [
    sequence(integer(0), sequence(), spkiOf(anyKeyPair.publicKey), attributesOf()),
    sequence(oid(oids.ecdsaWithSha256)),
    bitString(new Uint8Array(8)),
  ];
}

function certificateLike(...version: readonly Uint8Array[]): Uint8Array {
  const validity = sequence(time(0), time(0));
  const algorithm = sequence(oid(oids.ecdsaWithSha256));
  const tbs = sequence(
    ...version,
    integer(7),
    algorithm,
    sequence(),
    validity,
    sequence(),
    spkiOf(anyKeyPair.publicKey),
  );
  return sequence(tbs, algorithm, bitString(new Uint8Array(8)));
}

const dnsExtension = altNames({ kind: 'dns', value: 'a.fleet.example' });
const password = attribute(oids.challengePassword, utf8String('s3cret'));

describe('the attributes of a request', () => {
  it('may come in any order, as Go writes them', () => {
    const inOrder = attributesOf(password, extensionRequest(dnsExtension));
    const reversed = attributesOf(extensionRequest(dnsExtension), password);
    for (const attributes of [inOrder, reversed]) {
      const request = parseCertificationRequest(makeRequest({ attributes }));
      expect(request.challengePassword).toBe(true);
      expect(request.names).toHaveLength(1);
    }
  });

  it('ask for extensions under the name Microsoft gave them too', () => {
    const microsoft = attribute(oids.microsoftExtensionRequest, sequence(dnsExtension));
    const osVersion = attribute(oids.microsoftOsVersion, utf8String('10.0.1'));
    const request = parseCertificationRequest(makeRequest({ attributes: attributesOf(osVersion, microsoft) }));
    expect(request.names).toEqual([{ kind: 'dns', value: 'a.fleet.example' }]);
    expect(request.attributeOids).toEqual([oids.microsoftOsVersion]);
  });

  it('are one list of extensions when both names are used', () => {
    const usage = extension(oids.keyUsage, bitString(Uint8Array.of(0x80), 7), true);
    const microsoft = attribute(oids.microsoftExtensionRequest, sequence(usage));
    const request = parseCertificationRequest(
      makeRequest({ attributes: attributesOf(extensionRequest(dnsExtension), microsoft) }),
    );
    expect(request.extensions.map(({ oid: id, critical }) => [id, critical])).toEqual([
      [oids.subjectAltName, false],
      [oids.keyUsage, true],
    ]);
    const twice = attribute(oids.microsoftExtensionRequest, sequence(dnsExtension));
    expect(codeOf(makeRequest({ attributes: attributesOf(extensionRequest(dnsExtension), twice) }))).toBe(
      'der-malformed',
    );
  });

  it.each([
    ['the same attribute twice', attributesOf(password, password), 'der-malformed'],
    [
      'two requests for extensions',
      attributesOf(extensionRequest(dnsExtension), extensionRequest(extension('1.2.3', nullValue()))),
      'der-malformed',
    ],
    [
      'a request for extensions of two values',
      attributesOf(attribute(oids.extensionRequest, sequence(dnsExtension), sequence(extension('1.2.3', nullValue())))),
      'der-malformed',
    ],
    ['a request for no extensions', attributesOf(extensionRequest()), 'der-malformed'],
    ['an attribute without a value (RFC 2986 4.1)', attributesOf(attribute('1.2.3')), 'der-malformed'],
    [
      'an attribute of three fields',
      attributesOf(sequence(oid('1.2.3'), set(nullValue()), nullValue())),
      'der-malformed',
    ],
    ['values that are no SET', attributesOf(sequence(oid('1.2.3'), sequence(nullValue()))), 'der-malformed'],
    [
      '33 attributes',
      attributesOf(...Array.from({ length: 33 }, (_, index) => attribute(`1.2.${index}`, nullValue()))),
      'der-too-many-elements',
    ],
  ])('are refused with %s', (_what, attributes, code) => {
    expect(codeOf(makeRequest({ attributes }))).toBe(code);
  });

  it('may hold values nobody here reads, as long as they are DER', () => {
    const attributes = attributesOf(attribute('1.2.3', printableString('a'), sequence(set(nullValue()))));
    expect(parseCertificationRequest(makeRequest({ attributes })).attributeOids).toEqual(['1.2.3']);
    const broken = attributesOf(attribute('1.2.3', Uint8Array.of(0x01, 0x01, 0x02)));
    expect(codeOf(makeRequest({ attributes: broken }))).toBe('der-not-canonical');
  });
});

describe('the extensions a request asks for', () => {
  it.each([
    ['the same one twice', [dnsExtension, altNames({ kind: 'dns', value: 'b.fleet.example' })], 'der-malformed'],
    [
      'critical written out as FALSE (X.690 11.5)',
      [sequence(oid('1.2.3'), Uint8Array.of(1, 1, 0), octetString(nullValue()))],
      'der-not-canonical',
    ],
    ['a value that is no OCTET STRING', [sequence(oid('1.2.3'), nullValue())], 'der-malformed'],
    ['a fourth field', [sequence(oid('1.2.3'), octetString(nullValue()), nullValue())], 'der-malformed'],
    [
      '65 of them',
      Array.from({ length: 65 }, (_, index) => extension(`1.2.${index}`, nullValue())),
      'der-too-many-elements',
    ],
    ['names that are none', [extension(oids.subjectAltName, sequence())], 'name-malformed'],
    [
      'names with bytes after them',
      [extension(oids.subjectAltName, concat(sequence(), Uint8Array.of(0)))],
      'der-trailing-bytes',
    ],
    ['names that are no SEQUENCE', [extension(oids.subjectAltName, set())], 'der-malformed'],
    [
      'names in an indefinite length',
      [extension(oids.subjectAltName, Uint8Array.of(0x30, 0x80, 0, 0))],
      'der-not-canonical',
    ],
    ['CA:FALSE written out', [extension(oids.basicConstraints, sequence(Uint8Array.of(1, 1, 0)))], 'der-not-canonical'],
    [
      'a negative path length',
      [extension(oids.basicConstraints, sequence(Uint8Array.of(1, 1, 0xff), integer(-1)))],
      'der-malformed',
    ],
    [
      'basic constraints of three fields',
      [extension(oids.basicConstraints, sequence(Uint8Array.of(1, 1, 0xff), integer(1), integer(1)))],
      'der-malformed',
    ],
    [
      'a key usage without a bit (RFC 5280 4.2.1.3)',
      [extension(oids.keyUsage, bitString(new Uint8Array()))],
      'der-malformed',
    ],
    ['a key usage of the tenth bit', [extension(oids.keyUsage, bitString(Uint8Array.of(0, 0x40), 6))], 'der-malformed'],
    ['no extended key usage', [extension(oids.extendedKeyUsage, sequence())], 'der-malformed'],
    [
      'an extended key usage that is no OID',
      [extension(oids.extendedKeyUsage, sequence(nullValue()))],
      'der-malformed',
    ],
    ['a key identifier that is no OCTET STRING', [extension(oids.subjectKeyIdentifier, nullValue())], 'der-malformed'],
    [
      'a key identifier with bytes after it',
      [extension(oids.subjectKeyIdentifier, concat(octetString(new Uint8Array(20)), nullValue()))],
      'der-trailing-bytes',
    ],
  ])('are refused with %s', (_what, extensions, code) => {
    expect(codeWithExtensions(...extensions)).toBe(code);
  });

  it('are kept raw when nobody here reads them', () => {
    const attributes = attributesOf(extensionRequest(extension(oids.tlsFeature, Uint8Array.of(0xff), true)));
    expect(parseCertificationRequest(makeRequest({ attributes })).extensions).toEqual([
      { oid: oids.tlsFeature, critical: true, value: Uint8Array.of(0xff) },
    ]);
  });

  it('may spell a key usage in seven bits, as old Mbed TLS does', () => {
    const attributes = attributesOf(extensionRequest(extension(oids.keyUsage, bitString(Uint8Array.of(0x80), 1))));
    expect(parseCertificationRequest(makeRequest({ attributes })).keyUsage).toEqual(['digitalSignature']);
  });

  it('name all nine key usages in the order of their bits', () => {
    const attributes = attributesOf(
      extensionRequest(extension(oids.keyUsage, bitString(Uint8Array.of(0xff, 0x80), 7))),
    );
    expect(parseCertificationRequest(makeRequest({ attributes })).keyUsage).toEqual([
      'digitalSignature',
      'nonRepudiation',
      'keyEncipherment',
      'dataEncipherment',
      'keyAgreement',
      'keyCertSign',
      'cRLSign',
      'encipherOnly',
      'decipherOnly',
    ]);
  });

  it('may name a directory entry, whose Name is checked', () => {
    const good = explicit(4, encodeDistinguishedName('CN=a,O=b'));
    expect(codeWithExtensions(extension(oids.subjectAltName, sequence(good)))).toBeUndefined();
    const bad = explicit(4, sequence(set()));
    expect(codeWithExtensions(extension(oids.subjectAltName, sequence(bad)))).toBe('name-malformed');
  });
});
