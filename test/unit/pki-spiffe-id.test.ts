import { describe, expect, it } from 'vitest';
import { parseSpiffeId } from '../../shared/pki/spiffe-id.ts';

describe('a SPIFFE ID (SPIFFE-ID 2)', () => {
  it.each([
    ['spiffe://fleet.example/a', 'fleet.example', '/a'],
    ['spiffe://fleet_1.example-2/ns/edge/sa/Collector.v1', 'fleet_1.example-2', '/ns/edge/sa/Collector.v1'],
    ['spiffe://a/...', 'a', '/...'],
    [`spiffe://${'a'.repeat(255)}/b`, 'a'.repeat(255), '/b'],
  ])('%s has a trust domain and a path', (uri, trustDomain, path) => {
    expect(parseSpiffeId(uri)).toEqual({ trustDomain, path });
  });

  it.each([
    ['another scheme', 'https://fleet.example/a'],
    ['an upper-case scheme', 'SPIFFE://fleet.example/a'],
    ['an upper-case trust domain', 'spiffe://Fleet.example/a'],
    ['no trust domain', 'spiffe:///a'],
    ['no path, which names no workload', 'spiffe://fleet.example'],
    ['an empty path', 'spiffe://fleet.example/'],
    ['a final slash', 'spiffe://fleet.example/a/'],
    ['an empty segment', 'spiffe://fleet.example/a//b'],
    ['a dot segment', 'spiffe://fleet.example/a/./b'],
    ['a double-dot segment', 'spiffe://fleet.example/../b'],
    ['a port', 'spiffe://fleet.example:443/a'],
    ['user info', 'spiffe://me@fleet.example/a'],
    ['a query', 'spiffe://fleet.example/a?b'],
    ['a fragment', 'spiffe://fleet.example/a#b'],
    ['percent-encoding', 'spiffe://fleet.example/%61'],
    ['a letter outside ASCII', 'spiffe://fleet.example/ä'],
    ['a line end', 'spiffe://fleet.example/a\n'],
    ['a trust domain of 256 octets', `spiffe://${'a'.repeat(256)}/b`],
    ['2,049 octets', `spiffe://a/${'b'.repeat(2_038)}`],
  ])('has not %s', (_what, uri) => {
    expect(parseSpiffeId(uri)).toBeUndefined();
  });
});
