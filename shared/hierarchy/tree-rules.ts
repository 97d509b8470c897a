/** Rules of the tree: who signs whom, how deep, and the names by which CAs are told apart. */
import { MalformedError } from '../pki/malformed.ts';
import { encodeDistinguishedName } from '../pki/names.ts';
import { ancestorsOf, type Draft, type DraftAuthority, isMalformed, namedParent, nameOf } from './draft.ts';
import type { Finding } from './fault.ts';
import type { Tier } from './model.ts';
import { printable } from './printable.ts';
import { eachAuthority, type HierarchyRule } from './rule.ts';

const design = 'Sealwright hierarchy: root → subordinate → issuance';
const pathLength = 'RFC 5280 §4.2.1.9';

const parentTier: Readonly<Record<Tier, Tier | undefined>> = {
  root: undefined,
  subordinate: 'root',
  issuance: 'subordinate',
};

export const treeRules: readonly HierarchyRule[] = [
  { code: 'id-duplicate', reference: 'Sealwright hierarchy: an id names one CA', check: repeatedIds },
  { code: 'subject-syntax', reference: 'RFC 4514; RFC 5280 §4.1.2.4', check: eachAuthority(subjectSyntax) },
  { code: 'subject-duplicate', reference: 'RFC 5280 §4.1.2.4, §4.1.2.6', check: repeatedSubjects },
  { code: 'root-missing', reference: design, check: rootMissing },
  { code: 'root-several', reference: design, check: rootSeveral },
  { code: 'root-with-parent', reference: design, check: eachAuthority(rootWithParent) },
  { code: 'parent-missing', reference: design, check: eachAuthority(parentMissing) },
  { code: 'parent-unknown', reference: design, check: eachAuthority(parentUnknown) },
  { code: 'hierarchy-cycle', reference: 'RFC 5280 §6.1', check: cycles },
  { code: 'tier-order', reference: design, check: eachAuthority(tierOrder) },
  { code: 'path-length-missing', reference: pathLength, check: eachAuthority(pathLengthMissing) },
  { code: 'path-length-issuance', reference: pathLength, check: eachAuthority(pathLengthIssuance) },
  { code: 'path-length-order', reference: pathLength, check: eachAuthority(pathLengthOrder) },
  { code: 'path-length-too-small', reference: pathLength, check: eachAuthority(pathLengthTooSmall) },
];

function repeated(draft: Draft, field: 'id' | 'subject', keyOf: (a: DraftAuthority) => string | undefined): Finding[] {
  const first = new Map<string, DraftAuthority>();
  const findings: Finding[] = [];
  for (const authority of draft.authorities) {
    const key = keyOf(authority);
    if (key === undefined) continue;
    const before = first.get(key);
    if (before === undefined) first.set(key, authority);
    else {
      const place = Number(before.path[1]) + 1;
      const message = `'${printable(authority[field] ?? '')}' is the ${field} of authority ${place} already`;
      findings.push({ at: [...authority.path, field], message });
    }
  }
  return findings;
}

function repeatedIds(draft: Draft): Finding[] {
  return repeated(draft, 'id', (authority) => authority.id);
}

/** Two CAs of one name make every issuer field, CRL and authority lookup ambiguous. */
function repeatedSubjects(draft: Draft): Finding[] {
  return repeated(draft, 'subject', (authority) => {
    const der = encodedSubject(authority.subject);
    return der === undefined ? undefined : Buffer.from(der).toString('hex');
  });
}

function encodedSubject(text: string | undefined): Uint8Array | undefined {
  if (text === undefined) return undefined;
  try {
    return encodeDistinguishedName(text);
  } catch (error) {
    if (error instanceof MalformedError) return undefined;
    throw error;
  }
}

function subjectSyntax(authority: DraftAuthority): Finding | undefined {
  const { subject } = authority;
  if (subject === undefined) return undefined;
  const der = encodedSubject(subject);
  // An empty name is the two bytes 30 00: a CA must have one.
  if (der !== undefined && der.length > 2) return undefined;
  return {
    at: [...authority.path, 'subject'],
    message: `'${printable(subject)}' is not a distinguished name: write CN=Devices G1,O=Example Fleet`,
  };
}

function rootMissing(draft: Draft): Finding[] {
  // A tier that could not be read may have been the root's.
  if (draft.authorities.length === 0 || draft.authorities.some((a) => a.tier === 'root' || a.tier === undefined))
    return [];
  return [{ at: ['authorities'], message: 'no authority has tier root', atKey: true }];
}

function rootSeveral(draft: Draft): Finding[] {
  const [first, ...others] = draft.authorities.filter((authority) => authority.tier === 'root');
  return others.map((authority) => ({
    at: [...authority.path, 'tier'],
    message: `${nameOf(authority)} is a second root beside ${first === undefined ? 'another' : nameOf(first)}: one file describes one root`,
  }));
}

function rootWithParent(authority: DraftAuthority): Finding | undefined {
  if (authority.tier !== 'root' || authority.parent === undefined) return undefined;
  return {
    at: [...authority.path, 'parent'],
    message: `a root signs itself: ${nameOf(authority)} cannot have a parent`,
  };
}

