/**
 * What schedules have in common and what costs time to make: the sample hierarchy with its CA keys, and certification
 * requests. Made once a process; which bytes come out has no influence on any choice of a schedule.
 */
import { type KeyObject, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { keyFilePath, readKeyFile } from '../../../shared/adapters/software/key-file.ts';
import { createSoftwareProvisioner } from '../../../shared/adapters/software/provisioner.ts';
import { createThrowawaySignatures } from '../../../shared/adapters/software/throwaway.ts';
import type { Hierarchy } from '../../../shared/hierarchy/hierarchy.ts';
import { buildHierarchy } from '../../../shared/issuance/build-hierarchy.ts';
import type { EnrolmentCredential, InstalledAuthority } from '../../../shared/issuance/issuance-record.ts';
import type { AuthorityRegistry } from '../../../shared/issuance/ports.ts';
import type { ThrowawaySignature } from '../../../shared/lints/prepared-issuance.ts';
import { type Certificate, parseCertificate } from '../../../shared/pki/certificate.ts';
import type { GeneralName } from '../../../shared/pki/names.ts';
import type { CaSigningAlgorithm } from '../../../shared/pki/signature-algorithm.ts';
import { hierarchyOf } from '../../support/hierarchies.ts';
import { createMemoryRegistry } from '../../support/memory-provisioner.ts';
import { dns, newP256, requestFor, uri } from '../../support/service.ts';

/** When every schedule begins. */
export const startAt = Date.UTC(2026, 10, 23, 12, 0, 0, 345);
const dayMs = 86_400_000;

export interface CaKey {
  readonly installed: InstalledAuthority;
  readonly certificate: Certificate;
  readonly privateKey: KeyObject;
}

/** `either`: another request of the schedule may have taken its name or key first. */
export type Expectation = 'issued' | 'rejected' | 'either';

/** A request as a client of a schedule sends it. */
export interface SampleRequest {
  readonly name: string;
  readonly backend: 'acm-pca' | 'pkcs11';
  readonly profile: string;
  readonly credential: 0 | 1;
  readonly csrDer: Uint8Array;
  readonly expected: Expectation;
}

export interface Material {
  readonly hierarchy: Hierarchy;
  readonly authorities: readonly InstalledAuthority[];
  readonly devices: CaKey;
  readonly workloads: CaKey;
  readonly throwaway: (algorithm: CaSigningAlgorithm) => ThrowawaySignature;
  readonly requests: readonly SampleRequest[];
  readonly credentials: readonly [EnrolmentCredential, EnrolmentCredential];
}

export async function makeMaterial(): Promise<Material> {
  const hierarchy = hierarchyOf();
  const folder = mkdtempSync(join(tmpdir(), 'sealwright-simulator-'));
  try {
    const provisioner = createSoftwareProvisioner({ stage: 'dev', folder, random: (bytes) => randomBytes(bytes) });
    const provisioners = { 'acm-pca': provisioner, pkcs11: provisioner, software: provisioner };
    const registry = createMemoryRegistry();
    const clock = () => startAt - dayMs;
    await buildHierarchy({
      hierarchy,
      provisioners,
      registry,
      clock,
      report: (step) => {
        if (step.kind === 'failed') throw step.cause;
      },
    });
    const keyOf = (caId: string): CaKey => {
      const installed = registry.entries.find((entry) => entry.caId === caId);
      if (installed === undefined) throw new Error(`the sample hierarchy has no CA ${caId}`);
      const { privateKey } = readKeyFile(keyFilePath(folder, installed.backendRef));
      const backendRef = installed.backend === 'acm-pca' ? arnOf(caId) : installed.backendRef;
      return {
        installed: { ...installed, backendRef },
        certificate: parseCertificate(installed.certificateDer),
        privateKey,
      };
    };
    const devices = keyOf('devices');
    const workloads = keyOf('workloads');
    return {
      hierarchy,
      authorities: [devices.installed, workloads.installed],
      devices,
      workloads,
      throwaway: createThrowawaySignatures(),
      requests: makeRequests(),
      credentials: [credentialOf('plant-7'), credentialOf('plant-8')],
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function arnOf(caId: string): string {
  const id = Buffer.from(caId.padEnd(16, '-'))
    .toString('hex')
    .replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
  return `arn:aws:acm-pca:us-east-1:000000000000:certificate-authority/${id}`;
}

/** Installs the CAs of the hierarchy in the registry of a store. */
export async function installAuthorities(material: Material, registry: AuthorityRegistry): Promise<void> {
  for (const authority of material.authorities) await registry.install(authority);
}

function credentialOf(owner: string): EnrolmentCredential {
  return {
    id: `credential-of-${owner}`,
    principal: `principal-of-${owner}`,
    owner,
    fleet: 'sensors',
    profiles: ['device', 'service', 'svid'],
    names: { dns: ['*.fleet.example'], spiffe: ['spiffe://fleet.example/*'], ip: [] },
    countMax: 1_000,
    used: 0,
    createdAt: startAt - dayMs,
    expiresAt: startAt + 30 * dayMs,
    sha256: Buffer.from(owner.padEnd(32, '-')).toString('hex'),
  };
}

/**
 * Beside plain ones: requests that only the key or only the other names tell apart, two of the same content (two CSRs of
 * one key), two keys that want one name, one key of two owners, and some that policy refuses.
 */
function makeRequests(): readonly SampleRequest[] {
  const shared = newP256();
  const contested = newP256();
  const wanted = 'wanted.fleet.example';
  const device = { backend: 'acm-pca', profile: 'device', credential: 0, expected: 'issued' } as const;
  const service = { ...device, backend: 'pkcs11', profile: 'service' } as const;
  const csr = (names: readonly GeneralName[], key = newP256()) => requestFor(names, key);
  const plain = (prefix: string, of: typeof device | typeof service, count: number) =>
    Array.from({ length: count }, (_, index): SampleRequest => {
      const name = `${prefix}-${index + 1}`;
      return { ...of, name, csrDer: csr([dns(`${name}.fleet.example`)]) };
    });
  const first = dns('twin.fleet.example');
  return [
    ...plain('device', device, 5),
    { ...device, name: 'twin', csrDer: csr([first], shared) },
    { ...device, name: 'twin-again', csrDer: csr([first], shared) },
    { ...device, name: 'twin-and-more', csrDer: csr([first, dns('more.fleet.example')], shared) },
    { ...device, name: 'wanted-by-one', csrDer: csr([dns(wanted)]), expected: 'either' },
    { ...device, name: 'wanted-by-other', csrDer: csr([dns(wanted)]), expected: 'either' },
    { ...device, name: 'foreign-name', csrDer: csr([dns('device.other.example')]), expected: 'rejected' },
    ...plain('service', service, 4),
    {
      ...service,
      name: 'service-twin',
      csrDer: csr([dns('service-twin.fleet.example')], contested),
      expected: 'either',
    },
    {
      ...service,
      name: 'key-of-another',
      credential: 1,
      csrDer: csr([dns('stolen.fleet.example')], contested),
      expected: 'either',
    },
    { ...service, name: 'svid', profile: 'svid', csrDer: csr([uri('spiffe://fleet.example/workload')]) },
    { ...service, name: 'foreign-service', csrDer: csr([dns('service.other.example')]), expected: 'rejected' },
  ];
}
