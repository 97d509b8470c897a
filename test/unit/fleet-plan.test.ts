import { describe, expect, it } from 'vitest';
import { planFleet } from '../../localstack/embedded/fleet/fleet-plan.ts';
import { type FleetProfile, fleetProfilesOf, latencyOf } from '../../localstack/embedded/fleet/fleet-result.ts';

const device: FleetProfile = {
  name: 'device',
  caId: 'devices',
  backend: 'acm-pca',
  ready: true,
  keys: ['P-256', 'P-384', 'P-521', 'RSA-2048'],
  names: 'dns',
};
const service: FleetProfile = {
  name: 'service',
  caId: 'workloads',
  backend: 'pkcs11',
  ready: true,
  keys: ['P-256', 'P-384', 'RSA-2048', 'Ed25519'],
  names: 'dns',
};
const svid: FleetProfile = {
  name: 'svid',
  caId: 'workloads',
  backend: 'pkcs11',
  ready: true,
  keys: ['P-256', 'Ed25519'],
  names: 'spiffe',
};
const profiles = [device, service, svid];

const plan = (devices: number, more: object = {}) =>
  planFleet({ devices, profiles, runId: 'r1', domain: 'fleet.example', ...more });
const countBy = <T>(items: readonly T[], key: (item: T) => string): Record<string, number> =>
  Object.fromEntries(Array.from(Map.groupBy(items, key), ([value, group]) => [value, group.length]));

describe('planFleet', () => {
  it('gives each backend half, and each profile of a backend an equal share', () => {
    expect(countBy(plan(200).devices, ({ profile }) => profile)).toEqual({ device: 100, service: 50, svid: 50 });
  });

  it('gives each backend at least a quarter of a small fleet too', () => {
    for (let devices = 4; devices <= 12; devices += 1) {
      const shares = countBy(plan(devices).devices, ({ profile }) => (profile === 'device' ? 'acm-pca' : 'pkcs11'));
      for (const share of Object.values(shares)) expect(share * 4).toBeGreaterThanOrEqual(devices);
      expect(Object.keys(shares)).toHaveLength(2);
    }
  });

  it('uses only key types of the profile, P-256 the most, and every kind the fleet knows', () => {
    const { devices } = plan(200);
    for (const { profile, keyType } of devices)
      expect(profiles.find(({ name }) => name === profile)!.keys).toContain(keyType);
    expect(
      countBy(
        devices.filter(({ profile }) => profile === 'svid'),
        ({ keyType }) => keyType,
      ),
    ).toEqual({ 'P-256': 38, Ed25519: 12 });
    const ofDevices = countBy(
      devices.filter(({ profile }) => profile === 'device'),
      ({ keyType }) => keyType,
    );
    expect(Object.keys(ofDevices).sort()).toEqual(['P-256', 'P-384', 'RSA-2048']);
    expect(ofDevices['P-256']!).toBeGreaterThan(70);
  });

  it('makes names unique to the run, of the kind of the profile', () => {
    const { devices } = plan(50);
    expect(new Set(devices.map(({ name }) => name)).size).toBe(50);
    for (const { profile, name, nameKind } of devices) {
      expect(nameKind).toBe(profile === 'svid' ? 'uri' : 'dns');
      expect(name).toMatch(
        profile === 'svid' ? /^spiffe:\/\/fleet\.example\/run\/r1\/\d+$/ : /^d-r1-\d+\.fleet\.example$/,
      );
    }
  });

  it('enrols with what is ready when a backend is not, and says so', () => {
    const { devices, notes } = plan(20, {
      profiles: [device, { ...service, ready: false }, { ...svid, ready: false }],
    });
    expect(countBy(devices, ({ profile }) => profile)).toEqual({ device: 20 });
    expect(notes).toEqual([
      'profile service is left out: its CA workloads (pkcs11) is not ready',
      'profile svid is left out: its CA workloads (pkcs11) is not ready',
    ]);
  });

  it('enrols with one profile when told so, and with none when nobody serves it', () => {
    expect(countBy(plan(10, { profileOnly: 'svid' }).devices, ({ profile }) => profile)).toEqual({ svid: 10 });
    expect(plan(10, { profileOnly: 'other' })).toEqual({
      devices: [],
      notes: ['no CA of this hierarchy serves the profile other'],
    });
  });
});

describe('fleetProfilesOf', () => {
  it('takes the CA, the keys and the kind of name from the hierarchy', () => {
    const hierarchy = {
      authorities: [
        { id: 'root', backend: 'acm-pca', profiles: [] },
        { id: 'workloads', backend: 'pkcs11', profiles: ['service', 'svid', 'address'] },
      ],
      profiles: [
        { name: 'service', keys: ['P-256'], names: { dns: { countMax: 1 } } },
        { name: 'svid', keys: ['P-256'], names: { spiffe: { countExactly: 1 } } },
        { name: 'address', keys: ['P-256'], names: {} },
        { name: 'nobody', keys: ['P-256'], names: { dns: { countMax: 1 } } },
      ],
    };
    expect(fleetProfilesOf(hierarchy, (id) => id === 'workloads')).toEqual([
      { name: 'service', caId: 'workloads', backend: 'pkcs11', ready: true, keys: ['P-256'], names: 'dns' },
      { name: 'svid', caId: 'workloads', backend: 'pkcs11', ready: true, keys: ['P-256'], names: 'spiffe' },
    ]);
  });
});

describe('latencyOf', () => {
  it('is the nearest rank, and null of nothing', () => {
    expect(latencyOf([])).toEqual({ p50: null, p99: null });
    expect(latencyOf([7])).toEqual({ p50: 7, p99: 7 });
    expect(latencyOf(Array.from({ length: 200 }, (_, n) => 200 - n))).toEqual({ p50: 100, p99: 198 });
  });
});
