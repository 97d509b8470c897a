import { DescribeCertificateAuthorityCommand, UpdateCertificateAuthorityCommand } from '@aws-sdk/client-acm-pca';
import { afterEach, describe, expect, it } from 'vitest';
import { createAcmPcaProvisioner } from '../../shared/adapters/acm-pca/provisioner.ts';
import { findAuthority } from '../../shared/hierarchy/hierarchy.ts';
import { certifiedAuthority } from '../../shared/issuance/certified-authority.ts';
import { crlDistributionPointsOf, parseCertificate } from '../../shared/pki/certificate.ts';
import { hierarchyOf, sampleWith } from '../support/hierarchies.ts';
import { type OrphanWorld, openOrphanWorld } from '../support/orphan-world.ts';

const mode = '    mode: GENERAL_PURPOSE\n';
const withCrl = (crl: string) => hierarchyOf(sampleWith([mode, `${mode}    crl: ${crl}\n`]));
const partitioned = withCrl('{ type: partitioned, expirationDays: 7 }');
const crlPlace = { bucket: 'fleet-crls', host: 'crl.fleet.example' };

const worlds: OrphanWorld[] = [];
afterEach(async () => {
  for (const world of worlds.splice(0)) await world.close();
});
async function open(options: Parameters<typeof openOrphanWorld>[0]) {
  const world = await openOrphanWorld(options);
  worlds.push(world);
  return world;
}

async function configurationOf({ endpoint, issuer }: OrphanWorld) {
  const command = new DescribeCertificateAuthorityCommand({ CertificateAuthorityArn: issuer.backendRef });
  return (await endpoint.client.send(command)).CertificateAuthority?.RevocationConfiguration?.CrlConfiguration;
}

async function sign(world: OrphanWorld) {
  const id = await world.approve();
  await world.sign(id);
  for (let pass = 0; pass < 3 && (await world.record(id)).state === 'submitted'; pass += 1) await world.minutes(1);
  return world.record(id);
}

describe('a CA of ACM PCA that publishes its own CRLs', () => {
  it('is made so, in the bucket that was named and below crlBaseUrl (crl-configured)', async () => {
    const world = await open({ hierarchy: partitioned, crlPlace });
    expect(await configurationOf(world)).toEqual({
      Enabled: true,
      ExpirationInDays: 7,
      S3BucketName: 'fleet-crls',
      S3ObjectAcl: 'BUCKET_OWNER_FULL_CONTROL',
      CustomCname: 'crl.fleet.example',
      CrlType: 'PARTITIONED',
    });
  });

  it('issues with its distribution point, which is no misissuance (crl-own)', async () => {
    const world = await open({ hierarchy: withCrl('{ type: complete, expirationDays: 2 }'), crlPlace });
    const { certificateDer, lastError, state } = await sign(world);
    expect([state, lastError]).toEqual(['issued', undefined]);
    const id = world.issuer.backendRef.split('/').at(-1);
    expect(crlDistributionPointsOf(parseCertificate(certificateDer!).tbs)).toEqual([
      `http://crl.fleet.example/crl/${id}.crl`,
    ]);
  });

  it('is found again as it was made, and not used when its CRLs are others (crl-drift)', async () => {
    const world = await open({ hierarchy: partitioned, crlPlace });
    const devices = certifiedAuthority(findAuthority(partitioned, 'devices')!, 'dev');
    const provisioner = (place: typeof crlPlace | undefined) =>
      createAcmPcaProvisioner({ client: world.endpoint.client, clock: world.endpoint.now, crlPlace: place });
    expect(await provisioner(crlPlace).createAuthority(devices)).toEqual({ ref: world.issuer.backendRef });
    await expect(provisioner({ ...crlPlace, bucket: 'other-crls' }).createAuthority(devices)).rejects.toThrow(
      'differs in CRL configuration',
    );
    const { crl: _none, ...without } = devices;
    await expect(provisioner(crlPlace).createAuthority(without)).rejects.toThrow('differs in CRL configuration');
    const RevocationConfiguration = { CrlConfiguration: { Enabled: false } };
    const arn = { CertificateAuthorityArn: world.issuer.backendRef };
    await world.endpoint.client.send(new UpdateCertificateAuthorityCommand({ ...arn, RevocationConfiguration }));
    await expect(provisioner(crlPlace).createAuthority(devices)).rejects.toThrow('differs in CRL configuration');
  });

  it('is not made without a bucket for them, and the way out is said (crl-bucket)', async () => {
    const world = await open({});
    const { client, now: clock } = world.endpoint;
    const devices = { ...findAuthority(partitioned, 'devices')!, generation: 2 };
    await expect(createAcmPcaProvisioner({ client, clock }).createAuthority(devices)).rejects.toThrow(
      'CA devices is to publish CRLs and no bucket was named for them: --crl-bucket NAME',
    );
  });
});

describe('a CA of ACM PCA that publishes none', () => {
  it('is not to put a distribution point into a certificate: somebody has changed it (crl-not-described)', async () => {
    const world = await open({});
    const CrlConfiguration = { Enabled: true, ExpirationInDays: 7, S3BucketName: 'somebodys-crls' };
    const arn = { CertificateAuthorityArn: world.issuer.backendRef };
    await world.endpoint.client.send(
      new UpdateCertificateAuthorityCommand({ ...arn, RevocationConfiguration: { CrlConfiguration } }),
    );
    const { lastError, state } = await sign(world);
    expect(state).toBe('misissued');
    expect(lastError?.message).toContain('crl-distribution-point-expected');
  });
});
