/** Rules of a CA's certificate: validity, algorithms, name constraints. */
import { parseIpRange } from '../pki/ip-address.ts';
import { ancestorsOf, type Draft, type DraftAuthority, nameOf } from './draft.ts';
import { dayMs, durationMs, hourMs, yearsMsMax } from './duration.ts';
import type { Finding } from './fault.ts';
import type { CaKeyAlgorithm, NameSubtrees, Tier } from './model.ts';
import { constrainedKinds, subtreeContains } from './name-constraints.ts';
import { printable } from './printable.ts';
import { eachAuthority, eachProfile, type HierarchyRule } from './rule.ts';

const tiersOfTheDesign = 'Sealwright design: root 10–20 y, subordinate 5–10 y, issuance 1–3 y, leaf 1 h–1 y';
const nesting = 'RFC 5280 §6.1.3: every certificate of a path must be valid at the time';
const strengthOrder = 'NIST SP 800-57 Part 1 §5.6';

export const authorityRules: readonly HierarchyRule[] = [
  { code: 'validity-band', reference: tiersOfTheDesign, check: eachAuthority(validityBand) },
  { code: 'validity-nesting', reference: nesting, check: eachAuthority(validityNesting) },
  { code: 'leaf-validity-band', reference: tiersOfTheDesign, check: eachProfile(leafValidityBand) },
  { code: 'leaf-validity-nesting', reference: nesting, check: eachAuthority(leafValidityNesting) },
  { code: 'algorithm-family', reference: 'RFC 5758, RFC 8017', check: eachAuthority(algorithmFamily) },
  { code: 'key-strength-order', reference: strengthOrder, check: eachAuthority(keyStrengthOrder) },
  { code: 'hash-strength-order', reference: strengthOrder, check: eachAuthority(hashStrengthOrder) },
  {
    code: 'name-constraint-syntax',
    reference: 'RFC 5280 §4.2.1.10; RFC 4632',
    check: eachAuthority(ipConstraintSyntax),
  },
  {
    code: 'name-constraints-widen',
    reference: 'RFC 5280 §4.2.1.10, §6.1.4 (g)',
    check: eachAuthority(constraintsWiden),
  },
  {
    code: 'extended-key-usage-widen',
    reference: 'RFC 5280 §4.2.1.12; Mozilla and CA/Browser Forum: purposes nest',
    check: eachAuthority(usagesWiden),
  },
];

const bandYears: Readonly<Record<Tier, readonly [number, number]>> = {
  root: [10, 20],
  subordinate: [5, 10],
  issuance: [1, 3],
};

function validityBand(authority: DraftAuthority): Finding | undefined {
  const { tier, validity } = authority;
  if (tier === undefined || validity === undefined) return undefined;
  const [min, max] = bandYears[tier];
  const length = durationMs(validity);
  if (length >= min * 365 * dayMs && length <= yearsMsMax(max)) return undefined;
  return {
    at: [...authority.path, 'validity'],
    message: `${validity.text} is outside what a CA of tier ${tier} may have: ${min}y to ${max}y`,
  };
}

function leafValidityBand(profile: {
  path: Finding['at'];
  validity?: DraftAuthority['validity'];
}): Finding | undefined {
  const { validity } = profile;
  if (validity === undefined) return undefined;
  const length = durationMs(validity);
  if (length >= hourMs && length <= yearsMsMax(1)) return undefined;
  return { at: [...profile.path, 'validity'], message: `${validity.text} is outside what a leaf may have: 1h to 1y` };
}

function validityNesting(authority: DraftAuthority, draft: Draft): Finding | undefined {
  const { validity } = authority;
  const parent = ancestorsOf(draft, authority)[0];
  if (validity === undefined || parent?.validity === undefined) return undefined;
  if (durationMs(validity) <= durationMs(parent.validity)) return undefined;
  return {
    at: [...authority.path, 'validity'],
    message: `${validity.text} is longer than the ${parent.validity.text} of its issuer ${nameOf(parent)}`,
  };
}

/** A CA begins before its first leaf, so that a leaf of the same validity would outlive it from the first day on. */
function leafValidityNesting(authority: DraftAuthority, draft: Draft): Finding[] {
  const { validity } = authority;
  if (validity === undefined) return [];
  return draft.profiles.flatMap((profile) => {
    if (profile.validity === undefined || !(authority.profiles ?? []).includes(profile.name)) return [];
    const over = durationMs(profile.validity) - durationMs(validity);
    if (over < 0) return [];
    const word = over > 0 ? 'longer than' : 'as long as';
    const message = `${profile.validity.text} is ${word} the ${validity.text} of its issuer ${nameOf(authority)}, which could never issue it`;
    return [{ at: [...profile.path, 'validity'], message }];
  });
}

function algorithmFamily(authority: DraftAuthority): Finding | undefined {
  const { keyAlgorithm, signingAlgorithm } = authority;
  if (keyAlgorithm === undefined || signingAlgorithm === undefined) return undefined;
  if (keyAlgorithm.startsWith('EC_') === signingAlgorithm.endsWith('ECDSA')) return undefined;
  return {
    at: [...authority.path, 'signingAlgorithm'],
    message: `${signingAlgorithm} cannot be made with a key of ${keyAlgorithm}`,
  };
}

