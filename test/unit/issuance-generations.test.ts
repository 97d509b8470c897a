import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createSoftwareBackend } from '../../shared/adapters/software/backend.ts';
import { createSoftwareProvisioner } from '../../shared/adapters/software/provisioner.ts';
import { addDuration, findAuthority, findProfile, type Hierarchy } from '../../shared/hierarchy/hierarchy.ts';
import type { AuthorityDirectory, IssuingAuthority } from '../../shared/issuance/authority-directory.ts';
import { createAuthorityDirectory } from '../../shared/issuance/authority-directory.ts';
import { buildHierarchy } from '../../shared/issuance/build-hierarchy.ts';
import { createCustodyGate } from '../../shared/issuance/custody-gate.ts';
import { generationOf } from '../../shared/issuance/generation.ts';
import { issueCertificates } from '../../shared/issuance/issue-certificate.ts';
import { issuerChain } from '../../shared/issuance/issuer-chain.ts';
import { lastIssuance } from '../../shared/issuance/last-issuance.ts';
import type { SigningBackend } from '../../shared/issuance/ports.ts';
import { receiveEnrollment } from '../../shared/issuance/receive-enrollment.ts';
import type { IssueCertificatePorts } from '../../shared/issuance/signer-ports.ts';
import { validateEnrollments } from '../../shared/issuance/validate-enrollment.ts';
import { parseCertificate, verifyCertificateSignature } from '../../shared/pki/certificate.ts';
import { hierarchyOf, sampleHierarchyText } from '../support/hierarchies.ts';
import {
  approved,
  type IssuanceWorld,
  openIssuanceWorld,
  receive,
  recordOf,
  stateOf,
} from '../support/issuance-world.ts';

/** The CA `workloads` of another generation, whose key is of another size and signs with another hash. */
function secondGeneration(): Hierarchy {
  const at = sampleHierarchyText.indexOf('- id: workloads');
  const workloads = sampleHierarchyText
    .slice(at)
    .replace('generation: 1', 'generation: 2')
    .replace('workloads-g1', 'workloads-g2')
    .replace('Workloads G1', 'Workloads G2')
    .replace('EC_prime256v1', 'EC_secp384r1')
    .replace('SHA256WITHECDSA', 'SHA384WITHECDSA');
  return hierarchyOf(sampleHierarchyText.slice(0, at) + workloads);
}

/** The service as it is started with a hierarchy, over the ledger of the world. */
interface Service {
  readonly hierarchy: Hierarchy;
  readonly authorities: AuthorityDirectory;
  validate(...ids: string[]): Promise<unknown>;
  sign(...ids: string[]): Promise<unknown>;
  readonly signerPorts: IssueCertificatePorts;
  post(csrDer: Uint8Array, caller: Parameters<typeof receiveEnrollment>[1]): ReturnType<typeof receiveEnrollment>;
}

let world: IssuanceWorld;
beforeEach(async () => {
  world = await openIssuanceWorld();
});
afterEach(() => world.close());

const clock = () => world.now;

function backendOf(hierarchy: Hierarchy, issuer: IssuingAuthority): SigningBackend {
  const { backendRef: ref, caId, spkiSha256 } = issuer;
  const { signingAlgorithm } = generationOf(findAuthority(hierarchy, caId)!, issuer);
  const software = createSoftwareBackend({
    stage: 'dev',
    folder: world.folder,
    clock,
    authority: { caId, ref, spkiSha256, signingAlgorithm },
  });
  const attributes = {
    ...{ token: true, sensitive: true, extractable: false, neverExtractable: true },
    ...{ alwaysSensitive: true, local: true, sign: true },
  };
  return {
    ...software,
    describeKey: async () => ({
      ...(await software.describeKey()),
      source: 'emulator',
      model: 'self-managed-hsm',
      attributes,
    }),
  };
}

function start(hierarchy: Hierarchy): Service {
  const authorities = createAuthorityDirectory(world.store.authorities, clock, 0);
  const signerPorts = world.signerPorts({
    hierarchy,
    authorities,
    custody: createCustodyGate(hierarchy, clock),
    backendOf: (issuer) => (issuer.caId === 'workloads' ? backendOf(hierarchy, issuer) : undefined),
  });
  return {
    hierarchy,
    authorities,
    signerPorts,
    validate: (...ids) => validateEnrollments({ ...world.validatePorts, hierarchy, authorities }, ids),
    sign: (...ids) => issueCertificates(signerPorts, ids),
    post: (csrDer, caller) =>
      receiveEnrollment({ ...world.receivePorts, hierarchy, authorities }, caller, 'service', csrDer),
  };
}

/** Brings the second generation up beside the first, and starts the service with it. */
async function switchOver(): Promise<Service> {
  const hierarchy = secondGeneration();
  const provisioner = createSoftwareProvisioner({ stage: 'dev', folder: world.folder, random: randomBytes });
  const provisioners = { 'acm-pca': provisioner, pkcs11: provisioner, software: provisioner };
  const { built, failed, refused } = await buildHierarchy({
    ...{ hierarchy, provisioners, clock },
    registry: world.store.authorities,
    report: () => undefined,
  });
  expect([built, failed, refused]).toEqual([['workloads'], [], []]);
  return start(hierarchy);
}

