import { describe, expect, it } from 'vitest';
import { explicit } from '../../shared/pki/der/writer.ts';
import {
  type GeneralSubtree,
  isNameWithinConstraints,
  isSubjectWithinConstraints,
} from '../../shared/pki/name-constraints.ts';
import { encodeDistinguishedName, type GeneralName } from '../../shared/pki/names.ts';

const permits = (name: GeneralName, ...permitted: readonly GeneralSubtree[]): boolean =>
  isNameWithinConstraints(name, { permitted, excluded: [] });
const excludes = (name: GeneralName, ...excluded: readonly GeneralSubtree[]): boolean =>
  !isNameWithinConstraints(name, { permitted: [], excluded });

describe('name constraints (RFC 5280 §4.2.1.10)', () => {
  it.each([
    ['dns', 'fleet.example', 'fleet.example', true],
    ['dns', 'a.b.FLEET.example', 'fleet.example', true],
    ['dns', 'notfleet.example', 'fleet.example', false],
    ['dns', 'fleet.example.org', 'fleet.example', false],
    ['dns', 'fleet.example', '.fleet.example', false],
    ['dns', 'anything.at.all', '', true],
    ['uri', 'spiffe://fleet.example/press', 'fleet.example', true],
    ['uri', 'spiffe://a.fleet.example/press', 'fleet.example', false],
    ['uri', 'spiffe://a.fleet.example/press', '.fleet.example', true],
    ['uri', 'spiffe://fleet.example/press', '.fleet.example', false],
    ['uri', 'https://me@fleet.example:8443/', 'fleet.example', true],
    ['uri', 'https://fleet.example@evil.example/', 'fleet.example', false],
    ['uri', 'https://evil.example#@fleet.example/', 'fleet.example', false],
    ['uri', 'urn:fleet.example', 'fleet.example', false],
    ['uri', 'https://10.0.0.1/', '10.0.0.1', false],
    ['email', 'a@fleet.example', 'fleet.example', true],
    ['email', 'a@b.fleet.example', '.fleet.example', true],
    ['email', 'a@fleet.example', 'b@fleet.example', false],
    ['ip', '10.1.2.3', '10.0.0.0/8', true],
    ['ip', '11.0.0.1', '10.0.0.0/8', false],
    ['ip', '2001:db8::1', '2001:db8::/32', true],
    ['ip', '::ffff:10.1.2.3', '10.0.0.0/8', false],
  ] as const)('%s %s under %j: %s', (kind, value, base, inside) => {
    expect(permits({ kind, value }, { kind, value: base })).toBe(inside);
  });

  it('says nothing about names of a kind without a subtree', () => {
    expect(permits({ kind: 'dns', value: 'a.example' }, { kind: 'uri', value: 'b.example' })).toBe(true);
  });

  it('lets an excluded subtree win over a permitted one', () => {
    const name = { kind: 'dns', value: 'a.lab.fleet.example' } as const;
    const permitted = [{ kind: 'dns', value: 'fleet.example' }] as const;
    expect(isNameWithinConstraints(name, { permitted, excluded: [] })).toBe(true);
    const excluded = [{ kind: 'dns', value: 'lab.fleet.example' }] as const;
    expect(isNameWithinConstraints(name, { permitted, excluded })).toBe(false);
  });

  it('refuses a URI without a host where URIs are constrained at all', () => {
    expect(excludes({ kind: 'uri', value: 'urn:a:b' }, { kind: 'uri', value: 'fleet.example' })).toBe(true);
  });

  it('refuses a kind it does not judge where that kind is constrained (RFC 5280 §6.1.4)', () => {
    const name = { kind: 'registered-id', value: '1.2.3' } as const;
    expect(permits(name, { kind: 'other', der: Uint8Array.of(0x88, 1, 0x2a) })).toBe(false);
    expect(permits(name, { kind: 'dns', value: 'fleet.example' })).toBe(true);
  });

  it('compares directory names RDN by RDN from the root', () => {
    const base = { kind: 'directory', der: encodeDistinguishedName('O=Example Fleet') } as const;
    const constraints = { permitted: [base], excluded: [] };
    expect(isSubjectWithinConstraints(encodeDistinguishedName('O=Example Fleet,CN=press'), constraints)).toBe(true);
    expect(isSubjectWithinConstraints(encodeDistinguishedName('CN=press,O=Example Fleet'), constraints)).toBe(false);
    expect(isSubjectWithinConstraints(encodeDistinguishedName(''), constraints)).toBe(true);
    const name = { kind: 'directory', der: explicit(4, encodeDistinguishedName('O=Other')) } as const;
    expect(isNameWithinConstraints(name, constraints)).toBe(false);
  });
});
