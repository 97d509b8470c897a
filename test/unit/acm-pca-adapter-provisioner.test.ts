import {
  type ACMPCAClient,
  DeleteCertificateAuthorityCommand,
  DescribeCertificateAuthorityCommand,
  ListCertificateAuthoritiesCommand,
  ListTagsCommand,
  UpdateCertificateAuthorityCommand,
} from '@aws-sdk/client-acm-pca';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { describeKey } from '../../shared/adapters/acm-pca/describe-key.ts';
import { createAcmPcaProvisioner } from '../../shared/adapters/acm-pca/provisioner.ts';
import { type Authority, findAuthority } from '../../shared/hierarchy/hierarchy.ts';
import { type BuildStep, buildHierarchy } from '../../shared/issuance/build-hierarchy.ts';
import type { AuthorityProvisioner } from '../../shared/issuance/ports.ts';
import { findExtension, keyUsageOf, parseCertificate } from '../../shared/pki/certificate.ts';
import { parseCertificationRequest } from '../../shared/pki/certification-request.ts';
import { formatDistinguishedName } from '../../shared/pki/names.ts';
import { oids } from '../../shared/pki/oids.ts';
import { startTestEndpoint, type TestEndpoint } from '../support/acm-pca-endpoint.ts';
import { dayMs, sampleHierarchy } from '../support/hierarchy-world.ts';
import { createMemoryProvisioner, createMemoryRegistry } from '../support/memory-provisioner.ts';

const hierarchy = sampleHierarchy();
const root = findAuthority(hierarchy, 'root')!;

/** After the call took effect, its answer is lost on the way, `times` times. */
function loseAnswers(client: ACMPCAClient, command: string, times: number): void {
  let left = times;
  client.middlewareStack.add(
    (next, context) => async (args) => {
      const result = await next(args);
      if ((context as { commandName?: string }).commandName !== command || left === 0) return result;
      left -= 1;
      throw Object.assign(new Error('socket hang up'), { name: 'TimeoutError' });
    },
    { step: 'initialize', name: `lose-${command}` },
  );
}

