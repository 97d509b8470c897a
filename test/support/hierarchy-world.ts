/** The sample hierarchy and what builds it in memory. */
import { readFileSync } from 'node:fs';
import { type BackendKind, type Hierarchy, parseHierarchy } from '../../shared/hierarchy/hierarchy.ts';
import { type BuildStep, buildHierarchy } from '../../shared/issuance/build-hierarchy.ts';
import type { AuthorityProvisioner, AuthorityRegistry } from '../../shared/issuance/ports.ts';
import { parseCertificate } from '../../shared/pki/certificate.ts';
import {
  createMemoryProvisioner,
  createMemoryRegistry,
  type MemoryProvisionerOptions,
  type MemoryRegistry,
} from './memory-provisioner.ts';

/** Not a whole second. */
export const now = Date.UTC(2026, 10, 23, 12, 0, 0, 345);
export const dayMs = 86_400_000;

export function sampleHierarchy(edit: (text: string) => string = (text) => text): Hierarchy {
  const parsed = parseHierarchy(edit(readFileSync('hierarchy.yaml', 'utf8')));
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.faults));
  return parsed.hierarchy;
}

export interface World {
  readonly hierarchy: Hierarchy;
  readonly provisioners: Record<BackendKind, AuthorityProvisioner | undefined>;
  readonly registry: AuthorityRegistry;
}

export function newWorld(options: MemoryProvisionerOptions = {}) {
  const pca = createMemoryProvisioner(options);
  const hsm = createMemoryProvisioner();
  const registry = createMemoryRegistry();
  const provisioners: World['provisioners'] = { 'acm-pca': pca, pkcs11: hsm, software: undefined };
  return { hierarchy: sampleHierarchy(), provisioners, registry, pca, hsm };
}

export async function build(world: World, at = now) {
  const steps: BuildStep[] = [];
  const outcome = await buildHierarchy({ ...world, clock: () => at, report: (step) => steps.push(step) });
  return { outcome, steps };
}

export function certificatesOf(registry: MemoryRegistry) {
  return new Map(registry.entries.map((entry) => [entry.caId, parseCertificate(entry.certificateDer)]));
}

export function causeOf(steps: readonly BuildStep[], caId: string): string {
  const step = steps.find((one) => one.caId === caId && one.kind === 'failed');
  return step?.kind === 'failed' && step.cause instanceof Error ? step.cause.message : 'did not fail';
}
