import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { evaluateRequest, leafValidity, type PolicyDecision } from '../../shared/hierarchy/policy.ts';
import {
  basicConstraintsExtension,
  extendedKeyUsageExtension,
  keyUsageExtension,
} from '../../shared/pki/certificate-builder.ts';
import type { CertificationRequest } from '../../shared/pki/certification-request.ts';
import { parseCertificationRequest } from '../../shared/pki/certification-request.ts';
import { ia5String, integer, nullValue, octetString, oid, sequence } from '../../shared/pki/der/writer.ts';
import type { GeneralName } from '../../shared/pki/names.ts';
import { oids } from '../../shared/pki/oids.ts';
import { parseSubjectPublicKey } from '../../shared/pki/public-key.ts';
import {
  altNames,
  attribute,
  attributesOf,
  extension,
  extensionRequest,
  makeRequest,
  spkiOf,
} from '../support/certification-requests.ts';
import { dns, hierarchyOf, profileOf, requestFor, sampleScope, sampleWith, uri } from '../support/hierarchies.ts';

const hierarchy = hierarchyOf();
const now = Date.parse('2026-11-23T12:00:00.789Z');

function decide(request: CertificationRequest, profile = 'device', from = hierarchy): PolicyDecision {
  return evaluateRequest(from, profileOf(from, profile), request, sampleScope, now);
}

function codesOf(decision: PolicyDecision): readonly string[] {
  return decision.kind === 'deny' ? decision.violations.map((violation) => violation.code) : [];
}

const name = dns('a.fleet.example');

function asking(...extensions: readonly { readonly oid: string; readonly value: Uint8Array }[]): CertificationRequest {
  const asked = extensions.map(({ oid: id, value }) => extension(id, value));
  return parseCertificationRequest(
    makeRequest({ attributes: attributesOf(extensionRequest(altNames(...name), ...asked)) }),
  );
}