function parentMissing(authority: DraftAuthority, draft: Draft): Finding | undefined {
  const { tier } = authority;
  if (tier === undefined || tier === 'root' || authority.parent !== undefined) return undefined;
  // A parent of the wrong shape has been reported as such.
  if (isMalformed(draft, authority, 'parent')) return undefined;
  const above = tier === 'subordinate' ? 'the root' : 'a subordinate';
  return { at: authority.path, message: `${nameOf(authority)} has no parent: write the id of ${above}` };
}

function parentUnknown(authority: DraftAuthority, draft: Draft): Finding | undefined {
  const { parent } = authority;
  if (parent === undefined || authority.tier === 'root' || draft.idsWritten.has(parent)) return undefined;
  return { at: [...authority.path, 'parent'], message: `there is no authority '${printable(parent)}'` };
}

/** Each cycle once, at the first of its members in the file. */
function cycles(draft: Draft): Finding[] {
  const told = new Set<DraftAuthority>();
  const findings: Finding[] = [];
  for (const start of draft.authorities) {
    const walk: DraftAuthority[] = [];
    let current: DraftAuthority | undefined = start;
    while (current !== undefined && !walk.includes(current) && !told.has(current)) {
      walk.push(current);
      current = namedParent(draft, current);
    }
    if (current !== start || told.has(start)) continue;
    for (const member of walk) told.add(member);
    const names = [...walk, start].map((member) => printable(member.id ?? '')).join(' → ');
    findings.push({ at: [...start.path, 'parent'], message: `authorities sign one another in a circle: ${names}` });
  }
  return findings;
}

function tierOrder(authority: DraftAuthority, draft: Draft): Finding | undefined {
  const { tier } = authority;
  const parent = namedParent(draft, authority);
  if (tier === undefined || tier === 'root' || parent?.tier === undefined || parent === authority) return undefined;
  if (parent.tier === parentTier[tier]) return undefined;
  const message = `${tierWord(tier)} is signed by a ${parentTier[tier]}, and ${nameOf(parent)} is ${tierWord(parent.tier)}`;
  return { at: [...authority.path, 'parent'], message };
}

function tierWord(tier: Tier): string {
  return tier === 'issuance' ? 'an issuance CA' : `a ${tier}`;
}

function pathLengthMissing(authority: DraftAuthority, draft: Draft): Finding | undefined {
  if (authority.tier !== 'subordinate' || authority.pathLen !== undefined) return undefined;
  if (isMalformed(draft, authority, 'pathLen')) return undefined;
  const message = `${nameOf(authority)} has no pathLen: without one it may make CAs without end`;
  return { at: authority.path, message };
}

function pathLengthIssuance(authority: DraftAuthority, draft: Draft): Finding | undefined {
  if (authority.tier !== 'issuance' || authority.pathLen === 0) return undefined;
  if (authority.pathLen === undefined) {
    if (isMalformed(draft, authority, 'pathLen')) return undefined;
    return { at: authority.path, message: `an issuance CA signs no CAs: write pathLen: 0 for ${nameOf(authority)}` };
  }
  const message = `an issuance CA signs no CAs: pathLen must be 0, not ${authority.pathLen}`;
  return { at: [...authority.path, 'pathLen'], message };
}

/** A child must leave room below its parent: its pathLen is at most the parent's less one. */
function pathLengthOrder(authority: DraftAuthority, draft: Draft): Finding | undefined {
  const { pathLen } = authority;
  // An issuance CA whose pathLen is not 0 is told so already.
  if (pathLen === undefined || (authority.tier === 'issuance' && pathLen > 0)) return undefined;
  const bound = nearest(ancestorsOf(draft, authority), (ancestor) => ancestor.pathLen);
  // A parent of 0 lets no CA follow at all, which `path-length-too-small` says at the parent.
  if (bound === undefined || bound.value - bound.distance < 0 || pathLen <= bound.value - bound.distance)
    return undefined;
  const message = `pathLen ${pathLen} exceeds what ${nameOf(bound.at)} with pathLen ${bound.value} leaves: ${bound.value - bound.distance}`;
  return { at: [...authority.path, 'pathLen'], message };
}

function nearest<T>(ancestors: readonly DraftAuthority[], read: (ancestor: DraftAuthority) => T | undefined) {
  for (const [index, at] of ancestors.entries()) {
    const value = read(at);
    if (value !== undefined) return { at, value, distance: index + 1 };
  }
  return undefined;
}

/** A CA whose descendants are deeper than its pathLen allows: chains through it would not validate. */
function pathLengthTooSmall(authority: DraftAuthority, draft: Draft): Finding | undefined {
  const { pathLen } = authority;
  if (pathLen === undefined || authority.tier === 'issuance') return undefined;
  // How far up a descendant this CA stands is how many CA certificates follow it in a chain, the descendant's included.
  const depths = draft.authorities.map((other) => ancestorsOf(draft, other).indexOf(authority));
  const deepest = Math.max(-1, ...depths) + 1;
  if (deepest <= pathLen) return undefined;
  const message = `pathLen ${pathLen} lets ${pathLen} CAs follow ${nameOf(authority)}, and ${deepest} follow it here`;
  return { at: [...authority.path, 'pathLen'], message };
}
