import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseHierarchy } from '../../shared/hierarchy/hierarchy.ts';
import {
  type EnrolmentScope,
  evaluateRequest,
  type PolicyDecision,
  scopeCoversName,
} from '../../shared/hierarchy/policy.ts';
import type { GeneralName } from '../../shared/pki/names.ts';
import { hierarchyOf, profileOf, requestFor, sampleHierarchyText } from '../support/hierarchies.ts';

const hierarchy = hierarchyOf();
const now = Date.parse('2026-11-23T12:00:00Z');
const options = { seed: 20_261_123, numRuns: 500 };

const label = fc.constantFrom('a', 'b', 'A', 'web', 'x-1', '*', 'a_b', '');
const tree = fc.constantFrom('fleet.example', 'lab.fleet.example', 'Fleet.Example', 'bank.example', 'example');
const dnsName = fc.oneof(
  tree,
  fc.tuple(label, tree).map(([first, rest]) => `${first}.${rest}`),
  fc.string({ maxLength: 20 }),
);
const spiffeId = fc
  .tuple(
    fc.constantFrom('fleet.example', 'bank.example'),
    fc.array(fc.constantFrom('ns', 'a', 'b', '..', ''), { maxLength: 4 }),
  )
  .map(([domain, path]) => `spiffe://${domain}${path.map((segment) => `/${segment}`).join('')}`);
const ip = fc.oneof(fc.ipV4(), fc.constantFrom('10.0.0.1', '10.9.9.9', '2001:db8::7'));
const generalName: fc.Arbitrary<GeneralName> = fc.oneof(
  dnsName.map((value) => ({ kind: 'dns' as const, value })),
  spiffeId.map((value) => ({ kind: 'uri' as const, value })),
  ip.map((value) => ({ kind: 'ip' as const, value })),
  fc.constantFrom<GeneralName>({ kind: 'email', value: 'a@fleet.example' }, { kind: 'registered-id', value: '1.2.3' }),
);

const dnsEntry = fc.oneof(
  tree.map((name) => `*.${name}`),
  dnsName,
);
const spiffeEntry = fc.oneof(
  spiffeId,
  spiffeId.map((id) => `${id}/*`),
  fc.constantFrom('spiffe://*', '*', '/*'),
);
const ipEntry = fc.oneof(ip, fc.constantFrom('10.0.0.0/8', '0.0.0.0/0', '10.0.0.0/24', '::/0', 'x'));
const profileNames = ['device', 'service', 'svid'];
const scope: fc.Arbitrary<EnrolmentScope> = fc.record({
  profiles: fc.subarray(profileNames),
  names: fc.record({
    dns: fc.array(dnsEntry, { maxLength: 4 }),
    spiffe: fc.array(spiffeEntry, { maxLength: 4 }),
    ip: fc.array(ipEntry, { maxLength: 4 }),
  }),
});

/** An entry that covers a part of what this one does: itself, one name of a wildcard, a longer path, a smaller range. */
function narrowerEntry(entry: string): fc.Arbitrary<string> {
  if (entry.startsWith('*.')) return fc.constantFrom(entry, `a${entry.slice(1)}`, `b${entry.slice(1)}`);
  if (entry.endsWith('/*')) return fc.constantFrom(entry, `${entry.slice(0, -1)}a/*`, `${entry.slice(0, -1)}a`);
  if (entry === '0.0.0.0/0') return fc.constantFrom('10.0.0.0/8', '10.0.0.1');
  if (entry === '10.0.0.0/8') return fc.constantFrom('10.0.0.0/24', '10.0.0.1');
  return fc.constant(entry);
}

function narrowerList(entries: readonly string[]): fc.Arbitrary<string[]> {
  return fc.subarray([...entries]).chain((kept) => fc.tuple(...kept.map(narrowerEntry)));
}

function narrower(wide: EnrolmentScope): fc.Arbitrary<EnrolmentScope> {
  return fc.record({
    profiles: fc.subarray([...wide.profiles]),
    names: fc.record({
      dns: narrowerList(wide.names.dns),
      spiffe: narrowerList(wide.names.spiffe),
      ip: narrowerList(wide.names.ip),
    }),
  });
}

function decide(profile: string, names: readonly GeneralName[], within: EnrolmentScope): PolicyDecision {
  return evaluateRequest(hierarchy, profileOf(hierarchy, profile), requestFor(names), within, now);
}

function codes(decision: PolicyDecision): Set<string> {
  return new Set(decision.kind === 'deny' ? decision.violations.map((violation) => violation.code) : []);
}

const profile = fc.constantFrom(...profileNames);
const wideAndNarrow = scope.chain((wide) => fc.tuple(fc.constant(wide), narrower(wide)));
const names = fc.array(generalName, { maxLength: 12 });