/** Security strength in bits, SP 800-57 Part 1 table 2; RSA-4096 lies between rows and counts as the lower one. */
const keyStrength: Readonly<Record<CaKeyAlgorithm, number>> = {
  RSA_2048: 112,
  RSA_3072: 128,
  RSA_4096: 128,
  EC_prime256v1: 128,
  EC_secp384r1: 192,
  EC_secp521r1: 256,
};

function keyStrengthOrder(authority: DraftAuthority, draft: Draft): Finding | undefined {
  const parent = ancestorsOf(draft, authority)[0];
  if (authority.keyAlgorithm === undefined || parent?.keyAlgorithm === undefined) return undefined;
  const own = keyStrength[authority.keyAlgorithm];
  const above = keyStrength[parent.keyAlgorithm];
  if (own <= above) return undefined;
  return {
    at: [...authority.path, 'keyAlgorithm'],
    message: `${authority.keyAlgorithm} (${own} bits of strength) is stronger than ${parent.keyAlgorithm} (${above}) of its issuer ${nameOf(parent)}: a chain is as strong as its weakest key, so the issuer's must be at least as strong`,
  };
}

function hashBits(signingAlgorithm: string): number {
  return Number(signingAlgorithm.slice(3, 6));
}

function hashStrengthOrder(authority: DraftAuthority, draft: Draft): Finding | undefined {
  const parent = ancestorsOf(draft, authority)[0];
  if (authority.signingAlgorithm === undefined || parent?.signingAlgorithm === undefined) return undefined;
  if (hashBits(authority.signingAlgorithm) <= hashBits(parent.signingAlgorithm)) return undefined;
  return {
    at: [...authority.path, 'signingAlgorithm'],
    message: `${authority.signingAlgorithm} hashes stronger than ${parent.signingAlgorithm}, with which its issuer ${nameOf(parent)} signs it`,
  };
}

const constraintSides = ['permitted', 'excluded'] as const;

function ipConstraintSyntax(authority: DraftAuthority): Finding[] {
  return constraintSides.flatMap((side) =>
    (authority.nameConstraints?.[side]?.ip ?? []).flatMap((range, index) => {
      if (range.includes('/') && parseIpRange(range) !== undefined) return [];
      const at = [...authority.path, 'nameConstraints', side, 'ip', index];
      return [{ at, message: `'${printable(range)}' is not an address range: write 10.0.0.0/8, with host bits zero` }];
    }),
  );
}

/** A child must permit nothing its ancestors do not: the intersection would silently refuse those names. */
function constraintsWiden(authority: DraftAuthority, draft: Draft): Finding[] {
  const own = authority.nameConstraints?.permitted;
  if (own === undefined) return [];
  const ancestors = ancestorsOf(draft, authority);
  const at = (kind: string, index: number) => [...authority.path, 'nameConstraints', 'permitted', kind, index];
  return constrainedKinds.flatMap((kind) => {
    const above = ancestors.find((ancestor) => ancestor.nameConstraints?.permitted?.[kind] !== undefined);
    return (own[kind] ?? []).flatMap((subtree, index): Finding[] => {
      const permitted = above?.nameConstraints?.permitted?.[kind];
      if (above !== undefined && permitted !== undefined && !permitted.some((p) => subtreeContains(kind, p, subtree))) {
        const allowed = permitted.map((p) => printable(p)).join(', ');
        const message = `${kind} ${printable(subtree)} is not within what ${nameOf(above)} permits: ${allowed}`;
        return [{ at: at(kind, index), message }];
      }
      const excluder = ancestors.find((ancestor) => excludes(ancestor.nameConstraints?.excluded, kind, subtree));
      if (excluder === undefined) return [];
      return [{ at: at(kind, index), message: `${kind} ${printable(subtree)} is excluded by ${nameOf(excluder)}` }];
    });
  });
}

/** Validators that know purposes of CAs intersect them along the path: what an ancestor lacks is lost in silence. */
function usagesWiden(authority: DraftAuthority, draft: Draft): Finding[] {
  const above = ancestorsOf(draft, authority).filter((ancestor) => ancestor.extendedKeyUsage !== undefined);
  return (authority.extendedKeyUsage ?? []).flatMap((usage, index) => {
    const narrower = above.find((ancestor) => !ancestor.extendedKeyUsage?.includes(usage));
    if (narrower === undefined) return [];
    const allowed = narrower.extendedKeyUsage?.join(', ') ?? '';
    const message = `${usage} is not among what ${nameOf(narrower)} above may certify: ${allowed}`;
    return [{ at: [...authority.path, 'extendedKeyUsage', index], message }];
  });
}

function excludes(
  excluded: NameSubtrees | undefined,
  kind: (typeof constrainedKinds)[number],
  subtree: string,
): boolean {
  return (excluded?.[kind] ?? []).some((tree) => subtreeContains(kind, tree, subtree));
}
