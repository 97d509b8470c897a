import { type Authority, addDuration, type BackendKind, type Hierarchy, type Stage } from '../hierarchy/hierarchy.ts';
import { type Certificate, parseCertificate } from '../pki/certificate.ts';
import { parseCertificationRequest } from '../pki/certification-request.ts';
import type { EpochMs } from '../pki/epoch.ts';
import { certificateFaults, requestFaults } from './authority-certificate.ts';
import type { InstalledAuthority } from './issuance-record.ts';
import type { AuthorityProvisioner, AuthorityRegistry, AuthoritySigningOrder, Clock } from './ports.ts';

/** Why a CA is not built now. None of them is an error: a later run goes on from here. */
export type SkipReason = 'backend-missing' | 'parent-not-installed' | 'parent-backend-missing' | 'parent-frozen';

/** How far one CA has come. Told as it happens, in the order of the work. */
export type BuildStep = { readonly caId: string; readonly generation: number } & (
  | { readonly kind: 'present' | 'created' | 'requested' | 'signed' | 'installed' | 'registered' }
  | { readonly kind: 'skipped'; readonly reason: SkipReason }
  | { readonly kind: 'failed'; readonly cause: unknown }
);

export interface BuildHierarchyPorts {
  readonly hierarchy: Hierarchy;
  /** Undefined where a backend is not there on this machine. */
  readonly provisioners: Readonly<Record<BackendKind, AuthorityProvisioner | undefined>>;
  readonly registry: AuthorityRegistry;
  readonly clock: Clock;
  readonly report: (step: BuildStep) => void;
}

/** Ids of CAs, each in one list. */
export interface BuildOutcome {
  readonly present: readonly string[];
  readonly built: readonly string[];
  readonly skipped: readonly string[];
  readonly failed: readonly string[];
}

/**
 * CA certificates begin this long before they are made: twice what a leaf is back-dated by, so that the leaf of a machine
 * whose clock is behind still lies inside its issuer's validity.
 */
export const authorityBackdateMs = 2 * 3_600_000;

const developmentOnly = 'OU=Development only';

/**
 * Subject of a CA as it is certified. In `dev`, where keys live in emulators and SoftHSM whatever they claim, the subject
 * says so itself: a certificate that escapes into the world cannot pass for one of production.
 */
export function authoritySubject(authority: Pick<Authority, 'subject'>, stage: Stage): string {
  return stage === 'dev' ? `${authority.subject},${developmentOnly}` : authority.subject;
}

/**
 * Builds what the registry does not have yet, parents before children, across backends: make the CA and its key, take its
 * request, have the parent sign it, check what came back, install it, write it down. The registry is written last, so that
 * a run that was interrupted anywhere is taken up by the next: every step before finds what is there. A CA whose backend is
 * missing, or that fails, is reported and left with all below it; the others go on.
 */
export async function buildHierarchy(ports: BuildHierarchyPorts): Promise<BuildOutcome> {
  const { hierarchy, registry, report } = ports;
  const installed = new Map((await registry.list()).map((entry) => [keyOf(entry.caId, entry.generation), entry]));
  const outcome = { present: [] as string[], built: [] as string[], skipped: [] as string[], failed: [] as string[] };
  for (const authority of hierarchy.authorities) {
    const { id: caId, generation } = authority;
    const key = keyOf(caId, generation);
    if (installed.has(key)) {
      report({ caId, generation, kind: 'present' });
      outcome.present.push(caId);
      continue;
    }
    try {
      const plan = await planOf(ports, installed, authority);
      if ('reason' in plan) {
        report({ caId, generation, kind: 'skipped', reason: plan.reason });
        outcome.skipped.push(caId);
        continue;
      }
      installed.set(key, await buildAuthority(ports, plan));
      outcome.built.push(caId);
    } catch (cause) {
      report({ caId, generation, kind: 'failed', cause });
      outcome.failed.push(caId);
    }
  }
  return outcome;
}

function keyOf(caId: string, generation: number): string {
  return `${caId}#${generation}`;
}

interface Parent {
  readonly authority: Authority;
  readonly entry: InstalledAuthority;
  readonly certificate: Certificate;
}