describe('the names of a request', () => {
  const cases: readonly [string, readonly GeneralName[], string, readonly string[]][] = [
    ['one name in scope', name, 'device', []],
    ['a name in capitals', dns('A.FLEET.Example'), 'device', []],
    ['no name', [], 'device', ['names-missing']],
    [
      'no name of the kind that is needed',
      [{ kind: 'email', value: 'a@fleet.example' }],
      'device',
      ['name-kind-not-allowed', 'names-missing'],
    ],
    ['ten names', dns(...Array.from({ length: 10 }, (_, i) => `d${i}.fleet.example`)), 'device', []],
    ['eleven names', dns(...Array.from({ length: 11 }, (_, i) => `d${i}.fleet.example`)), 'device', ['names-too-many']],
    ['a name twice', dns('a.fleet.example', 'b.fleet.example', 'A.fleet.example'), 'device', ['name-duplicate']],
    ['two labels before the scope', dns('a.b.fleet.example'), 'device', ['name-out-of-scope']],
    ['the base of the scope', dns('fleet.example'), 'device', ['name-out-of-scope']],
    ['a wildcard', dns('*.fleet.example'), 'device', ['wildcard-not-allowed']],
    [
      'a foreign wildcard',
      dns('*.bank.example'),
      'device',
      ['wildcard-not-allowed', 'name-out-of-scope', 'name-outside-constraints'],
    ],
    ['a wildcard within a label', dns('d*.fleet.example'), 'device', ['wildcard-not-allowed']],
    ['an underscore', dns('a_b.fleet.example'), 'device', ['name-malformed']],
    ['a trailing dot', dns('a.fleet.example.'), 'device', ['name-malformed']],
    ['an empty label', dns('a..fleet.example'), 'device', ['name-malformed']],
    ['an address as DNS name', dns('10.1.2.3'), 'device', ['name-malformed']],
    ['a NUL', dns('bank.example\u0000.fleet.example'), 'device', ['name-malformed']],
    ['a bad A-label', dns('xn--a.fleet.example'), 'device', ['name-malformed']],
    ['a SPIFFE id for a device', [...name, ...uri('spiffe://fleet.example/a')], 'device', ['name-kind-not-allowed']],
    ['a SPIFFE id', uri('spiffe://fleet.example/ns/a/sa/b'), 'svid', []],
    ['no SPIFFE id', [], 'svid', ['names-missing']],
    ['a DNS name for a workload', name, 'svid', ['name-kind-not-allowed', 'spiffe-id-count']],
    ['a DNS name beside a SPIFFE id', [...uri('spiffe://fleet.example/a'), ...name], 'svid', ['name-kind-not-allowed']],
    ['a trust domain alone', uri('spiffe://fleet.example'), 'svid', ['spiffe-id-invalid']],
    ['a SPIFFE id in capitals', uri('SPIFFE://fleet.example/a'), 'svid', ['spiffe-id-invalid']],
    ['a web address', uri('https://fleet.example/a'), 'svid', ['spiffe-id-invalid']],
    ['dots in a path', uri('spiffe://fleet.example/a/../b'), 'svid', ['spiffe-id-invalid']],
    [
      'another trust domain',
      uri('spiffe://bank.example/a'),
      'svid',
      ['spiffe-trust-domain', 'name-out-of-scope', 'name-outside-constraints'],
    ],
    ['two ids', uri('spiffe://fleet.example/a', 'spiffe://fleet.example/b'), 'svid', ['spiffe-id-count']],
    [
      'an id twice',
      uri('spiffe://fleet.example/a', 'spiffe://fleet.example/a'),
      'svid',
      ['name-duplicate', 'spiffe-id-count'],
    ],
  ];

  it.each(cases)('are judged: %s', (_, names, profile, codes) => {
    expect(codesOf(decide(requestFor(names), profile))).toEqual(codes);
  });

  it('are in the template in the order of the request, DNS names in lower case', () => {
    const decision = decide(requestFor(dns('B.Fleet.Example', 'a.fleet.example')));
    expect(decision.kind === 'permit' && decision.template.names).toEqual(dns('b.fleet.example', 'a.fleet.example'));
  });

  it('of IP kind are judged where the profile allows them', () => {
    const from = hierarchyOf(
      sampleWith([
        'names: { dns: { countMax: 100, wildcard: false }, others',
        'names: { dns: { countMax: 100, wildcard: false }, ip: { countMax: 1 }, others',
      ]),
    );
    const scope = { ...sampleScope, names: { ...sampleScope.names, ip: ['10.0.0.0/8', '2001:db8::7'] } };
    const codes = (...values: string[]) =>
      codesOf(
        evaluateRequest(
          from,
          profileOf(from, 'service'),
          requestFor(values.map((value) => ({ kind: 'ip', value }))),
          scope,
          now,
        ),
      );
    expect(codes('10.1.2.3')).toEqual([]);
    expect(codes('2001:db8::7')).toEqual([]);
    expect(codes('2001:db8::8')).toEqual(['name-out-of-scope']);
    expect(codes('10.1.2.3', '11.1.2.3')).toEqual(['name-out-of-scope', 'names-too-many']);
  });

  it('that are wildcards are out of every scope, where the profile allows them too', () => {
    const from = hierarchyOf(sampleWith(['countMax: 10, wildcard: false', 'countMax: 10, wildcard: true']));
    expect(codesOf(decide(requestFor(dns('*.fleet.example')), 'device', from))).toEqual(['name-out-of-scope']);
    expect(codesOf(decide(requestFor(dns('a.*.fleet.example')), 'device', from))).toEqual(['name-malformed']);
  });

  it('that are hundreds and bad are told 20 at a time, the rest counted', () => {
    const decision = decide(requestFor(dns(...Array.from({ length: 300 }, (_, i) => `d${i}.bank.example`))), 'service');
    const violations = decision.kind === 'deny' ? decision.violations : [];
    const outside = violations.filter((violation) => violation.code === 'name-out-of-scope');
    expect(outside).toHaveLength(20);
    expect(outside[19]?.message).toContain('(and 280 more of this kind)');
    expect(codesOf(decision).at(-1)).toBe('names-too-many');
  });

  it('reach no message unescaped or unbounded', () => {
    const hostile = `\u001b[31m\r\nSet-Cookie: x\u0000\u202e${'a'.repeat(5_000)}`;
    const names: GeneralName[] = [
      { kind: 'dns', value: hostile },
      { kind: 'email', value: hostile },
      { kind: 'uri', value: hostile },
      { kind: 'registered-id', value: hostile },
      { kind: 'other', typeId: hostile, der: nullValue() },
      { kind: 'directory', der: sequence() },
    ];
    for (const profile of ['device', 'svid']) {
      const decision = decide(requestFor(names), profile);
      for (const violation of decision.kind === 'deny' ? decision.violations : []) {
        expect(violation.message).toMatch(/^[\x20-\x7e…]{10,400}$/);
        expect(violation.field).toMatch(/^[\x20-\x7e]{4,150}$/);
      }
      expect(decision.kind).toBe('deny');
    }
  });
});

