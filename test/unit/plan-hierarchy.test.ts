import { describe, expect, it } from 'vitest';
import { addDuration, type Hierarchy, parseDuration } from '../../shared/hierarchy/hierarchy.ts';
import { leafValidity } from '../../shared/hierarchy/policy.ts';
import type { InstalledAuthority } from '../../shared/issuance/issuance-record.ts';
import { lastIssuance } from '../../shared/issuance/last-issuance.ts';
import { type PlanFacts, planHierarchy } from '../../shared/issuance/plan-hierarchy.ts';
import { build, dayMs, newWorld, now, sampleHierarchy } from '../support/hierarchy-world.ts';

const facts: PlanFacts = {
  backendIsThere: () => true,
  isBegun: () => false,
  isAdoptable: () => false,
  keyIsHere: () => undefined,
  isFrozen: () => false,
};

function plan(hierarchy: Hierarchy, installed: readonly InstalledAuthority[], more: Partial<PlanFacts> = {}, at = now) {
  return planHierarchy(hierarchy, installed, { ...facts, ...more }, at);
}

const actionsOf = ({ authorities }: ReturnType<typeof plan>) =>
  Object.fromEntries(authorities.map(({ action, caId }) => [caId, action]));

async function installedSample(at = now) {
  const world = newWorld();
  await build(world, at);
  return { ...world, installed: world.registry.entries };
}

const nextDevices = (edit: (text: string) => string = (text) => text) =>
  sampleHierarchy((text) => {
    const at = text.indexOf('- id: devices');
    const end = text.indexOf('- id: workloads');
    const devices = text.slice(at, end).replace('generation: 1', 'generation: 2');
    return text.slice(0, at) + edit(devices) + text.slice(end);
  });

describe('a plan', () => {
  it('creates everything in an empty state, parents before children, with the steps of each', () => {
    const { authorities, changes, refused, warnings } = plan(sampleHierarchy(), []);
    expect(authorities.map(({ action, caId, signedBy }) => [caId, action, signedBy])).toEqual([
      ['root', 'create', undefined],
      ['subordinate', 'create', 'root'],
      ['devices', 'create', 'subordinate'],
      ['workloads', 'create', 'subordinate'],
    ]);
    expect(authorities[0]?.steps).toEqual(['create', 'request', 'sign', 'install', 'register']);
    expect([changes, refused, warnings]).toEqual([4, 0, []]);
  });

  it('does nothing where everything is there, and makes exactly what it says elsewhere', async () => {
    const { hierarchy, installed } = await installedSample();
    const there = plan(hierarchy, installed);
    expect([there.changes, Object.values(actionsOf(there))]).toEqual([0, ['nothing', 'nothing', 'nothing', 'nothing']]);
    for (const { caId, notAfter, notBefore } of plan(hierarchy, []).authorities) {
      const made = installed.find((entry) => entry.caId === caId)!;
      expect([caId, notBefore, notAfter]).toEqual([caId, made.notBefore, made.notAfter]);
    }
  });

  it('tells a new generation from a new CA, and says of the old one that it drains and how it would be deleted', async () => {
    const { installed } = await installedSample();
    const next = nextDevices((text) => text.replace('Devices G1', 'Devices G2'));
    const before = plan(next, installed);
    expect(actionsOf(before)).toMatchObject({ devices: 'new-generation', workloads: 'nothing' });
    expect(before.warnings).toMatchObject([{ code: 'draining', caId: 'devices', generation: 1 }]);
    expect(before.warnings[0]?.message).toContain('issues until generation 2 is there');
    expect(before.warnings[0]?.message).toContain('aws acm-pca update-certificate-authority --status DISABLED');
  });

  it('goes on with what an interrupted run has begun', () => {
    const reading = plan(sampleHierarchy(), [], { isBegun: ({ id }) => id === 'root' });
    expect(actionsOf(reading)).toMatchObject({ root: 'finish', subordinate: 'create' });
  });

  it('waits where a backend, an issuer or people are missing, and says for what', async () => {
    const { installed } = await installedSample();
    const upper = installed.filter(({ tier }) => tier !== 'issuance');
    const reasonsOf = (reading: ReturnType<typeof plan>) =>
      Object.fromEntries(reading.authorities.map(({ caId, reasons }) => [caId, reasons[0]]));
    const sample = sampleHierarchy();
    const noHsm = plan(sample, upper, { backendIsThere: ({ backend }) => backend !== 'pkcs11' });
    expect(reasonsOf(noHsm).workloads).toBe('its backend pkcs11 is not there');
    expect(reasonsOf(plan(sample, upper, { isFrozen: () => true })).devices).toBe('its issuer subordinate is frozen');
    const ended = plan(sample, upper, {}, now + 11 * 365 * dayMs);
    expect(reasonsOf(ended).devices).toBe('its issuer subordinate has ended');
    const quorum = sampleHierarchy((text) =>
      text
        .replace('backend: acm-pca', 'backend: pkcs11\n    pkcs11: { tokenLabel: r, keyLabel: r }')
        .replace(
          '{ model: managed-ca, securityLevelMin: 3',
          '{ signQuorum: 2, model: self-managed-hsm, securityLevelMin: 3',
        ),
    );
    const away = plan(sample, upper, { keyIsHere: ({ tier }) => tier === 'issuance' });
    expect(reasonsOf(away).devices).toContain('`npx sealwright hierarchy request devices`');
    expect(away.authorities.filter(({ waitsForCeremony }) => waitsForCeremony).map(({ caId }) => caId)).toEqual([
      'devices',
      'workloads',
    ]);
    // What is to be made first is not there yet, and nobody has to sign for it.
    expect(actionsOf(plan(sample, [], { keyIsHere: () => false }))).toMatchObject({
      root: 'create',
      devices: 'create',
    });
    expect(reasonsOf(plan(quorum, [])).root).toContain('2 people approve each signature');
    expect(reasonsOf(plan(quorum, [])).subordinate).toBe('its issuer root is not there');
    expect(plan(quorum, []).authorities.every(({ waitsForCeremony }) => waitsForCeremony)).toBe(true);
    expect(actionsOf(plan(quorum, [], { isAdoptable: ({ id }) => id === 'root' }))).toMatchObject({ root: 'adopt' });
  });
});

