import type { Authority, BackendKind, Hierarchy } from '../hierarchy/hierarchy.ts';
import { type Certificate, parseCertificate } from '../pki/certificate.ts';
import { parseCertificationRequest } from '../pki/certification-request.ts';
import { adoptAuthority } from './adopt-authority.ts';
import { certificateFaults, requestFaults } from './authority-certificate.ts';
import { certifiedAuthority, entryOf, validityOf } from './certified-authority.ts';
import { generationConflicts } from './generation-conflicts.ts';
import type { InstalledAuthority } from './issuance-record.ts';
import type { AuthorityProvisioner, AuthorityRegistry, AuthoritySigningOrder, Clock } from './ports.ts';

export { authorityBackdateMs, authoritySubject } from './certified-authority.ts';

/** Why a CA is not built now. None of them is an error: a later run goes on from here. */
export type SkipReason =
  | 'backend-missing'
  | 'parent-not-installed'
  | 'parent-backend-missing'
  | 'parent-frozen'
  | 'parent-ended'
  /** Signatures of the key, or of its issuer's, need a quorum of people. */
  | 'ceremony-needed'
  /** The key of its issuer is not in the backend here, as that of an air-gapped root: its request is signed in a ceremony. */
  | 'parent-key-elsewhere';

/** Reasons that say: people do the rest, in a ceremony. */
export const ceremonyReasons: readonly SkipReason[] = ['ceremony-needed', 'parent-key-elsewhere'];

/** How far one CA has come. Told as it happens, in the order of the work. */
export type BuildStep = { readonly caId: string; readonly generation: number } & (
  | { readonly kind: 'present' | 'created' | 'requested' | 'signed' | 'installed' | 'adopted' | 'registered' }
  /** The file describes another CA than the one that is installed, or one that cannot stand beside it. */
  | { readonly kind: 'refused'; readonly reasons: readonly string[] }
  | { readonly kind: 'skipped'; readonly reason: SkipReason }
  | { readonly kind: 'failed'; readonly cause: unknown }
);

export interface BuildHierarchyPorts {
  readonly hierarchy: Hierarchy;
  /** Undefined where a backend is not there on this machine. */
  readonly provisioners: Readonly<Record<BackendKind, AuthorityProvisioner | undefined>>;
  readonly registry: AuthorityRegistry;
  /** The certificate that a ceremony made for a CA, DER; undefined where there is none. */
  readonly ceremonyCertificate?: (authority: Authority) => Uint8Array | undefined;
  /** A CA above the issuance tier whose key is not on this machine's token is adopted by its certificate alone. */
  readonly keysMayBeElsewhere?: boolean;
  readonly clock: Clock;
  readonly report: (step: BuildStep) => void;
}

/** Ids of CAs, each in one list. */
export interface BuildOutcome {
  readonly present: readonly string[];
  readonly built: readonly string[];
  readonly skipped: readonly string[];
  readonly failed: readonly string[];
  readonly refused: readonly string[];
}

/**
 * Builds what the registry does not have yet, parents before children, across backends: make the CA and its key, take its
 * request, have the parent sign it, check what came back, install it, write it down. The registry is written last, so that
 * a run that was interrupted anywhere is taken up by the next: every step before finds what is there. A CA whose backend is
 * missing, or that fails, is reported and left with all below it; the others go on. What a ceremony made is adopted.
 */
export async function buildHierarchy(ports: BuildHierarchyPorts): Promise<BuildOutcome> {
  const { hierarchy, registry, report } = ports;
  const installed = new Map((await registry.list()).map((entry) => [keyOf(entry.caId, entry.generation), entry]));
  const lists = (): string[] => [];
  const outcome = { present: lists(), built: lists(), skipped: lists(), failed: lists(), refused: lists() };
  for (const authority of hierarchy.authorities) {
    const { id: caId, generation } = authority;
    const key = keyOf(caId, generation);
    const described = certifiedAuthority(authority, hierarchy.stage);
    const conflicts = generationConflicts(described, [...installed.values()]);
    if (conflicts.length > 0) {
      report({ caId, generation, kind: 'refused', reasons: conflicts });
      outcome.refused.push(caId);
      continue;
    }
    if (installed.has(key)) {
      report({ caId, generation, kind: 'present' });
      outcome.present.push(caId);
      continue;
    }
    try {
      const ceremonyDer = ports.ceremonyCertificate?.(authority);
      if (ceremonyDer !== undefined) {
        installed.set(
          key,
          await adoptAuthority(ports, described, parentOf(hierarchy, installed, authority), ceremonyDer),
        );
        outcome.built.push(caId);
        continue;
      }
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

export interface Parent {
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
  const authority = certifiedAuthority(described, hierarchy.stage);
  if (authority.custody.signQuorum !== undefined) return { reason: 'ceremony-needed' };
  const provisioner = provisioners[authority.backend];
  if (provisioner === undefined) return { reason: 'backend-missing' };
  if (authority.parent === undefined) return { authority, provisioner, signer: provisioner, parent: undefined };

  const parent = parentOf(hierarchy, installed, described);
  if (parent === undefined) return { reason: 'parent-not-installed' };
  if (parent.authority.custody.signQuorum !== undefined) return { reason: 'ceremony-needed' };
  const signer = provisioners[parent.authority.backend];
  if (signer === undefined)
    return { reason: ports.keysMayBeElsewhere === true ? 'parent-key-elsewhere' : 'parent-backend-missing' };
  // A frozen CA is one that is not trusted at present: it makes no CAs either.
  if (await registry.isFrozen(parent.authority.id)) return { reason: 'parent-frozen' };
  if (parent.entry.notAfter <= ports.clock()) return { reason: 'parent-ended' };
  if ((await signer.findAuthority(parent.authority)) === undefined) return { reason: 'parent-key-elsewhere' };
  return { authority, provisioner, signer, parent };
}

/** The issuer of a CA as it is installed; undefined for a root, and where it is not there. */
function parentOf(
  hierarchy: Hierarchy,
  installed: ReadonlyMap<string, InstalledAuthority>,
  { parent }: Authority,
): Parent | undefined {
  if (parent === undefined) return undefined;
  const above = hierarchy.authorities.find(({ id }) => id === parent);
  if (above === undefined) throw new Error(`the hierarchy has no CA ${parent}`);
  const entry = installed.get(keyOf(above.id, above.generation));
  if (entry === undefined) return undefined;
  const certificate = parseCertificate(entry.certificateDer);
  return { authority: certifiedAuthority(above, hierarchy.stage), entry, certificate };
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
    ...validityOf(authority, parent?.certificate.tbs, ports.clock()),
  };
  const certificate = parseCertificate(await plan.signer.signAuthority(order));
  refuse(caId, 'certificate', await certificateFaults(certificate, request, parent?.certificate ?? certificate, order));
  step('signed');

  const chain = parent === undefined ? [] : [parent.entry.certificateDer, ...parent.entry.chain];
  await provisioner.installCertificate(ref, certificate.der, chain);
  step('installed');
  const entry = entryOf(authority, ref, certificate, chain, ports.clock());
  await ports.registry.install(entry);
  step('registered');
  return entry;
}

function refuse(caId: string, what: string, faults: readonly string[]): void {
  if (faults.length > 0) throw new Error(`the ${what} of CA ${caId} is not usable: ${faults.join('; ')}`);
}