describe('the subject of a certificate', () => {
  const label = (length: number) => `${'a'.repeat(length - '.fleet.example'.length)}.fleet.example`;

  it('has the first DNS name as common name up to 64 characters (RFC 5280 ub-common-name)', () => {
    const decision = decide(requestFor(dns(label(64))));
    expect(decision.kind === 'permit' && decision.template).toMatchObject({
      commonName: label(64),
      sanCritical: false,
    });
  });

  it('is empty and the SAN critical where the first DNS name is longer (RFC 5280 §4.1.2.6)', () => {
    const decision = decide(requestFor([...dns(label(65)), ...name]));
    const template = decision.kind === 'permit' ? decision.template : undefined;
    expect(template?.sanCritical).toBe(true);
    expect(template && 'commonName' in template).toBe(false);
  });

  it('is empty and the SAN critical where the profile says so', () => {
    const decision = decide(requestFor(uri('spiffe://fleet.example/a')), 'svid');
    expect(decision.kind === 'permit' && decision.template).toEqual({
      profile: 'svid',
      caId: 'workloads',
      names: uri('spiffe://fleet.example/a'),
      sanCritical: true,
      keyUsage: ['digitalSignature'],
      extendedKeyUsage: [oids.serverAuth, oids.clientAuth],
      validity: { text: '1h', hours: 1 },
      droppedExtensions: [],
    });
  });
});

describe('the extensions of a request', () => {
  const unknown = '1.3.6.1.4.1.99999.1';
  const cases: readonly [string, CertificationRequest, readonly string[]][] = [
    ['CA:FALSE', asking(basicConstraintsExtension({ ca: false })), []],
    ['CA:TRUE', asking(basicConstraintsExtension({ ca: true })), ['ca-requested']],
    ['key usages within the profile', asking(keyUsageExtension(['digitalSignature'])), []],
    ['keyEncipherment', asking(keyUsageExtension(['digitalSignature', 'keyEncipherment'])), ['key-usage-not-allowed']],
    ['keyCertSign', asking(keyUsageExtension(['keyCertSign'])), ['key-usage-not-allowed']],
    ['one of the purposes', asking(extendedKeyUsageExtension([oids.clientAuth])), []],
    ['both purposes', asking(extendedKeyUsageExtension([oids.clientAuth, oids.serverAuth])), []],
    [
      'every purpose',
      asking(extendedKeyUsageExtension([oids.anyExtendedKeyUsage])),
      ['extended-key-usage-not-allowed'],
    ],
    [
      'any subject key identifier',
      asking({ oid: oids.subjectKeyIdentifier, value: octetString(new Uint8Array(20)) }),
      [],
    ],
    [
      'an authority key identifier',
      asking({ oid: oids.authorityKeyIdentifier, value: sequence() }),
      ['extension-not-allowed'],
    ],
    ['name constraints', asking({ oid: oids.nameConstraints, value: sequence() }), ['extension-not-allowed']],
    [
      'a CRL distribution point',
      asking({ oid: oids.crlDistributionPoints, value: sequence() }),
      ['extension-not-allowed'],
    ],
    ['a comment', asking({ oid: oids.netscapeComment, value: ia5String('x') }), ['extension-not-allowed']],
    ['what nobody knows', asking({ oid: unknown, value: nullValue() }), ['extension-not-allowed']],
    ['tlsFeature, which is dropped', asking({ oid: oids.tlsFeature, value: sequence(integer(5)) }), []],
  ];

  it.each(cases)('are judged: %s', (_, request, codes) => {
    expect(codesOf(decide(request))).toEqual(codes);
  });

  it('are named in the refusal, with their OIDs', () => {
    const decision = decide(
      asking({ oid: oids.certificatePolicies, value: sequence() }, { oid: unknown, value: nullValue() }),
    );
    const told =
      decision.kind === 'deny' ? decision.violations.map(({ field, message }) => `${field}: ${message}`) : [];
    expect(told).toEqual([
      'extensionRequest.certificatePolicies: the extension certificatePolicies (2.5.29.32) is not allowed',
      `extensionRequest.${unknown}: the extension ${unknown} is not allowed`,
    ]);
  });

  it('are dropped by OID too, and reported by it where they have no name', () => {
    const from = hierarchyOf(sampleWith(['drop: [tlsFeature]', `drop: [tlsFeature, ${unknown}]`]));
    const decision = decide(
      asking({ oid: unknown, value: nullValue() }, { oid: oids.tlsFeature, value: sequence() }),
      'device',
      from,
    );
    expect(decision.kind === 'permit' && decision.template.droppedExtensions).toEqual([unknown, 'tlsFeature']);
  });
});