describe('a plan refuses', () => {
  it('to change an installed CA, with everything that differs', async () => {
    const { installed } = await installedSample();
    const edited = sampleHierarchy((text) =>
      text.replace('dns: [fleet.example]', 'dns: [fleet.example, edge.example]').replace('Subordinate G1', 'Middle G1'),
    );
    const { authorities, refused } = plan(edited, installed);
    const reasons = authorities.find(({ caId }) => caId === 'subordinate')!.reasons;
    expect(refused).toBe(1);
    expect(reasons).toHaveLength(3);
    expect(reasons[0]).toContain('the subject is CN=Example Subordinate G1');
    expect(reasons[1]).toContain('name constraints');
    expect(reasons[2]).toContain('write generation: 2');
  });

  it('a generation with the subject of another (RFC 5280 4.1.2.4: one name, one CA)', async () => {
    const { installed } = await installedSample();
    const { authorities } = plan(nextDevices(), installed);
    expect(authorities.find(({ caId }) => caId === 'devices')).toMatchObject({ action: 'refused' });
    expect(authorities.find(({ caId }) => caId === 'devices')?.reasons[0]).toContain('devices generation 1');
  });

  it('a file whose generation is older than what is installed, as the builder does', async () => {
    const world = await installedSample();
    await build({ ...world, hierarchy: nextDevices((text) => text.replace('Devices G1', 'Devices G2')) });
    const { authorities } = plan(world.hierarchy, world.installed);
    expect(authorities.find(({ caId }) => caId === 'devices')?.reasons).toEqual([
      'generation 2 is installed, and issues, and the file describes 1: write 2',
    ]);
    const { outcome } = await build(world);
    expect(outcome.refused).toEqual(['devices']);
    expect(world.installed).toHaveLength(5);
  });

  it('a new generation on the key of the old one', async () => {
    const { installed } = await installedSample();
    const reference = 'pkcs11:token=sealwright-issuance;object=workloads-g1;type=private';
    const onToken = installed.map((one) => (one.caId === 'workloads' ? { ...one, backendRef: reference } : one));
    const next = sampleHierarchy((text) => {
      const at = text.indexOf('- id: workloads');
      const tail = text.slice(at).replace('generation: 1', 'generation: 2').replace('Workloads G1', 'Workloads G2');
      return text.slice(0, at) + tail;
    });
    const { authorities } = plan(next, onToken);
    expect(authorities.find(({ caId }) => caId === 'workloads')?.reasons).toEqual([
      'its key label is that of workloads generation 1: a new generation has a new key, and so a new keyLabel',
    ]);
  });
});