/** That a certificate is signed by the CA of this generation, and by no other. */
async function expectSignedBy(service: Service, issuanceId: string, generation: number): Promise<void> {
  const record = await recordOf(world, issuanceId);
  expect([record.state, record.generation]).toEqual(['issued', generation]);
  const certificate = parseCertificate(record.certificateDer!);
  for (const candidate of [1, 2]) {
    const issuer = await service.authorities.generation('workloads', candidate);
    if (issuer === undefined) continue;
    const verifies = await verifyCertificateSignature(certificate, issuer.certificate.tbs.publicKey).catch(() => false);
    expect(verifies).toBe(candidate === generation);
    const chain = await issuerChain(service.authorities, record);
    expect(Buffer.compare(chain[0]!, issuer.certificateDer) === 0).toBe(candidate === generation);
  }
}

describe('a new generation of an issuance CA', () => {
  it('takes over new issuance, while the old signs what was approved under it, with its own key and algorithm', async () => {
    const old = await approved(world, { profile: 'service' });
    const service = await switchOver();
    const { record: fresh } = await receive(world, { profile: 'service' });
    await service.validate(fresh.issuanceId);
    await service.sign(old, fresh.issuanceId);
    expect(world.told).toEqual([]);
    await expectSignedBy(service, old, 1);
    await expectSignedBy(service, fresh.issuanceId, 2);
    const algorithms = await Promise.all(
      [old, fresh.issuanceId].map(async (id) => (await recordOf(world, id)).intent?.signingAlgorithm),
    );
    expect(algorithms).toEqual(['SHA256WITHECDSA', 'SHA384WITHECDSA']);
  });

  it('leaves an intent of the old one to the old one: the same TBSCertificate is signed after the switch', async () => {
    const id = await approved(world, { profile: 'service' });
    const first = start(world.hierarchy);
    const crashing = { ...backendOf(world.hierarchy, (await first.authorities.newest('workloads'))!) };
    crashing.submit = () => Promise.reject(new Error('the process died'));
    await issueCertificates({ ...first.signerPorts, backendOf: () => crashing }, [id]);
    const { intent, state } = await recordOf(world, id);
    expect(state).toBe('intended');
    const service = await switchOver();
    await service.sign(id);
    await expectSignedBy(service, id, 1);
    const issued = parseCertificate((await recordOf(world, id)).certificateDer!);
    expect(intent?.kind === 'tbs' && Buffer.compare(intent.tbsDer, issued.tbs.der)).toBe(0);
  });

  it('hands out what the old one issued, with the chain of the old one', async () => {
    const id = await approved(world, { profile: 'service' });
    await start(world.hierarchy).sign(id);
    await expectSignedBy(await switchOver(), id, 1);
  });
});

describe('issuance from a CA stops by itself (outlives-issuer)', () => {
  const lastOf = async () => {
    const { validity } = findProfile(world.hierarchy, 'service')!;
    return lastIssuance(validity, (await world.authorities.newest('workloads'))!.notAfter);
  };

  it('issues the whole validity at the last instant, and refuses a second later: nothing is cut short', async () => {
    const service = start(world.hierarchy);
    world.now = await lastOf();
    const { record: last } = await receive(world, { profile: 'service' });
    await service.validate(last.issuanceId);
    await service.sign(last.issuanceId);
    const { notAfter, state } = await recordOf(world, last.issuanceId);
    const { validity } = findProfile(world.hierarchy, 'service')!;
    expect([state, notAfter]).toEqual(['issued', addDuration(Math.floor(world.now / 1000) * 1000, validity)]);

    world.now += 1_000;
    const { record: late } = await receive(world, { profile: 'service' });
    await service.validate(late.issuanceId);
    const refused = await recordOf(world, late.issuanceId);
    expect([refused.state, refused.violations?.map(({ code }) => code)]).toEqual(['rejected', ['outlives-issuer']]);
  });

  it('goes on with the next generation: the POST that was refused is issued by it', async () => {
    world.now = (await lastOf()) + 1_000;
    const { caller, csrDer, record } = await receive(world, { profile: 'service' });
    await start(world.hierarchy).validate(record.issuanceId);
    expect(await stateOf(world, record.issuanceId)).toBe('rejected');
    const service = await switchOver();
    const next = await service.post(csrDer, caller);
    expect(next.issuanceId).not.toBe(record.issuanceId);
    await service.validate(next.issuanceId);
    await service.sign(next.issuanceId);
    await expectSignedBy(service, next.issuanceId, 2);
  });

  it('lets an approval that is overtaken lapse, and the same POST is issued by the next generation', async () => {
    world.now = await lastOf();
    const { caller, csrDer, record } = await receive(world, { profile: 'service' });
    await start(world.hierarchy).validate(record.issuanceId);
    expect(await stateOf(world, record.issuanceId)).toBe('approved');
    world.now += 60_000;
    const service = await switchOver();
    await service.sign(record.issuanceId);
    expect(await stateOf(world, record.issuanceId)).toBe('lapsed');
    const next = await service.post(csrDer, caller);
    await service.validate(next.issuanceId);
    await service.sign(next.issuanceId);
    await expectSignedBy(service, next.issuanceId, 2);
    expect(world.told).toEqual([]);
  });
});
