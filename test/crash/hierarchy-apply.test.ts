import { describe, expect } from 'vitest';
import { extendedKeyUsageOf, parseCertificate } from '../../shared/pki/certificate.ts';
import { oids } from '../../shared/pki/oids.ts';
import { crossed, dieAtEvery, faultsOf, isChanging } from '../support/apply-deaths.ts';
import { openApplyWorld } from '../support/apply-world.ts';
import { itWithSoftHsm } from '../support/softhsm.ts';

describe('hierarchy apply over SoftHSM and the ACM PCA endpoint', () => {
  itWithSoftHsm('crosses backends both ways: a token signs ACM PCA, and ACM PCA signs a token', async () => {
    const world = await openApplyWorld();
    try {
      const { steps } = await world.apply();
      expect(steps.filter(({ kind }) => kind === 'failed')).toEqual([]);
      expect(await faultsOf(world)).toEqual([]);
      const installed = await world.installed();
      const backends = new Map(installed.map(({ backend, caId }) => [caId, backend]));
      expect([...backends].sort()).toEqual([
        ['devices', 'acm-pca'],
        ['root', 'pkcs11'],
        ['subordinate', 'acm-pca'],
        ['workloads', 'pkcs11'],
      ]);
      const subordinate = parseCertificate(installed.find(({ caId }) => caId === 'subordinate')!.certificateDer);
      expect(extendedKeyUsageOf(subordinate.tbs)).toEqual([oids.serverAuth, oids.clientAuth]);
      const again = await world.apply();
      expect(again.steps.map(({ kind }) => kind)).toEqual(['present', 'present', 'present', 'present']);
      expect(again.effects).toEqual([]);
    } finally {
      await world.close();
    }
  });

  itWithSoftHsm(
    'killed before or after any call that changes something, it converges: CAs and keys are as planned',
    async () => {
      const { deaths, effects, faults } = await dieAtEvery(crossed, isChanging);
      expect(faults).toEqual([]);
      expect(deaths).toBe(2 * effects.filter(isChanging).length);
      expect(effects.filter((name) => name === 'registry.install')).toHaveLength(4);
    },
    240_000,
  );
});