describe('a plan warns', () => {
  const codesAt = async (at: number) => {
    const { hierarchy, installed } = await installedSample();
    return plan(hierarchy, installed, {}, at).warnings.map(({ caId, code }) => `${caId} ${code}`);
  };

  it('half a year before issuance from a CA stops, with the day, and after it has stopped (outlives-issuer)', async () => {
    const { hierarchy, installed } = await installedSample();
    const devices = installed.find(({ caId }) => caId === 'devices')!;
    // 3 years of the CA less 365 days of its leaves.
    const stopsAt = devices.notAfter - 365 * dayMs;
    const warningsAt = (at: number) =>
      plan(hierarchy, installed, {}, at).warnings.filter(
        ({ caId, code }) => caId === 'devices' && code.startsWith('iss'),
      );
    expect(warningsAt(stopsAt - 184 * dayMs)).toEqual([]);
    expect(warningsAt(stopsAt - 183 * dayMs)).toMatchObject([{ code: 'issuance-stops', at: stopsAt }]);
    expect(warningsAt(stopsAt - 10 * dayMs)[0]?.message).toBe(
      'issues no device from 2028-11-23 on, in 10 days: a device of 365d would outlive it; write generation: 2 and apply',
    );
    expect(warningsAt(stopsAt + dayMs)).toMatchObject([{ code: 'issuance-stopped', at: stopsAt }]);
  });

  it('of each profile of a CA on its own: the longest leaves stop first', async () => {
    const { hierarchy, installed } = await installedSample();
    const { notAfter } = installed.find(({ caId }) => caId === 'workloads')!;
    const { warnings } = plan(hierarchy, installed, {}, notAfter - 30 * dayMs);
    const told = warnings.filter(({ caId, code }) => caId === 'workloads' && code.startsWith('issuance'));
    expect(told.map(({ code, message }) => [code, message.split(' ')[2]])).toEqual([
      ['issuance-stopped', 'service'],
      ['issuance-stops', 'svid'],
    ]);
  });

  it("a year before a CA's own end, and when it can give no child its whole validity any more", async () => {
    expect(await codesAt(now + (10 * 365 - 300) * dayMs)).toContain('subordinate authority-ends');
    expect(await codesAt(now + (7 * 365 + 10) * dayMs)).toContain('subordinate children-shortened');
    expect(await codesAt(now + (7 * 365 - 200) * dayMs)).not.toContain('subordinate children-shortened');
    expect(await codesAt(now + 11 * 365 * dayMs)).toContain('subordinate authority-ended');
  });

  it('that a CA which is made late ends with its issuer', async () => {
    const { hierarchy, installed } = await installedSample();
    const upper = installed.filter(({ tier }) => tier !== 'issuance');
    const late = plan(hierarchy, upper, {}, now + 8 * 365 * dayMs);
    const devices = late.authorities.find(({ caId }) => caId === 'devices')!;
    const subordinate = upper.find(({ caId }) => caId === 'subordinate')!;
    expect([devices.shortened, devices.notAfter]).toEqual([true, subordinate.notAfter]);
    expect(late.warnings.map(({ caId, code }) => `${caId} ${code}`)).toContain('devices validity-shortened');
  });

  it('of CAs that are no longer in the file, and deletes none', async () => {
    const { installed } = await installedSample();
    const without = sampleHierarchy((text) =>
      text.replace(/ {2}- id: workloads[\s\S]*?(?=profiles:\n)/, '').replace(/ {2}service:[\s\S]*$/, ''),
    );
    const { changes, warnings } = plan(without, installed);
    expect(changes).toBe(0);
    expect(warnings).toMatchObject([{ code: 'not-in-hierarchy', caId: 'workloads', generation: 1 }]);
  });
});

describe('the last instant of issuance', () => {
  it.each(['1h', '90d', '365d', '1y'])('of leaves of %s is the last at which they end with their CA', (text) => {
    const validity = parseDuration(text)!;
    for (let day = 0; day < 1_500; day += 7) {
      const notAfter = Date.UTC(2027, 0, 1) + day * dayMs;
      const at = lastIssuance(validity, notAfter);
      expect(leafValidity(validity, at).notAfter).toBeLessThanOrEqual(notAfter);
      expect(leafValidity(validity, at + dayMs).notAfter).toBeGreaterThan(notAfter);
      expect(addDuration(at, validity)).toBeLessThanOrEqual(notAfter);
    }
  });
});