interface Plan {
  /** With the subject that is certified. */
  readonly authority: Authority;
  readonly provisioner: AuthorityProvisioner;
  readonly signer: AuthorityProvisioner;
  /** Undefined for a root. */
  readonly parent: Parent | undefined;
}

async function planOf(
  ports: BuildHierarchyPorts,
  installed: ReadonlyMap<string, InstalledAuthority>,
  described: Authority,
): Promise<Plan | { readonly reason: SkipReason }> {
  const { hierarchy, provisioners, registry } = ports;
  const authority = certified(described, hierarchy.stage);
  const provisioner = provisioners[authority.backend];
  if (provisioner === undefined) return { reason: 'backend-missing' };
  if (authority.parent === undefined) return { authority, provisioner, signer: provisioner, parent: undefined };

  const above = hierarchy.authorities.find(({ id }) => id === authority.parent);
  if (above === undefined) throw new Error(`the hierarchy has no CA ${authority.parent}`);
  const entry = installed.get(keyOf(above.id, above.generation));
  if (entry === undefined) return { reason: 'parent-not-installed' };
  const signer = provisioners[above.backend];
  if (signer === undefined) return { reason: 'parent-backend-missing' };
  // A frozen CA is one that is not trusted at present: it makes no CAs either.
  if (await registry.isFrozen(above.id)) return { reason: 'parent-frozen' };
  const certificate = parseCertificate(entry.certificateDer);
  return {
    authority,
    provisioner,
    signer,
    parent: { authority: certified(above, hierarchy.stage), entry, certificate },
  };
}

function certified(authority: Authority, stage: Stage): Authority {
  return { ...authority, subject: authoritySubject(authority, stage) };
}

async function buildAuthority(ports: BuildHierarchyPorts, plan: Plan): Promise<InstalledAuthority> {
  const { authority, provisioner, parent } = plan;
  const { id: caId, generation } = authority;
  const step = (kind: 'created' | 'requested' | 'signed' | 'installed' | 'registered') =>
    ports.report({ caId, generation, kind });

  const { ref } = await provisioner.createAuthority(authority);
  step('created');
  const request = parseCertificationRequest(await provisioner.certificationRequest(ref, authority));
  refuse(caId, 'request', await requestFaults(request, authority));
  step('requested');

  const order: AuthoritySigningOrder = {
    authority,
    requestDer: request.der,
    issuer: parent?.authority ?? authority,
    issuerRef: parent?.entry.backendRef ?? ref,
    issuerCertificateDer: parent?.entry.certificateDer,
    ...validityOf(authority, parent?.certificate, ports.clock()),
  };
  const certificate = parseCertificate(await plan.signer.signAuthority(order));
  refuse(caId, 'certificate', await certificateFaults(certificate, request, parent?.certificate ?? certificate, order));
  step('signed');

  const chain = parent === undefined ? [] : [parent.entry.certificateDer, ...parent.entry.chain];
  await provisioner.installCertificate(ref, certificate.der, chain);
  step('installed');
  const entry: InstalledAuthority = {
    caId,
    generation,
    tier: authority.tier,
    ...(authority.parent === undefined ? {} : { parent: authority.parent }),
    backend: authority.backend,
    backendRef: ref,
    certificateDer: certificate.der,
    chain,
    spkiSha256: certificate.tbs.publicKey.sha256,
    notBefore: certificate.tbs.notBefore,
    notAfter: certificate.tbs.notAfter,
    installedAt: ports.clock(),
  };
  await ports.registry.install(entry);
  step('registered');
  return entry;
}

function refuse(caId: string, what: string, faults: readonly string[]): void {
  if (faults.length > 0) throw new Error(`the ${what} of CA ${caId} is not usable: ${faults.join('; ')}`);
}

/** Inside the issuer's in any case: what reaches beyond it would end with it all the same. Whole seconds. */
function validityOf(authority: Authority, issuer: Certificate | undefined, now: EpochMs) {
  const start = Math.floor(now / 1000) * 1000 - authorityBackdateMs;
  const notBefore = Math.max(start, issuer?.tbs.notBefore ?? start);
  const end = addDuration(notBefore, authority.validity);
  return { notBefore, notAfter: Math.min(end, issuer?.tbs.notAfter ?? end) };
}
