import { describe, expect, it } from 'vitest';
import { canonicalJson } from '../../shared/hierarchy/canonical-json.ts';
import { addDuration, durationMs, parseDuration } from '../../shared/hierarchy/hierarchy.ts';
import { ipRangeContains } from '../../shared/hierarchy/ip-range.ts';
import { constraintsPermit, subtreeContains } from '../../shared/hierarchy/name-constraints.ts';
import { printable } from '../../shared/hierarchy/policy.ts';

function after(at: string, duration: string): string {
  return new Date(addDuration(Date.parse(at), parseDuration(duration)!)).toISOString();
}

describe('durations', () => {
  it.each([
    ['2026-11-23T10:00:00Z', '1h', '2026-11-23T11:00:00.000Z'],
    ['2026-11-23T10:00:00Z', '90d', '2027-02-21T10:00:00.000Z'],
    ['2026-11-23T10:00:00Z', '20y', '2046-11-23T10:00:00.000Z'],
    ['2027-03-01T00:00:00Z', '1y', '2028-03-01T00:00:00.000Z'],
    ['2028-02-29T12:00:00Z', '1y', '2029-02-28T12:00:00.000Z'],
    ['2028-02-29T12:00:00Z', '4y', '2032-02-29T12:00:00.000Z'],
  ])('%s and %s later is %s: years are of the calendar', (at, duration, expected) => {
    expect(after(at, duration)).toBe(expected);
  });

  it('have a nominal length of 365 days a year', () => {
    expect(durationMs(parseDuration('3y')!)).toBe(3 * 365 * 86_400_000);
    expect(durationMs(parseDuration('8h')!)).toBe(8 * 3_600_000);
  });

  it.each(['', 'y', '0d', '01d', '1m', '1y ', '1y2d', '1000000d', '１y'])('%j is none', (text) => {
    expect(parseDuration(text)).toBeUndefined();
  });
});

describe('canonical JSON', () => {
  it('sorts keys at every depth and leaves out what is undefined', () => {
    expect(canonicalJson({ b: [{ z: 1, a: null }], a: undefined, A: 'é' })).toBe('{"A":"é","b":[{"a":null,"z":1}]}');
  });
});

describe('printable text', () => {
  it('escapes controls, quotes, backslashes and everything beyond ASCII', () => {
    expect(printable("a\u0000\u001b[2J\n'\\é\u202e日😀")).toBe(
      'a\\x00\\x1b[2J\\x0a\\x27\\x5c\\xe9\\u{202e}\\u{65e5}\\u{1f600}',
    );
  });

  it('is bounded and says what was cut off', () => {
    expect(printable('x'.repeat(80))).toBe('x'.repeat(80));
    expect(printable('x'.repeat(1_000))).toBe(`${'x'.repeat(80)}… (1000 characters)`);
    expect(printable('\u0000'.repeat(50), 10)).toBe('\\x00\\x00… (50 characters)');
  });
});

describe('name constraints', () => {
  const permitted = {
    dns: ['fleet.example'],
    uri: ['fleet.example', '.edge.example'],
    ip: ['10.0.0.0/8', '2001:db8::/32'],
  };
  const constraints = { permitted, excluded: { dns: ['lab.fleet.example'] } };

  it.each([
    ['dns', 'fleet.example', true],
    ['dns', 'A.B.Fleet.Example', true],
    ['dns', '*.fleet.example', true],
    ['dns', 'notfleet.example', false],
    ['dns', 'fleet.example.evil.example', false],
    ['dns', 'a.lab.fleet.example', false],
    ['dns', '*.lab.fleet.example', false],
    ['uri', 'spiffe://fleet.example/a', true],
    ['uri', 'https://user@fleet.example:8443/a', true],
    ['uri', 'https://fleet.example@bank.example/', false],
    ['uri', 'spiffe://a.fleet.example/a', false],
    ['uri', 'spiffe://a.edge.example/a', true],
    ['uri', 'spiffe://edge.example/a', false],
    ['uri', 'urn:uuid:7', false],
    ['ip', '10.1.2.3', true],
    ['ip', '11.1.2.3', false],
    ['ip', '2001:db8::7', true],
    ['ip', '2001:db9::7', false],
    ['ip', '::ffff:10.1.2.3', false],
    ['email', 'ops@bank.example', true],
  ] as const)('let the %s name %s pass: %s (RFC 5280 §4.2.1.10)', (kind, value, passes) => {
    expect(constraintsPermit(constraints, { kind, value })).toBe(passes);
  });

  it('leave kinds alone that they do not speak of', () => {
    expect(constraintsPermit({ permitted: { dns: ['fleet.example'] } }, { kind: 'uri', value: 'urn:uuid:7' })).toBe(
      true,
    );
  });

  it.each([
    ['dns', 'fleet.example', 'a.fleet.example', true],
    ['dns', 'a.fleet.example', 'fleet.example', false],
    ['uri', '.example', '.fleet.example', true],
    ['uri', '.fleet.example', 'a.fleet.example', true],
    ['uri', 'fleet.example', '.fleet.example', false],
    ['uri', '.fleet.example', 'fleet.example', false],
    ['ip', '10.0.0.0/8', '10.2.0.0/16', true],
    ['ip', '10.2.0.0/16', '10.0.0.0/8', false],
  ] as const)('%s: %s holds %s: %s', (kind, outer, inner, holds) => {
    expect(subtreeContains(kind, outer, inner)).toBe(holds);
  });
});

describe('IP ranges', () => {
  it.each([
    ['0.0.0.0/0', '255.255.255.255', true],
    ['::/0', '::1', true],
    ['::/0', '1.2.3.4', false],
    ['10.0.0.7', '10.0.0.7', true],
    ['10.0.0.7', '10.0.0.8', false],
    ['10.0.0.0/31', '10.0.0.1', true],
    ['10.0.0.1/8', '10.0.0.1', false],
    ['2001:db8::/33', '2001:db8:8000::1', false],
    ['2001:DB8:0:0::/64', '2001:db8::7', true],
    ['nonsense', '10.0.0.1', false],
    ['10.0.0.0/8', 'nonsense', false],
  ])('%s holds %s: %s', (outer, inner, holds) => {
    expect(ipRangeContains(outer, inner)).toBe(holds);
  });
});