describe('the policy of issuance', () => {
  it('never permits in a narrower scope what it denies in a wider one', () => {
    fc.assert(
      fc.property(profile, names, wideAndNarrow, (asked, wanted, [wide, narrow]) => {
        if (decide(asked, wanted, wide).kind === 'deny') expect(decide(asked, wanted, narrow).kind).toBe('deny');
      }),
      options,
    );
  });

  it('covers in a narrower scope no name that the wider one does not', () => {
    let covered = 0;
    fc.assert(
      fc.property(generalName, wideAndNarrow, (name, [wide, narrow]) => {
        if (!scopeCoversName(narrow, name)) return;
        covered += 1;
        expect(scopeCoversName(wide, name)).toBe(true);
      }),
      { ...options, numRuns: 3_000 },
    );
    // The rule says nothing unless scopes do cover names.
    expect(covered).toBeGreaterThan(20);
  });

  it('loses no violation when names are added, but those that said a name was missing', () => {
    const cured = new Set(['names-missing', 'spiffe-id-count']);
    fc.assert(
      fc.property(profile, names, names, scope, (asked, some, more, within) => {
        const before = codes(decide(asked, some, within));
        const after = codes(decide(asked, [...some, ...more], within));
        for (const code of before) if (!cured.has(code)) expect(after).toContain(code);
      }),
      options,
    );
  });

  it('covers no wildcard name in any scope', () => {
    fc.assert(
      fc.property(scope, tree, (within, base) => {
        expect(scopeCoversName(within, { kind: 'dns', value: `*.${base}` })).toBe(false);
      }),
      options,
    );
  });

  it('permits only names of the request, each covered by the scope', () => {
    let permitted = 0;
    const likely = fc.uniqueArray(fc.constantFrom('a', 'b', 'web'), { minLength: 1, maxLength: 3 });
    fc.assert(
      fc.property(likely, scope, (labels, within) => {
        const wanted = labels.map((first) => ({ kind: 'dns' as const, value: `${first}.FLEET.example` }));
        const decision = decide('device', wanted, within);
        if (decision.kind === 'deny') return;
        permitted += 1;
        expect(decision.template.names.map((name) => ('value' in name ? name.value : ''))).toEqual(
          wanted.map((name) => name.value.toLowerCase()),
        );
        expect(decision.template.names.every((name) => scopeCoversName(within, name))).toBe(true);
      }),
      { ...options, numRuns: 2_000 },
    );
    expect(permitted).toBeGreaterThan(20);
  });

  it('answers every request with printable, bounded text and in the same words each time', () => {
    fc.assert(
      fc.property(
        profile,
        fc.array(fc.string({ unit: 'binary', maxLength: 300 }), { maxLength: 8 }),
        scope,
        (asked, values, within) => {
          const wanted = values.flatMap((value): GeneralName[] => [
            { kind: 'dns', value },
            { kind: 'uri', value },
            { kind: 'email', value },
          ]);
          const decision = decide(asked, wanted, within);
          expect(decide(asked, wanted, within)).toEqual(decision);
          for (const violation of decision.kind === 'deny' ? decision.violations : []) {
            expect(violation.message).toMatch(/^[\x20-\x7e…]{10,400}$/);
          }
        },
      ),
      options,
    );
  });
});

describe('the reader of hierarchies', () => {
  const pieces = fc.constantFrom(
    '- ',
    ': ',
    '\n',
    '  ',
    '[',
    ']',
    '{',
    '}',
    '"',
    "'",
    '&a ',
    '*a ',
    '!!str ',
    '<<',
    '|',
    '>',
    '#',
    '? ',
    '---',
    '%',
    '\t',
    'x',
  );

  it('is total: any text gives a hierarchy or faults with a place', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ unit: 'binary', maxLength: 200 }),
          fc.array(pieces, { maxLength: 60 }).map((p) => p.join('')),
        ),
        (text) => {
          const reading = parseHierarchy(text);
          expect(reading.ok).toBe(false);
          if (!reading.ok) expect(reading.faults.every((fault) => fault.line > 0 && fault.column > 0)).toBe(true);
        },
      ),
      options,
    );
  });

  it('is total on the sample with a part replaced by anything', () => {
    const at = fc.nat({ max: sampleHierarchyText.length });
    fc.assert(
      fc.property(at, fc.nat({ max: 30 }), fc.array(pieces, { maxLength: 4 }), (from, length, put) => {
        const text = sampleHierarchyText.slice(0, from) + put.join('') + sampleHierarchyText.slice(from + length);
        const reading = parseHierarchy(text);
        if (!reading.ok) expect(reading.faults.length).toBeGreaterThan(0);
      }),
      { ...options, numRuns: 300 },
    );
  });
});