describe('the ACM PCA provisioner', () => {
  let endpoint: TestEndpoint;
  let provisioner: AuthorityProvisioner;

  beforeEach(async () => {
    endpoint = await startTestEndpoint({ createDelayMs: 120, issueDelayMs: 90 });
    // Sleeping moves the endpoint's clock, so that its delays pass at once.
    const sleep = async (waitMs: number) => endpoint.advance(waitMs);
    provisioner = createAcmPcaProvisioner({ client: endpoint.client, clock: endpoint.now, sleep, waitMsMax: 5_000 });
  });
  afterEach(() => endpoint.dispose());

  const authorities = async () =>
    (await endpoint.client.send(new ListCertificateAuthoritiesCommand({}))).CertificateAuthorities ?? [];
  const statusOf = async (ref: string) =>
    (await endpoint.client.send(new DescribeCertificateAuthorityCommand({ CertificateAuthorityArn: ref })))
      .CertificateAuthority?.Status;

  async function buildAll(hsm = createMemoryProvisioner(), registry = createMemoryRegistry()) {
    const steps: BuildStep[] = [];
    const provisioners = { 'acm-pca': provisioner, pkcs11: hsm, software: undefined };
    const report = (step: BuildStep) => steps.push(step);
    const outcome = await buildHierarchy({ hierarchy, provisioners, registry, clock: endpoint.now, report });
    return { outcome, steps, registry, hsm };
  }

  it('makes a CA with its tags, level and mode, and waits until it can be certified', async () => {
    const { ref } = await provisioner.createAuthority(root);
    expect(await statusOf(ref)).toBe('PENDING_CERTIFICATE');
    const { Tags } = await endpoint.client.send(new ListTagsCommand({ CertificateAuthorityArn: ref }));
    expect(Tags).toEqual([
      { Key: 'sealwright:ca', Value: 'root' },
      { Key: 'sealwright:generation', Value: '1' },
    ]);
    const [found] = await authorities();
    expect(found).toMatchObject({
      Type: 'ROOT',
      KeyStorageSecurityStandard: 'FIPS_140_2_LEVEL_3_OR_HIGHER',
      UsageMode: 'GENERAL_PURPOSE',
      CertificateAuthorityConfiguration: {
        KeyAlgorithm: 'EC_secp384r1',
        Subject: { CommonName: 'Example Root G1', Organization: 'Example Fleet' },
      },
    });
  });

  it('finds the CA it made, at once and long after its idempotency token is forgotten', async () => {
    const { ref } = await provisioner.createAuthority(root);
    expect(await provisioner.createAuthority(root)).toEqual({ ref });
    endpoint.advance(10 * 60_000);
    expect(await provisioner.createAuthority(root)).toEqual({ ref });
    expect(await authorities()).toHaveLength(1);
  });

  it('makes one CA when the answer that it was made is lost', async () => {
    loseAnswers(endpoint.client, 'CreateCertificateAuthorityCommand', 1);
    await provisioner.createAuthority(root);
    expect(await authorities()).toHaveLength(1);
  });

  it('makes another CA for another generation', async () => {
    const first = await provisioner.createAuthority(root);
    const second = await provisioner.createAuthority({ ...root, generation: 2 });
    expect(second.ref).not.toBe(first.ref);
  });

  it('does not take over a CA that has the tags and says something else', async () => {
    await provisioner.createAuthority(root);
    const other: Authority = { ...root, subject: 'CN=Other Root,O=Example Fleet' };
    await expect(provisioner.createAuthority(other)).rejects.toThrow(/differs in subject/);
    const stronger: Authority = { ...root, keyAlgorithm: 'EC_prime256v1', signingAlgorithm: 'SHA256WITHECDSA' };
    await expect(provisioner.createAuthority(stronger)).rejects.toThrow(/differs in key algorithm/);
    expect(await authorities()).toHaveLength(1);
  });

  it('makes no second CA while the first is disabled', async () => {
    await buildAll();
    const [first] = await authorities();
    const command = new UpdateCertificateAuthorityCommand({ CertificateAuthorityArn: first!.Arn!, Status: 'DISABLED' });
    await endpoint.client.send(command);
    const described = { ...root, subject: `${root.subject},OU=Development only` };
    await expect(provisioner.createAuthority(described)).rejects.toThrow(/DISABLED/);
    expect(await authorities()).toHaveLength(3);
  });

  it('makes a new CA when the old one is deleted', async () => {
    const first = await provisioner.createAuthority(root);
    await endpoint.client.send(new DeleteCertificateAuthorityCommand({ CertificateAuthorityArn: first.ref }));
    endpoint.advance(10 * 60_000);
    const second = await provisioner.createAuthority(root);
    expect(second.ref).not.toBe(first.ref);
  });

  it('keeps the order of a subject that the standard members cannot say', async () => {
    const authority: Authority = { ...root, subject: 'CN=Example Root G1,OU=One,OU=Two' };
    const { ref } = await provisioner.createAuthority(authority);
    const request = parseCertificationRequest(await provisioner.certificationRequest(ref, authority));
    expect(formatDistinguishedName(request.subject)).toBe('CN=Example Root G1,OU=One,OU=Two');
  });

  it('certifies no request that is not for the CA of the order', async () => {
    const { ref } = await provisioner.createAuthority(root);
    const requestDer = await provisioner.certificationRequest(ref, root);
    const notBefore = Math.floor(endpoint.now() / 1000) * 1000;
    const authority = { ...root, subject: 'CN=Other' };
    await expect(
      provisioner.signAuthority({
        authority,
        requestDer,
        issuer: root,
        issuerRef: ref,
        issuerCertificateDer: undefined,
        notBefore,
        notAfter: notBefore + dayMs,
      }),
    ).rejects.toThrow(/not for the subject/);
  });

  it('builds the sample hierarchy, its HSM-backed CA under an ACM PCA subordinate', async () => {
    const { outcome, steps, registry } = await buildAll();
    expect(steps.filter(({ kind }) => kind === 'failed')).toEqual([]);
    expect(outcome.built).toEqual(['root', 'subordinate', 'devices', 'workloads']);
    expect((await authorities()).map(({ Status }) => Status)).toEqual(['ACTIVE', 'ACTIVE', 'ACTIVE']);
    for (const { certificateDer } of registry.entries) {
      const { tbs } = parseCertificate(certificateDer);
      expect(keyUsageOf(tbs)).toEqual(['keyCertSign', 'cRLSign']);
      expect(findExtension(tbs, oids.keyUsage)?.critical).toBe(true);
    }
  });

  it.each([
    'CreateCertificateAuthorityCommand',
    'IssueCertificateCommand',
    'ImportCertificateAuthorityCertificateCommand',
  ])('builds it with three CAs when answers to %s are lost', async (command) => {
    loseAnswers(endpoint.client, command, 3);
    const { outcome, steps } = await buildAll();
    expect(steps.filter(({ kind }) => kind === 'failed')).toEqual([]);
    expect(outcome.built).toHaveLength(4);
    expect(await authorities()).toHaveLength(3);
  });

  it('takes up a build whose registry knows nothing of what is there', async () => {
    const first = await buildAll();
    endpoint.advance(60 * 60_000);
    const second = await buildAll(first.hsm);
    expect(second.outcome.built).toHaveLength(4);
    expect(await authorities()).toHaveLength(3);
    const refs = (entries: typeof first.registry.entries) => entries.map(({ backendRef }) => backendRef);
    expect(refs(second.registry.entries)).toEqual(refs(first.registry.entries));
  });

  it('installs the same certificate twice without complaint', async () => {
    const { registry } = await buildAll();
    for (const { backend, backendRef, certificateDer, chain } of registry.entries) {
      if (backend === 'acm-pca') await provisioner.installCertificate(backendRef, certificateDer, chain);
    }
  });

  it('refuses with the reason of the service when waiting does not help', async () => {
    const ref = 'arn:aws:acm-pca:us-east-1:000000000000:certificate-authority/00000000-0000-4000-8000-000000000000';
    await expect(provisioner.certificationRequest(ref, root)).rejects.toMatchObject({
      code: 'backend-unavailable',
      message: expect.stringContaining('ResourceNotFoundException'),
    });
  });

  describe('describeKey', () => {
    it('describes the key that the CA certificate is for, as an emulator has it (design: stage)', async () => {
      const { registry } = await buildAll();
      const devices = registry.entries.find(({ caId }) => caId === 'devices')!;
      expect(await describeKey(endpoint.client, devices.backendRef, endpoint.now())).toEqual({
        source: 'emulator',
        model: 'managed-ca',
        keyId: `sha256:${devices.spkiSha256}`,
        spkiSha256: devices.spkiSha256,
        keyAlgorithm: 'EC_prime256v1',
        securityLevel: 0,
        cmvpStatus: 'unknown',
        // What it claims is kept and is worth nothing: the level is none.
        attestation: 'FIPS_140_2_LEVEL_3_OR_HIGHER',
        status: 'usable',
        readAt: endpoint.now(),
      });
    });

    it('says what state a CA is in', async () => {
      const { registry } = await buildAll();
      const devices = registry.entries.find(({ caId }) => caId === 'devices')!;
      const pending = await provisioner.createAuthority({ ...root, generation: 9 });
      const describeStatus = async (ref: string) => (await describeKey(endpoint.client, ref, endpoint.now())).status;
      expect(await describeStatus(pending.ref)).toBe('pending');
      const arn = { CertificateAuthorityArn: devices.backendRef };
      await endpoint.client.send(new UpdateCertificateAuthorityCommand({ ...arn, Status: 'DISABLED' }));
      expect(await describeStatus(devices.backendRef)).toBe('disabled');
      await endpoint.client.send(new DeleteCertificateAuthorityCommand(arn));
      expect(await describeStatus(devices.backendRef)).toBe('gone');
      expect(await describeStatus(devices.backendRef.replace(/.$/, (last) => (last === '0' ? '1' : '0')))).toBe('gone');
      endpoint.advance(30 * 365 * dayMs);
      expect(await describeStatus(registry.entries[0]!.backendRef)).toBe('expired');
    });
  });
});
