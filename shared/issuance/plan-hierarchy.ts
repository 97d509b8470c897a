/**
 * What `hierarchy apply` would do, and what will happen by itself: computed from the hierarchy, the registry and, where
 * they could be asked, from what backends hold already. Changes nothing.
 */
import { type Authority, addDuration, type Hierarchy, type Profile } from '../hierarchy/hierarchy.ts';
import type { EpochMs } from '../pki/epoch.ts';
import { certifiedAuthority, validityOf } from './certified-authority.ts';
import { generationConflicts } from './generation-conflicts.ts';
import type { InstalledAuthority } from './issuance-record.ts';
import { lastIssuance } from './last-issuance.ts';
import { type PlanWarning, planWarnings } from './plan-warnings.ts';

export type { PlanWarning, PlanWarningCode } from './plan-warnings.ts';

/**
 * - `nothing`: it is there as described.
 * - `create`, `new-generation`: it will be made; the latter beside older generations, which drain.
 * - `finish`: its key is there already, an earlier run was interrupted.
 * - `adopt`: a ceremony made it; it will be checked and registered.
 * - `wait`: not now, for the reason given.
 * - `refused`: not at all, for the reasons given.
 */
export type PlannedAction = 'nothing' | 'create' | 'new-generation' | 'finish' | 'adopt' | 'wait' | 'refused';

export type PlannedStep = 'create' | 'request' | 'sign' | 'install' | 'register' | 'adopt';

export interface PlannedAuthority {
  readonly caId: string;
  readonly generation: number;
  readonly tier: Authority['tier'];
  readonly backend: Authority['backend'];
  readonly action: PlannedAction;
  /** In their order; empty unless something will be done. */
  readonly steps: readonly PlannedStep[];
  /** CA that signs it; undefined for a root. */
  readonly signedBy: string | undefined;
  readonly reasons: readonly string[];
  /** What it waits for is a ceremony, not something that is missing here. */
  readonly waitsForCeremony: boolean;
  /** Of the certificate that is there, else of the one that would be made now. */
  readonly notBefore: EpochMs;
  readonly notAfter: EpochMs;
  /** It would end with its issuer, before the validity of the file is over. */
  readonly shortened: boolean;
  /** When the CA can no longer issue the profile whose validity is longest; undefined where it issues none. */
  readonly issuesUntil: EpochMs | undefined;
}

export interface HierarchyPlan {
  readonly at: EpochMs;
  /** Parents before children. */
  readonly authorities: readonly PlannedAuthority[];
  readonly warnings: readonly PlanWarning[];
  /** How many CAs would be made or adopted. */
  readonly changes: number;
  readonly refused: number;
}

/** What is known of a CA beside file and registry. */
export interface PlanFacts {
  /** Whether the backend of a CA can be asked to make or to sign one here; undefined when nobody looked. */
  readonly backendIsThere: (authority: Authority) => boolean | undefined;
  /** Its key or CA is in its backend already. */
  readonly isBegun: (authority: Authority) => boolean;
  /** Its key is in its backend here; undefined when nobody looked, or it could not be told. */
  readonly keyIsHere: (authority: Authority) => boolean | undefined;
  /** A ceremony has left a certificate for it. */
  readonly isAdoptable: (authority: Authority) => boolean;
  readonly isFrozen: (caId: string) => boolean;
}

export function planHierarchy(
  hierarchy: Hierarchy,
  installed: readonly InstalledAuthority[],
  facts: PlanFacts,
  at: EpochMs,
): HierarchyPlan {
  const authorities: PlannedAuthority[] = [];
  for (const described of hierarchy.authorities) {
    const parent = authorities.find(({ caId }) => caId === described.parent);
    authorities.push(planAuthority(hierarchy, described, parent, installed, facts, at));
  }
  return {
    at,
    authorities,
    warnings: planWarnings(hierarchy, authorities, installed, at),
    changes: authorities.filter(({ steps }) => steps.length > 0).length,
    refused: authorities.filter(({ action }) => action === 'refused').length,
  };
}

