/** The ACM PCA backend over the local endpoint and the sample hierarchy, in virtual time: sleeping moves the endpoint's clock. */
import {
  DeleteCertificateAuthorityCommand,
  RestoreCertificateAuthorityCommand,
  UpdateCertificateAuthorityCommand,
} from '@aws-sdk/client-acm-pca';
import { createAcmPcaBackend } from '../../shared/adapters/acm-pca/backend.ts';
import { createAcmPcaClient } from '../../shared/adapters/acm-pca/client.ts';
import { createAcmPcaProvisioner } from '../../shared/adapters/acm-pca/provisioner.ts';
import type { IssuingAuthority } from '../../shared/issuance/authority-directory.ts';
import { buildHierarchy } from '../../shared/issuance/build-hierarchy.ts';
import type { SigningBackend } from '../../shared/issuance/ports.ts';
import type { PreparedIssuance } from '../../shared/lints/prepared-issuance.ts';
import { parseCertificate } from '../../shared/pki/certificate.ts';
import { startTestEndpoint, type TestEndpoint } from './acm-pca-endpoint.ts';
import { sampleHierarchy } from './hierarchy-world.ts';
import { createMemoryRegistry } from './memory-provisioner.ts';
import { createPacingBudget } from './process-pacing.ts';
import { newTemplateIssuance, type TemplateIssuanceOptions } from './template-issuance.ts';

export interface EndpointBackend {
  readonly endpoint: TestEndpoint;
  readonly backend: SigningBackend;
  /** The CA `devices`. */
  readonly issuer: IssuingAuthority;
  prepare(options?: TemplateIssuanceOptions): PreparedIssuance;
  setStatus(status: 'ACTIVE' | 'DISABLED'): Promise<void>;
  /** Deletes the CA, and brings it back. */
  remove(): Promise<void>;
  restore(): Promise<void>;
}

export async function openEndpointBackend(): Promise<EndpointBackend> {
  const endpoint = await startTestEndpoint({ createDelayMs: 50, issueDelayMs: { min: 0, max: 60 } });
  const credentials = { accessKeyId: 'EMULATOR', secretAccessKey: 'emulator' };
  const client = createAcmPcaClient({ stage: 'dev', region: 'us-east-1', endpoint: endpoint.url, credentials });
  const clock = endpoint.now;
  const sleep = async (waitMs: number) => endpoint.advance(waitMs);
  const registry = createMemoryRegistry();
  const pca = createAcmPcaProvisioner({ client, clock, sleep });
  const provisioners = { 'acm-pca': pca, pkcs11: undefined, software: undefined };
  await buildHierarchy({ hierarchy: sampleHierarchy(), provisioners, registry, clock, report: () => undefined });
  const entry = registry.entries.find(({ caId }) => caId === 'devices');
  if (entry === undefined) throw new Error('the sample hierarchy was not built');
  const issuer = { ...entry, certificate: parseCertificate(entry.certificateDer), chainCertificates: [] };
  const plenty = { perSecond: 5_000, burstMs: 1000 };
  const pacing = createPacingBudget({ clock, sleep, rates: { IssueCertificate: plenty, GetCertificate: plenty } });
  const arn = { CertificateAuthorityArn: entry.backendRef };
  const setStatus = async (Status: 'ACTIVE' | 'DISABLED') => {
    await endpoint.client.send(new UpdateCertificateAuthorityCommand({ ...arn, Status }));
  };
  return {
    endpoint,
    backend: createAcmPcaBackend({
      client,
      authority: { caId: 'devices', ref: entry.backendRef },
      pacing,
      clock,
      sleep,
    }),
    issuer,
    prepare: (options = {}) => newTemplateIssuance({ issuer, at: Math.floor(clock() / 1000) * 1000, ...options }),
    setStatus,
    async remove() {
      await setStatus('DISABLED');
      await endpoint.client.send(new DeleteCertificateAuthorityCommand(arn));
    },
    async restore() {
      await endpoint.client.send(new RestoreCertificateAuthorityCommand(arn));
      await setStatus('ACTIVE');
    },
  };
}
