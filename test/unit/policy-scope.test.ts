import { describe, expect, it } from 'vitest';
import { type EnrolmentScope, scopeCoversName, scopeFaults } from '../../shared/hierarchy/policy.ts';
import type { GeneralName } from '../../shared/pki/names.ts';

function scopeOf(names: Partial<EnrolmentScope['names']>): EnrolmentScope {
  return { profiles: ['device'], names: { dns: [], spiffe: [], ip: [], ...names } };
}

describe('the DNS scope of a credential', () => {
  it.each([
    ['*.fleet.example', 'a.fleet.example', true],
    ['*.Fleet.example', 'A.FLEET.EXAMPLE', true],
    ['*.fleet.example', 'a.b.fleet.example', false],
    ['*.fleet.example', 'fleet.example', false],
    ['*.fleet.example', '.fleet.example', false],
    ['*.fleet.example', '*.fleet.example', false],
    ['*.fleet.example', 'a*.fleet.example', false],
    ['*.fleet.example', 'xfleet.example', false],
    ['*.fleet.example', 'a.fleet.example.evil.example', false],
    ['a.fleet.example', 'A.fleet.example', true],
    ['a.fleet.example', 'b.a.fleet.example', false],
    ['*', 'a', false],
    ['*.', 'a.', false],
    ['*', '*', false],
    ['*.*.fleet.example', 'a.b.fleet.example', false],
    ['*.*.fleet.example', 'a.*.fleet.example', false],
    ['', '', false],
  ])('%j covers %j: %s', (entry, value, covers) => {
    const name: GeneralName = { kind: 'dns', value };
    // An empty name is no DNS name and is refused as malformed before any scope is asked.
    expect(value !== '' && scopeCoversName(scopeOf({ dns: [entry] }), name)).toBe(covers);
  });
});

describe('the SPIFFE scope of a credential', () => {
  it.each([
    ['spiffe://fleet.example/*', 'spiffe://fleet.example/a', true],
    ['spiffe://fleet.example/*', 'spiffe://fleet.example/ns/a/sa/b', true],
    ['spiffe://fleet.example/*', 'spiffe://fleet.example', false],
    ['spiffe://fleet.example/*', 'spiffe://fleet.example/', false],
    ['spiffe://fleet.example/*', 'spiffe://fleet.example/a/../b', false],
    ['spiffe://fleet.example/*', 'spiffe://fleet.example.evil/a', false],
    ['spiffe://fleet.example/ns/*', 'spiffe://fleet.example/ns/a', true],
    ['spiffe://fleet.example/ns/*', 'spiffe://fleet.example/nsx', false],
    ['spiffe://fleet.example/ns/*', 'spiffe://fleet.example/ns', false],
    ['spiffe://fleet.example/a', 'spiffe://fleet.example/a', true],
    ['spiffe://fleet.example/a', 'spiffe://fleet.example/A', false],
    ['spiffe://fleet.example/a', 'spiffe://fleet.example/a/b', false],
    ['spiffe://*', 'spiffe://fleet.example/a', false],
    ['spiffe://*/a', 'spiffe://fleet.example/a', false],
    ['/*', 'spiffe://fleet.example/a', false],
    ['*', 'spiffe://fleet.example/a', false],
    ['spiffe://fleet.example/a*', 'spiffe://fleet.example/ab', false],
    ['https://fleet.example/a', 'https://fleet.example/a', false],
  ])('%j covers %j: %s', (entry, value, covers) => {
    expect(scopeCoversName(scopeOf({ spiffe: [entry] }), { kind: 'uri', value })).toBe(covers);
  });
});

describe('the IP scope of a credential', () => {
  it.each([
    ['10.0.0.0/8', '10.255.0.1', true],
    ['10.0.0.7', '10.0.0.7', true],
    ['10.0.0.7', '10.0.0.70', false],
    ['2001:DB8::/32', '2001:db8::1', true],
    ['0.0.0.0/0', '2001:db8::1', false],
    ['10.0.0.1/8', '10.0.0.1', false],
  ])('%j covers %j: %s', (entry, value, covers) => {
    expect(scopeCoversName(scopeOf({ ip: [entry] }), { kind: 'ip', value })).toBe(covers);
  });
});

describe('a scope', () => {
  it('covers no name of another kind', () => {
    const scope = scopeOf({ dns: ['*.fleet.example'], spiffe: ['spiffe://fleet.example/*'], ip: ['0.0.0.0/0'] });
    expect(scopeCoversName(scope, { kind: 'email', value: 'a.fleet.example' })).toBe(false);
    expect(scopeCoversName(scope, { kind: 'registered-id', value: '1.2.3' })).toBe(false);
  });

  it('of the sample credential has no fault', () => {
    expect(
      scopeFaults(
        scopeOf({
          dns: ['*.fleet.example', 'a.example'],
          spiffe: ['spiffe://fleet.example/*'],
          ip: ['10.0.0.0/8', '::1'],
        }),
      ),
    ).toEqual([]);
  });

  it('is told each entry that could cover nothing', () => {
    const faults = scopeFaults(
      scopeOf({
        dns: ['*.fleet.example', '*', 'a.*.example', 'a_b.example'],
        spiffe: ['spiffe://fleet.example', 'spiffe://*'],
        ip: ['10.0.0.1/8', 'x\u001b'],
      }),
    );
    expect(faults.map((fault) => fault.field)).toEqual([
      'names.dns[1]',
      'names.dns[2]',
      'names.dns[3]',
      'names.spiffe[0]',
      'names.spiffe[1]',
      'names.ip[0]',
      'names.ip[1]',
    ]);
    expect(faults.at(-1)?.message).toBe("'x\\x1b' covers no name: write 10.0.0.7 or 10.0.0.0/8");
  });

  it('has at most 100 entries of a kind', () => {
    const dns = Array.from({ length: 101 }, (_, i) => `d${i}.fleet.example`);
    expect(scopeFaults(scopeOf({ dns }))).toEqual([{ field: 'names.dns', message: '101 entries; at most 100' }]);
  });
});
