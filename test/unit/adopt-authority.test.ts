import { describe, expect, it } from 'vitest';
import type { Authority } from '../../shared/hierarchy/hierarchy.ts';
import { AdoptionRefused } from '../../shared/issuance/adopt-authority.ts';
import { type BuildHierarchyPorts, type BuildStep, buildHierarchy } from '../../shared/issuance/build-hierarchy.ts';
import { build, dayMs, newWorld, now, sampleHierarchy } from '../support/hierarchy-world.ts';
import { createMemoryProvisioner, createMemoryRegistry } from '../support/memory-provisioner.ts';

type World = ReturnType<typeof newWorld>;

/** What a ceremony has made: keys in the backends of `world`, certificates by id. The registry knows nothing of it. */
async function ceremony(options: Parameters<typeof newWorld>[0] = {}, at = now, hierarchy = sampleHierarchy()) {
  const world = { ...newWorld(options), hierarchy };
  await build(world, at);
  const certificates = new Map(world.registry.entries.map(({ caId, certificateDer }) => [caId, certificateDer]));
  return { ...world, registry: createMemoryRegistry(), certificates };
}

async function adopt(
  world: Pick<World, 'hierarchy' | 'provisioners' | 'registry'>,
  certificateOf: (authority: Authority) => Uint8Array | undefined,
  more: Partial<BuildHierarchyPorts> = {},
) {
  const steps: BuildStep[] = [];
  const outcome = await buildHierarchy({
    ...world,
    ceremonyCertificate: certificateOf,
    clock: () => now + dayMs,
    report: (step) => steps.push(step),
    ...more,
  });
  return { outcome, steps };
}

function reasonsOf(steps: readonly BuildStep[], caId: string): readonly string[] {
  const step = steps.find((one) => one.caId === caId && one.kind === 'failed');
  if (step?.kind !== 'failed') throw new Error(`${caId} did not fail`);
  if (!(step.cause instanceof AdoptionRefused)) throw step.cause;
  return step.cause.reasons;
}

