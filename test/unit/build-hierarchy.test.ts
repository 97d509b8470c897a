import { describe, expect, it } from 'vitest';
import { addDuration } from '../../shared/hierarchy/hierarchy.ts';
import { authorityBackdateMs, authoritySubject } from '../../shared/issuance/build-hierarchy.ts';
import type { AuthorityProvisioner } from '../../shared/issuance/ports.ts';
import {
  basicConstraintsOf,
  findExtension,
  nameConstraintsOf,
  verifyCertificateSignature,
} from '../../shared/pki/certificate.ts';
import { formatDistinguishedName } from '../../shared/pki/names.ts';
import { oids } from '../../shared/pki/oids.ts';
import {
  build,
  causeOf,
  certificatesOf,
  dayMs,
  newWorld,
  now,
  sampleHierarchy,
  type World,
} from '../support/hierarchy-world.ts';
import type { MemoryProvisioner } from '../support/memory-provisioner.ts';

describe('building a hierarchy', () => {
  it('builds parents before children, across backends, and writes each CA down', async () => {
    const world = newWorld();
    const { outcome, steps } = await build(world);
    expect(outcome).toEqual({
      present: [],
      built: ['root', 'subordinate', 'devices', 'workloads'],
      skipped: [],
      failed: [],
      refused: [],
    });
    expect(steps.filter(({ caId }) => caId === 'workloads').map(({ kind }) => kind)).toEqual([
      'created',
      'requested',
      'signed',
      'installed',
      'registered',
    ]);
    const workloads = world.registry.entries.find(({ caId }) => caId === 'workloads')!;
    expect(workloads).toMatchObject({ tier: 'issuance', parent: 'subordinate', backend: 'pkcs11', generation: 1 });
    expect(workloads.chain).toHaveLength(2);
    expect([world.pca.keysMade.length, world.hsm.keysMade.length]).toEqual([3, 1]);
  });

  it('makes a chain that verifies, with the path lengths and constraints of the file (RFC 5280 4.2.1.9, 4.2.1.10)', async () => {
    const world = newWorld();
    await build(world);
    const certificates = certificatesOf(world.registry);
    const parentOf = { root: 'root', subordinate: 'root', devices: 'subordinate', workloads: 'subordinate' };
    for (const [caId, parent] of Object.entries(parentOf)) {
      const issuer = certificates.get(parent)!;
      expect(await verifyCertificateSignature(certificates.get(caId)!, issuer.tbs.publicKey)).toBe(true);
    }
    const pathLens = [...certificates.values()].map(({ tbs }) => basicConstraintsOf(tbs)?.pathLen);
    expect(pathLens).toEqual([undefined, 1, 0, 0]);
    expect(nameConstraintsOf(certificates.get('subordinate')!.tbs)?.permitted).toHaveLength(2);
    expect(findExtension(certificates.get('subordinate')!.tbs, oids.nameConstraints)?.critical).toBe(true);
  });

  it('dates certificates in whole seconds, back-dated, inside their issuer (RFC 5280 6.1.3)', async () => {
    const world = newWorld();
    await build(world);
    for (const authority of world.hierarchy.authorities) {
      const { tbs } = certificatesOf(world.registry).get(authority.id)!;
      const notBefore = now - 345 - authorityBackdateMs;
      expect([tbs.notBefore, tbs.notAfter]).toEqual([notBefore, addDuration(notBefore, authority.validity)]);
    }
  });

  it('ends a CA with its issuer when its own validity would reach further', async () => {
    const world = newWorld();
    await build({ ...world, provisioners: { ...world.provisioners, pkcs11: undefined } });
    const later = now + 8 * 365 * dayMs;
    const { outcome } = await build(world, later);
    expect(outcome.built).toEqual(['workloads']);
    const certificates = certificatesOf(world.registry);
    expect(certificates.get('workloads')!.tbs.notAfter).toBe(certificates.get('subordinate')!.tbs.notAfter);
  });

  it('says in the subject that a CA of dev is for development, and in no other stage (design: names of emulated CAs)', async () => {
    const world = newWorld();
    await build(world);
    const subjects = [...certificatesOf(world.registry).values()].map(({ tbs }) =>
      formatDistinguishedName(tbs.subject),
    );
    expect(subjects[0]).toBe('CN=Example Root G1,O=Example Fleet,OU=Development only');
    expect(subjects.every((subject) => subject.endsWith(',OU=Development only'))).toBe(true);
    expect(authoritySubject({ subject: 'CN=Example Root G1' }, 'prod')).toBe('CN=Example Root G1');
  });

  it('recognises address ranges and exclusions of the file in the certificate (RFC 5280 4.2.1.10)', async () => {
    const constraints =
      'nameConstraints: { permitted: { dns: [fleet.example], ip: [10.0.0.0/8, "2001:DB8::/32"] }, excluded: { dns: [x.fleet.example] } }';
    const hierarchy = sampleHierarchy((text) =>
      text
        .replace(/nameConstraints: .*/, constraints)
        .replace(/^ {2}svid:[\s\S]*/m, '')
        .replace('[service, svid]', '[service]'),
    );
    const world = { ...newWorld(), hierarchy };
    const { steps } = await build(world);
    expect(causeOf(steps, 'subordinate')).toBe('did not fail');
    expect(nameConstraintsOf(certificatesOf(world.registry).get('subordinate')!.tbs)?.permitted).toHaveLength(3);
  });

  it('leaves what is there as it is', async () => {
    const world = newWorld();
    await build(world);
    const before = [...world.registry.entries];
    const { outcome, steps } = await build(world, now + dayMs);
    expect(outcome.present).toEqual(['root', 'subordinate', 'devices', 'workloads']);
    expect(steps.every(({ kind }) => kind === 'present')).toBe(true);
    expect(world.registry.entries).toEqual(before);
  });

  it('brings up a new generation beside the old one', async () => {
    const world = newWorld();
    await build(world);
    const hierarchy = sampleHierarchy((text) =>
      text.replace(/(- id: devices\n.*\n.*\n\s+generation:) 1/, '$1 2').replace('CN=Devices G1', 'CN=Devices G2'),
    );
    const { outcome } = await build({ ...world, hierarchy });
    expect(outcome.built).toEqual(['devices']);
    const generations = world.registry.entries
      .filter(({ caId }) => caId === 'devices')
      .map(({ generation }) => generation);
    expect(generations).toEqual([1, 2]);
  });
});

