import { readFileSync } from 'node:fs';
import {
  findProfile,
  type Hierarchy,
  type HierarchyFault,
  type Profile,
  parseHierarchy,
} from '../../shared/hierarchy/hierarchy.ts';
import type { EnrolmentScope } from '../../shared/hierarchy/policy.ts';
import type { CertificationRequest } from '../../shared/pki/certification-request.ts';
import type { GeneralName } from '../../shared/pki/names.ts';
import { parseSubjectPublicKey } from '../../shared/pki/public-key.ts';
import { anyKeyPair, spkiOf } from './certification-requests.ts';

/** The text of the sample hierarchy, which has no fault. */
export const sampleHierarchyText: string = readFileSync(new URL('../../hierarchy.yaml', import.meta.url), 'utf8');

/** The sample hierarchy with texts replaced; each must occur exactly once, so that a test never edits nothing. */
export function sampleWith(...edits: readonly (readonly [from: string, to: string])[]): string {
  return edits.reduce((text, [from, to]) => {
    if (text.split(from).length !== 2) throw new Error(`'${from}' does not occur exactly once`);
    return text.replace(from, () => to);
  }, sampleHierarchyText);
}

/** The hierarchy of a text that has no fault. */
export function hierarchyOf(text: string = sampleHierarchyText): Hierarchy {
  const reading = parseHierarchy(text);
  if (!reading.ok) throw new Error(JSON.stringify(reading.faults));
  return reading.hierarchy;
}

/** The faults of a text; [] when it has none. */
export function faultsOf(text: string): readonly HierarchyFault[] {
  const reading = parseHierarchy(text);
  return reading.ok ? [] : reading.faults;
}

export function profileOf(hierarchy: Hierarchy, name: string): Profile {
  const profile = findProfile(hierarchy, name);
  if (profile === undefined) throw new Error(`no profile ${name}`);
  return profile;
}

/** The scope of the sample credential. */
export const sampleScope: EnrolmentScope = {
  profiles: ['device', 'service', 'svid'],
  names: { dns: ['*.fleet.example'], spiffe: ['spiffe://fleet.example/*'], ip: [] },
};

const none = new Uint8Array();
const publicKey = parseSubjectPublicKey(spkiOf(anyKeyPair.publicKey));

/** A parsed request for the names given, with a sound P-256 key and nothing else asked for, but for what is overridden. */
export function requestFor(
  names: readonly GeneralName[],
  overrides: Partial<CertificationRequest> = {},
): CertificationRequest {
  return {
    der: none,
    info: none,
    subject: { der: none, attributes: [] },
    publicKey,
    signatureAlgorithm: { kind: 'ecdsa', hash: 'sha256' },
    signature: none,
    challengePassword: false,
    attributeOids: [],
    extensions: [],
    names,
    ...overrides,
  };
}

export function dns(...values: readonly string[]): GeneralName[] {
  return values.map((value) => ({ kind: 'dns', value }));
}

export function uri(...values: readonly string[]): GeneralName[] {
  return values.map((value) => ({ kind: 'uri', value }));
}