function planAuthority(
  hierarchy: Hierarchy,
  described: Authority,
  parent: PlannedAuthority | undefined,
  installed: readonly InstalledAuthority[],
  facts: PlanFacts,
  at: EpochMs,
): PlannedAuthority {
  const authority = certifiedAuthority(described, hierarchy.stage);
  const { id: caId, generation, tier, backend } = authority;
  const present = installed.find((entry) => entry.caId === caId && entry.generation === generation);
  const made = validityOf(authority, parent, at);
  const { notBefore, notAfter } = present ?? made;
  const common = {
    ...{ caId, generation, tier, backend, notBefore, notAfter },
    signedBy: authority.parent,
    shortened: present === undefined && notAfter < addDuration(notBefore, authority.validity),
    issuesUntil: issuesUntil(hierarchy, authority, notAfter),
    waitsForCeremony: false,
  };
  const conflicts = generationConflicts(authority, installed);
  if (conflicts.length > 0) return { ...common, action: 'refused', steps: [], reasons: conflicts };
  if (present !== undefined) return { ...common, action: 'nothing', steps: [], reasons: [] };
  if (facts.isAdoptable(described)) return { ...common, action: 'adopt', steps: ['adopt', 'register'], reasons: [] };
  const waits = waitReason(hierarchy, described, parent, facts, at);
  if (waits !== undefined) {
    const { ceremony = false, reason } = waits;
    return { ...common, action: 'wait', steps: [], reasons: [reason], waitsForCeremony: ceremony };
  }
  const steps = ['create', 'request', 'sign', 'install', 'register'] as const;
  return { ...common, action: actionOf(described, installed, facts), steps, reasons: [] };
}

function actionOf(described: Authority, installed: readonly InstalledAuthority[], facts: PlanFacts): PlannedAction {
  if (facts.isBegun(described)) return 'finish';
  return installed.some(({ caId }) => caId === described.id) ? 'new-generation' : 'create';
}

interface Wait {
  readonly reason: string;
  readonly ceremony?: boolean;
}

function waitReason(
  hierarchy: Hierarchy,
  authority: Authority,
  parent: PlannedAuthority | undefined,
  facts: PlanFacts,
  at: EpochMs,
): Wait | undefined {
  const quorum = authority.custody.signQuorum;
  if (quorum !== undefined) {
    const reason = `${quorum} people approve each signature of its key: hold a ceremony, and apply adopts what it made`;
    return { reason, ceremony: true };
  }
  if (facts.backendIsThere(authority) === false) return { reason: `its backend ${authority.backend} is not there` };
  if (parent === undefined) return undefined;
  const { caId, waitsForCeremony } = parent;
  if (parent.action === 'wait' || parent.action === 'refused')
    return { reason: `its issuer ${caId} is not there`, ceremony: waitsForCeremony };
  const above = hierarchy.authorities.find(({ id }) => id === caId);
  if (above === undefined) return undefined;
  const request = `waits for a ceremony: type \`npx sealwright hierarchy request ${authority.id}\``;
  if (above.custody.signQuorum !== undefined) {
    const reason = `${request}; ${above.custody.signQuorum} people approve each signature of its issuer ${caId}`;
    return { reason, ceremony: true };
  }
  if (facts.isFrozen(caId)) return { reason: `its issuer ${caId} is frozen` };
  if (parent.notAfter <= at) return { reason: `its issuer ${caId} has ended` };
  if (facts.keyIsHere(above) === false && ['nothing', 'adopt'].includes(parent.action))
    return { reason: `${request}; the key of its issuer ${caId} is not here${placeOf(above)}`, ceremony: true };
  if (facts.backendIsThere(above) === false)
    return { reason: `the backend ${above.backend} of its issuer ${caId} is not there` };
  return undefined;
}

function placeOf({ pkcs11 }: Authority): string {
  return pkcs11 === undefined ? '' : ` (${pkcs11.keyLabel} on token ${pkcs11.tokenLabel})`;
}

function issuesUntil(hierarchy: Hierarchy, authority: Authority, notAfter: EpochMs): EpochMs | undefined {
  const profiles = hierarchy.profiles.filter(({ name }) => authority.profiles.includes(name));
  if (profiles.length === 0) return undefined;
  return Math.min(...profiles.map(({ validity }: Profile) => lastIssuance(validity, notAfter)));
}