describe('building what can be built', () => {
  it('skips a CA whose backend is not there, and builds it when it is', async () => {
    const world = newWorld();
    const without = await build({ ...world, provisioners: { ...world.provisioners, pkcs11: undefined } });
    expect(without.outcome).toMatchObject({ built: ['root', 'subordinate', 'devices'], skipped: ['workloads'] });
    expect(without.steps.at(-1)).toMatchObject({ caId: 'workloads', kind: 'skipped', reason: 'backend-missing' });
    expect((await build(world)).outcome.built).toEqual(['workloads']);
  });

  it('skips all below a CA that is not there', async () => {
    const world = newWorld();
    const { outcome, steps } = await build({ ...world, provisioners: { ...world.provisioners, 'acm-pca': undefined } });
    expect(outcome.skipped).toEqual(['root', 'subordinate', 'devices', 'workloads']);
    expect(steps.at(-1)).toMatchObject({ reason: 'parent-not-installed' });
    expect(world.hsm.keysMade).toEqual([]);
  });

  it('has nothing signed by a CA that is frozen', async () => {
    const world = newWorld();
    await build({ ...world, provisioners: { ...world.provisioners, pkcs11: undefined } });
    world.registry.frozen.add('subordinate');
    const { steps } = await build(world);
    expect(steps.at(-1)).toMatchObject({ caId: 'workloads', reason: 'parent-frozen' });
  });

  it('reports a CA that fails and goes on with those that do not hang on it', async () => {
    const world = newWorld();
    const failing: AuthorityProvisioner = {
      ...world.hsm,
      createAuthority: () => Promise.reject(new Error('token removed')),
    };
    const { outcome, steps } = await build({ ...world, provisioners: { ...world.provisioners, pkcs11: failing } });
    expect(outcome).toMatchObject({ built: ['root', 'subordinate', 'devices'], failed: ['workloads'] });
    expect(causeOf(steps, 'workloads')).toBe('token removed');
  });
});

describe('interrupted at any step', () => {
  const methods = ['createAuthority', 'certificationRequest', 'signAuthority', 'installCertificate'] as const;
  const calls = [...methods, 'install'] as const;

  /** Fails the nth call of a method, before or after it took effect. */
  function breakOnce<T extends object>(target: T, method: string, nth: number, after: boolean): T {
    let count = 0;
    const original = Reflect.get(target, method) as (...args: unknown[]) => Promise<unknown>;
    const broken = async (...args: unknown[]) => {
      count += 1;
      if (count !== nth) return original(...args);
      if (after) await original(...args);
      throw new Error('interrupted');
    };
    return { ...target, [method]: broken };
  }

  const cases = calls.flatMap((method) =>
    [1, 2, 3].flatMap((nth) =>
      [true, false].map((after) => ({ method, nth, after, when: after ? 'after' : 'before' })),
    ),
  );

  it.each(cases)(
    'converges without a second CA or key: $when the effect of $method number $nth',
    async ({ method, nth, after }) => {
      const world = newWorld();
      const broken: World =
        method === 'install'
          ? { ...world, registry: breakOnce(world.registry, method, nth, after) }
          : {
              ...world,
              provisioners: {
                ...world.provisioners,
                'acm-pca': breakOnce<MemoryProvisioner>(world.pca, method, nth, after),
              },
            };
      expect((await build(broken)).outcome.failed).toHaveLength(1);
      const { outcome } = await build(world, now + 60_000);
      expect(outcome.failed).toEqual([]);
      expect(outcome.skipped).toEqual([]);
      expect(world.registry.entries.map(({ caId }) => caId).sort()).toEqual([
        'devices',
        'root',
        'subordinate',
        'workloads',
      ]);
      expect([...new Set(world.pca.keysMade)]).toHaveLength(3);
      expect(world.pca.keysMade).toHaveLength(3);
      for (const entry of world.registry.entries) {
        const installed = (entry.backend === 'pkcs11' ? world.hsm : world.pca).installed.get(entry.backendRef)!;
        expect(Buffer.compare(installed, entry.certificateDer)).toBe(0);
      }
    },
  );
});