describe('the attributes of a request', () => {
  it('are let pass where they ask for nothing: only a challengePassword is refused (RFC 2985 §5.4.1)', () => {
    const withAttribute = (type: string) =>
      parseCertificationRequest(
        makeRequest({
          attributes: attributesOf(extensionRequest(altNames(...name)), attribute(type, ia5String('10.0.1'))),
        }),
      );
    expect(codesOf(decide(withAttribute(oids.microsoftOsVersion)))).toEqual([]);
    expect(codesOf(decide(withAttribute(oids.unstructuredName)))).toEqual([]);
    expect(codesOf(decide(withAttribute(oids.challengePassword)))).toEqual(['challenge-password']);
  });
});

describe('the key of a request', () => {
  const keyOf = (type: 'P-521' | 'secp256k1' | 'RSA-1024') => {
    const { publicKey } =
      type === 'RSA-1024'
        ? generateKeyPairSync('rsa', { modulusLength: 1_024 })
        : generateKeyPairSync('ec', { namedCurve: type });
    return parseSubjectPublicKey(spkiOf(publicKey));
  };

  it('that the profile does not allow is refused by the profile', () => {
    const decision = decide(requestFor(name, { publicKey: keyOf('P-521') }), 'service');
    expect(decision.kind === 'deny' && decision.violations).toEqual([
      {
        code: 'key-type-not-allowed',
        field: 'subjectPublicKeyInfo',
        message: 'a key of type P-521 is not allowed; the profile allows P-256, P-384, RSA-2048, RSA-3072, Ed25519',
        reference: 'profile service: keys',
      },
    ]);
  });

  it.each(['secp256k1', 'RSA-1024'] as const)(
    'that is refused whatever the profile says is refused once: %s',
    (type) => {
      const decision = decide(requestFor(name, { publicKey: keyOf(type) }), 'service');
      expect(codesOf(decision)).toHaveLength(1);
    },
  );

  it('that the profile does not allow is refused beside a weak signature', () => {
    const request = requestFor(name, {
      publicKey: keyOf('P-521'),
      signatureAlgorithm: { kind: 'ecdsa', hash: 'sha1' },
    });
    expect(codesOf(decide(request, 'service'))).toEqual(['key-type-not-allowed', 'signature-algorithm-not-allowed']);
  });
});

describe('a decision', () => {
  it('names every violation, in the order profile, attributes, key, names, extensions, validity', () => {
    const request = {
      ...asking(
        basicConstraintsExtension({ ca: true }),
        keyUsageExtension(['keyCertSign']),
        extendedKeyUsageExtension([oids.codeSigning]),
        { oid: oids.certificatePolicies, value: sequence(oid(oids.anyPolicy)) },
      ),
      names: [...dns('bank.example', '*.fleet.example', 'a_.fleet.example'), { kind: 'email', value: 'a@b' } as const],
      challengePassword: true,
      signatureAlgorithm: { kind: 'ecdsa', hash: 'sha1' } as const,
    };
    const scope = { ...sampleScope, profiles: ['svid'] };
    const decision = evaluateRequest(hierarchy, profileOf(hierarchy, 'device'), request, scope, now, now);
    expect(codesOf(decision)).toEqual([
      'profile-not-in-scope',
      'challenge-password',
      'signature-algorithm-not-allowed',
      'name-out-of-scope',
      'name-outside-constraints',
      'wildcard-not-allowed',
      'name-malformed',
      'name-kind-not-allowed',
      'ca-requested',
      'key-usage-not-allowed',
      'extended-key-usage-not-allowed',
      'extension-not-allowed',
      'outlives-issuer',
    ]);
    for (const violation of decision.kind === 'deny' ? decision.violations : []) {
      expect(violation.reference.length).toBeGreaterThan(5);
      expect(violation.message).toMatch(/^[\x20-\x7e]{10,400}$/);
    }
  });

  it('lets a leaf end with its issuer and not a second later (outlives-issuer)', () => {
    const { notBefore, notAfter } = leafValidity({ text: '365d', days: 365 }, now);
    expect(new Date(notBefore).toISOString()).toBe('2026-11-23T11:00:00.000Z');
    expect(new Date(notAfter).toISOString()).toBe('2027-11-23T12:00:00.000Z');
    const until = (end: number) =>
      codesOf(evaluateRequest(hierarchy, profileOf(hierarchy, 'device'), requestFor(name), sampleScope, now, end));
    expect(until(notAfter)).toEqual([]);
    expect(until(notAfter - 1_000)).toEqual(['outlives-issuer']);
  });

  it('is not made for a profile that no CA issues', () => {
    const profile = { ...profileOf(hierarchy, 'device'), name: 'gateway' };
    expect(() => evaluateRequest(hierarchy, profile, requestFor(name), sampleScope, now)).toThrow(/no CA issues/);
  });
});
