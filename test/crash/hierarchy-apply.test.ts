import { describe, expect } from 'vitest';
import { extendedKeyUsageOf, parseCertificate, verifyCertificateSignature } from '../../shared/pki/certificate.ts';
import { oids } from '../../shared/pki/oids.ts';
import { type ApplyWorld, crossedText, type Death, newSuffix, openApplyWorld } from '../support/apply-world.ts';
import { sampleHierarchyText } from '../support/hierarchies.ts';
import { itWithSoftHsm } from '../support/softhsm.ts';

/** CAs in ACM PCA and keys on tokens, as the file plans them; and of each CA one entry whose chain verifies. */
async function faultsOf(world: ApplyWorld): Promise<readonly string[]> {
  const { authorities } = world.hierarchy;
  const planned = (kind: string) => authorities.filter(({ backend }) => backend === kind).length;
  const installed = await world.installed();
  const faults: string[] = [];
  const counts = [await world.countAuthorities(), await world.countKeys(), installed.length];
  const wanted = [planned('acm-pca'), planned('pkcs11'), authorities.length];
  if (String(counts) !== String(wanted)) faults.push(`CAs, keys, entries: ${counts}, not ${wanted}`);
  const certificates = new Map(installed.map((entry) => [entry.caId, parseCertificate(entry.certificateDer)]));
  for (const { id, parent } of authorities) {
    const certificate = certificates.get(id);
    const issuer = certificates.get(parent ?? id);
    if (certificate === undefined || issuer === undefined) faults.push(`${id} is missing`);
    else if (!(await verifyCertificateSignature(certificate, issuer.tbs.publicKey)))
      faults.push(`${id} does not verify`);
  }
  return faults;
}

/** Dies there, then runs again a minute later: what is wrong then. */
async function dieAndGoOn(text: string, death: Death, minutes: number): Promise<readonly string[]> {
  const world = await openApplyWorld(text);
  try {
    const { died, effects } = await world.apply({ death });
    const where = `${death.when} ${death.at} ${effects.at(-1)}`;
    if (!died) return [`${where}: not reached`];
    world.advance(minutes * 60_000);
    const second = await world.apply();
    const failed = second.steps.flatMap((step) =>
      step.kind === 'failed' ? [`${step.caId} ${String(step.cause)}`] : [],
    );
    return [...failed, ...(await faultsOf(world))].map((fault) => `${where}: ${fault}`);
  } finally {
    await world.close();
  }
}

const crossed = () => crossedText(newSuffix());
const sample = () => sampleHierarchyText.replace('sealwright-issuance', `issuance-${newSuffix()}`);

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
    'killed before or after any of its effects, it converges: CAs and keys are as planned',
    async () => {
      for (const text of [crossed, sample]) {
        const world = await openApplyWorld(text());
        const { effects } = await world.apply();
        await world.close();
        expect(effects.filter((name) => name === 'CreateCertificateAuthority').length).toBeGreaterThanOrEqual(2);
        expect(effects.filter((name) => name === 'registry.install')).toHaveLength(4);
        const faults: string[] = [];
        for (let at = 1; at <= effects.length; at += 1) {
          // Within the life of ACM PCA's idempotency tokens, and after it.
          for (const when of ['before', 'after'] as const)
            faults.push(...(await dieAndGoOn(text(), { at, when }, at % 2 === 0 ? 1 : 7)));
        }
        expect(faults).toEqual([]);
      }
    },
    240_000,
  );
});
