import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Issuable, issuableOf } from '../../shared/inventory/issuable.ts';
import type { Certificate, Extension } from '../../shared/pki/certificate.ts';
import {
  basicConstraintsExtension,
  extendedKeyUsageExtension,
  nameConstraintsExtension,
} from '../../shared/pki/certificate-builder.ts';
import {
  type GeneralSubtree,
  isNameWithinConstraints,
  type NameConstraints,
} from '../../shared/pki/name-constraints.ts';
import type { GeneralName } from '../../shared/pki/names.ts';
import { oids } from '../../shared/pki/oids.ts';
import { dayMs, makeCa, newEcTestKey, testTime } from '../support/make-certificate.ts';

const key = newEcTestKey();
const caWith = (...extensions: readonly Extension[]): Certificate => makeCa({ key, extensions }).certificate;
const caOf = (pathLen: number | undefined, ...extensions: readonly Extension[]) =>
  caWith(basicConstraintsExtension({ ca: true, ...(pathLen === undefined ? {} : { pathLen }) }), ...extensions);
const constrained = (...constraints: readonly NameConstraints[]): readonly Certificate[] =>
  constraints.map((one) => caOf(undefined, nameConstraintsExtension(one)));
const dns = (...values: readonly string[]): GeneralSubtree[] => values.map((value) => ({ kind: 'dns', value }));

describe('what is issuable under a path', () => {
  it('ends when the first certificate on the path ends', () => {
    const own = makeCa({ key, notAfter: testTime + 500 * dayMs }).certificate;
    const parent = makeCa({ key, notAfter: testTime + 100 * dayMs }).certificate;
    expect(issuableOf([own, parent]).until).toBe(testTime + 100 * dayMs);
  });

  it.each([
    [[0, 1, undefined], 0, false],
    [[undefined, undefined], undefined, true],
    [[undefined, 1], 0, false],
    [[3, 2, undefined], 1, true],
    [[5, 0], 0, false],
  ] as const)('has the path length that %j leaves: %s (RFC 5280 6.1.4)', (lengths, pathLen, subordinateAuthorities) => {
    const found = issuableOf(lengths.map((one) => caOf(one)));
    expect(found).toMatchObject({ pathLen, subordinateAuthorities });
  });

  it('has the purposes that every certificate allows', () => {
    const [server, client] = [oids.serverAuth, oids.clientAuth];
    const both = extendedKeyUsageExtension([server, client]);
    const any = extendedKeyUsageExtension([oids.anyExtendedKeyUsage]);
    expect(issuableOf([caOf(0), caOf(1)]).extendedKeyUsage).toBe('unconstrained');
    expect(issuableOf([caOf(0, any), caOf(1)]).extendedKeyUsage).toBe('unconstrained');
    expect(issuableOf([caOf(0, both), caOf(1, extendedKeyUsageExtension([client]))]).extendedKeyUsage).toEqual([
      'clientAuth',
    ]);
    expect(
      issuableOf([caOf(0, extendedKeyUsageExtension([server])), caOf(1, extendedKeyUsageExtension([client]))])
        .extendedKeyUsage,
    ).toEqual([]);
  });

  it('has the names that every certificate permits, and what any excludes', () => {
    const found = issuableOf(
      constrained(
        { permitted: dns('plant.fleet.example', 'other.example'), excluded: [] },
        { permitted: dns('fleet.example'), excluded: dns('secret.fleet.example') },
      ),
    );
    expect(found.permitted).toMatchObject({ dns: ['plant.fleet.example'], uri: 'unconstrained', ip: 'unconstrained' });
    expect(found.excluded).toEqual(['dns:secret.fleet.example']);
    const nothing = issuableOf(
      constrained({ permitted: dns('a.example'), excluded: [] }, { permitted: dns('b.example'), excluded: [] }),
    );
    expect(nothing.permitted.dns).toEqual([]);
  });

  it('permits a name when each CA on the path does, and no other (RFC 5280 6.1.4 (g))', () => {
    fc.assert(
      fc.property(
        fc.array(permitted, { minLength: 1, maxLength: 3 }),
        fc.array(name, { minLength: 1, maxLength: 8 }),
        (lists, names) => {
          const constraints = lists.map((list): NameConstraints => ({ permitted: list, excluded: [] }));
          const path = constraints.map((one) => (one.permitted.length === 0 ? caOf(undefined) : constrained(one)[0]!));
          const { permitted: found } = issuableOf(path);
          for (const one of names)
            expect(isPermitted(one, found)).toBe(constraints.every((each) => isNameWithinConstraints(one, each)));
        },
      ),
      { numRuns: 150, seed: 20_261_125 },
    );
  });
});

const domain = fc.constantFrom(
  'example',
  'fleet.example',
  'a.fleet.example',
  'b.fleet.example',
  'x.a.fleet.example',
  'other.test',
);
const subtree: fc.Arbitrary<GeneralSubtree> = fc.oneof(
  domain.map((value) => ({ kind: 'dns' as const, value })),
  domain.chain((value) => fc.constantFrom(value, `.${value}`)).map((value) => ({ kind: 'uri' as const, value })),
  fc
    .constantFrom('10.0.0.0/8', '10.1.0.0/16', '10.1.2.0/24', '192.168.0.0/16', '2001:db8::/32')
    .map((value) => ({ kind: 'ip' as const, value })),
  domain
    .chain((value) => fc.constantFrom(value, `.${value}`, `op@${value}`))
    .map((value) => ({ kind: 'email' as const, value })),
);
const permitted = fc.array(subtree, { maxLength: 4 });
const name: fc.Arbitrary<GeneralName> = fc.oneof(
  domain.chain((value) => fc.constantFrom(value, `d.${value}`)).map((value) => ({ kind: 'dns' as const, value })),
  domain
    .chain((value) => fc.constantFrom(value, `d.${value}`))
    .map((value) => ({ kind: 'uri' as const, value: `spiffe://${value}/x` })),
  fc
    .constantFrom('10.1.2.3', '10.9.0.1', '192.168.1.1', '172.16.0.1', '2001:db8::1')
    .map((value) => ({ kind: 'ip' as const, value })),
  domain.map((value) => ({ kind: 'email' as const, value: `op@${value}` })),
);

/** By the judge of names, against what was found: a kind with an empty list permits nothing. */
function isPermitted(one: GeneralName, found: Issuable['permitted']): boolean {
  const list = found[one.kind as keyof Issuable['permitted']];
  if (list === 'unconstrained') return true;
  const subtrees = list.map((value) => ({ kind: one.kind, value }) as GeneralSubtree);
  return list.length > 0 && isNameWithinConstraints(one, { permitted: subtrees, excluded: [] });
}