describe('adopting what a ceremony made', () => {
  it('registers the root and the subordinate it made, makes no key for them, and builds what is below', async () => {
    const made = await ceremony();
    const before = made.pca.keysMade.length;
    const upper = new Map([...made.certificates].filter(([id]) => id === 'root' || id === 'subordinate'));
    const { outcome, steps } = await adopt(made, ({ id }) => upper.get(id));
    expect(outcome).toMatchObject({ built: ['root', 'subordinate', 'devices', 'workloads'], failed: [] });
    expect(steps.filter(({ caId }) => caId === 'root').map(({ kind }) => kind)).toEqual(['adopted', 'registered']);
    expect(made.pca.keysMade).toHaveLength(before);
    const root = made.registry.entries.find(({ caId }) => caId === 'root')!;
    expect(Buffer.compare(root.certificateDer, made.certificates.get('root')!)).toBe(0);
    const subordinate = made.registry.entries.find(({ caId }) => caId === 'subordinate')!;
    expect(subordinate.chain.map((der) => Buffer.compare(der, root.certificateDer))).toEqual([0]);
  });

  it('a second time finds it registered', async () => {
    const made = await ceremony();
    await adopt(made, ({ id }) => made.certificates.get(id));
    const { outcome } = await adopt(made, ({ id }) => made.certificates.get(id));
    expect(outcome.present).toEqual(['root', 'subordinate', 'devices', 'workloads']);
  });

  it('refuses a certificate whose key is not the one in the backend', async () => {
    const [made, other] = await Promise.all([ceremony(), ceremony()]);
    const { outcome, steps } = await adopt(made, ({ id }) =>
      id === 'root' ? other.certificates.get('root') : undefined,
    );
    expect(reasonsOf(steps, 'root')).toEqual(["the key in the backend is not the certificate's"]);
    expect(outcome).toMatchObject({ built: [], failed: ['root'], skipped: ['subordinate', 'devices', 'workloads'] });
    expect(made.registry.entries).toEqual([]);
  });

  it('refuses one whose key is nowhere here, and makes none in its place', async () => {
    const made = await ceremony();
    const empty = createMemoryProvisioner();
    const provisioners = { 'acm-pca': empty, pkcs11: empty, software: undefined };
    const { steps } = await adopt({ ...made, provisioners }, ({ id }) => made.certificates.get(id));
    expect(reasonsOf(steps, 'root')).toEqual(['there is no key']);
    expect(empty.keysMade).toEqual([]);
  });

  it('takes CAs above the issuance tier by their certificates alone where keys may be elsewhere (air gap)', async () => {
    const made = await ceremony();
    const empty = createMemoryProvisioner();
    const provisioners = { 'acm-pca': empty, pkcs11: empty, software: undefined };
    const { outcome, steps } = await adopt({ ...made, provisioners }, ({ id }) => made.certificates.get(id), {
      keysMayBeElsewhere: true,
    });
    expect(outcome.built).toEqual(['root', 'subordinate']);
    expect(reasonsOf(steps, 'devices')).toEqual(['there is no key']);
  });

  it('refuses with every reason what is not the CA of the file', async () => {
    const other = sampleHierarchy((text) =>
      text.replace('CN=Example Root G1', 'CN=Other Root').replace('validity: 20y', 'validity: 20y\n    pathLen: 2'),
    );
    const made = await ceremony({}, now, other);
    const world = { ...made, hierarchy: sampleHierarchy((text) => text.replace('validity: 20y', 'validity: 12y')) };
    const { steps } = await adopt(world, ({ id }) => (id === 'root' ? made.certificates.get('root') : undefined));
    const reasons = reasonsOf(steps, 'root');
    expect(reasons).toHaveLength(3);
    expect(reasons[0]).toContain('the subject is CN=Other Root');
    expect(reasons[1]).toContain('path length is 2');
    expect(reasons[2]).toContain('later than the 12y of the file allow');
  });

  it('refuses one that has ended, one that is to begin, and one whose issuer is not here', async () => {
    const past = await ceremony({}, now - 25 * 365 * dayMs);
    const ended = await adopt(past, ({ id }) => (id === 'root' ? past.certificates.get('root') : undefined));
    expect(reasonsOf(ended.steps, 'root')[0]).toContain('it has ended');
    const future = await ceremony({}, now + 30 * dayMs);
    const early = await adopt(future, ({ id }) => (id === 'root' ? future.certificates.get('root') : undefined));
    expect(reasonsOf(early.steps, 'root')[0]).toContain('which is to come');
    const made = await ceremony();
    const orphan = await adopt(
      { ...made, provisioners: { ...made.provisioners, 'acm-pca': made.pca } },
      ({ id }) => (id === 'devices' ? made.certificates.get('devices') : undefined),
      { provisioners: { 'acm-pca': undefined, pkcs11: undefined, software: undefined } },
    );
    expect(reasonsOf(orphan.steps, 'devices').join()).toContain('its issuer subordinate is not installed');
  });

  it("refuses one that another CA of the issuer's name has signed", async () => {
    const [made, other] = await Promise.all([ceremony(), ceremony()]);
    const provisioners = { ...made.provisioners, pkcs11: other.hsm };
    const certificateOf = ({ id }: Authority) =>
      id === 'workloads' ? other.certificates.get('workloads') : made.certificates.get(id);
    const { steps } = await adopt({ ...made, provisioners }, certificateOf);
    expect(reasonsOf(steps, 'workloads')).toEqual([
      "the authority key identifier is not the issuer's",
      "the signature does not verify under the issuer's key",
    ]);
  });
});

describe('a CA whose issuer signs elsewhere', () => {
  it('waits for a ceremony and fails at nothing: the key of the adopted root is not in the backend here', async () => {
    const made = await ceremony();
    const { outcome, steps } = await adopt(
      { ...made, provisioners: newWorld().provisioners },
      ({ id }) => (id === 'root' ? made.certificates.get('root') : undefined),
      { keysMayBeElsewhere: true },
    );
    const told = steps.map((step) => [step.caId, step.kind, step.kind === 'skipped' ? step.reason : undefined]);
    expect(told.slice(-3)).toEqual([
      ['subordinate', 'skipped', 'parent-key-elsewhere'],
      ['devices', 'skipped', 'parent-not-installed'],
      ['workloads', 'skipped', 'parent-not-installed'],
    ]);
    expect([outcome.built, outcome.failed]).toEqual([['root'], []]);
  });
});

describe('a key that people approve each signature of', () => {
  it('is neither made nor used by the builder: a ceremony is', async () => {
    const quorum = sampleHierarchy((text) =>
      text
        .replace('backend: acm-pca', 'backend: pkcs11\n    pkcs11: { tokenLabel: r, keyLabel: r }')
        .replace(
          '{ model: managed-ca, securityLevelMin: 3',
          '{ signQuorum: 2, model: self-managed-hsm, securityLevelMin: 3',
        ),
    );
    const world = { ...newWorld(), hierarchy: quorum };
    const { steps } = await build(world);
    expect(steps[0]).toMatchObject({ caId: 'root', kind: 'skipped', reason: 'ceremony-needed' });
    expect(world.hsm.keysMade).toEqual([]);
  });
});
