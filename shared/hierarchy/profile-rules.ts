/** Rules of profiles: who issues them, what their certificates carry. */
import type { KeyUsageName } from '../pki/certification-request.ts';
import { parseSpiffeId } from '../pki/spiffe-id.ts';
import {
  ancestorsOf,
  type Draft,
  type DraftAuthority,
  type DraftProfile,
  isMalformed,
  issuersOf,
  nameOf,
} from './draft.ts';
import { evaluatedExtensionOids, extensionOid } from './extension-names.ts';
import type { Finding } from './fault.ts';
import type { ProfileKey } from './model.ts';
import { uriHostInSubtree } from './name-constraints.ts';
import { printable } from './printable.ts';
import { eachAuthority, eachProfile, type HierarchyRule } from './rule.ts';

const oneIssuer = 'Sealwright hierarchy: a profile is issued by exactly one issuance CA';
const keyUsage = 'RFC 5280 §4.2.1.3';
const dropped = 'Sealwright hierarchy: requestedExtensions.drop';

export const profileRules: readonly HierarchyRule[] = [
  { code: 'profiles-outside-issuance', reference: oneIssuer, check: eachAuthority(profilesOutsideIssuance) },
  { code: 'profile-undefined', reference: oneIssuer, check: eachAuthority(profileUndefined) },
  { code: 'profile-unused', reference: oneIssuer, check: eachProfile(profileUnused) },
  { code: 'profile-shared', reference: oneIssuer, check: profileShared },
  {
    code: 'profile-extended-key-usage',
    reference: 'RFC 5280 §4.2.1.12; Mozilla and CA/Browser Forum: purposes nest',
    check: eachProfile(usageOutsideIssuers),
  },
  { code: 'profile-without-names', reference: 'RFC 5280 §4.2.1.6', check: eachProfile(profileWithoutNames) },
  { code: 'name-count-order', reference: 'Sealwright hierarchy: names.dns', check: eachProfile(nameCountOrder) },
  { code: 'subject-needs-dns-name', reference: 'Sealwright hierarchy: subject', check: eachProfile(subjectNeedsDns) },
  { code: 'key-usage-of-a-ca', reference: `${keyUsage}, §4.2.1.9`, check: eachProfile(keyUsageOfCa) },
  {
    code: 'key-usage-key-mismatch',
    reference: 'RFC 8813 §3, RFC 8410 §5, RFC 3279 §2.3.1',
    check: eachProfile(keyUsageMismatch),
  },
  { code: 'key-usage-incomplete', reference: keyUsage, check: eachProfile(keyUsageIncomplete) },
  { code: 'svid-key-usage', reference: 'SPIFFE X509-SVID §4.3', check: eachProfile(svidKeyUsage) },
  { code: 'svid-extended-key-usage', reference: 'SPIFFE X509-SVID §4.4', check: eachProfile(svidExtendedKeyUsage) },
  {
    code: 'key-type-unsupported-by-backend',
    reference: 'ACM PCA IssueCertificate: RSA and EC requests',
    check: eachProfile(keyTypeOfBackend),
  },
  { code: 'drop-extension-unknown', reference: dropped, check: eachProfile(dropUnknown) },
  { code: 'drop-extension-evaluated', reference: dropped, check: eachProfile(dropEvaluated) },
  { code: 'trust-domain-syntax', reference: 'SPIFFE-ID §2.1', check: eachProfile(trustDomainSyntax) },
  {
    code: 'trust-domain-outside-constraints',
    reference: 'RFC 5280 §4.2.1.10',
    check: eachProfile(trustDomainConstrained),
  },
  { code: 'crl-base-url', reference: 'RFC 5280 §4.2.1.13, §8', check: crlBaseUrl },
];

function profilesOutsideIssuance(authority: DraftAuthority): Finding | undefined {
  const { tier, profiles } = authority;
  if (tier === undefined || tier === 'issuance' || profiles === undefined || profiles.length === 0) return undefined;
  const message = `${nameOf(authority)} is of tier ${tier}: only issuance CAs issue profiles`;
  return { at: [...authority.path, 'profiles'], message, atKey: true };
}

function profileUndefined(authority: DraftAuthority, draft: Draft): Finding[] {
  return (authority.profiles ?? []).flatMap((name, index) => {
    if (draft.profilesWritten.has(name)) return [];
    return [{ at: [...authority.path, 'profiles', index], message: `there is no profile '${printable(name)}'` }];
  });
}

function profileUnused(profile: DraftProfile, draft: Draft): Finding | undefined {
  if (issuersOf(draft, profile.name).length > 0) return undefined;
  return { at: profile.path, message: `no CA issues the profile '${printable(profile.name)}'`, atKey: true };
}

function profileShared(draft: Draft): Finding[] {
  return draft.profiles.flatMap((profile) => {
    const [first, ...others] = issuersOf(draft, profile.name);
    return others.map((authority) => ({
      at: [...authority.path, 'profiles', (authority.profiles ?? []).indexOf(profile.name)],
      message: `'${printable(profile.name)}' is issued by ${first === undefined ? 'another CA' : nameOf(first)} already`,
    }));
  });
}

function usageOutsideIssuers(profile: DraftProfile, draft: Draft): Finding[] {
  const path = issuersOf(draft, profile.name).flatMap((issuer) => [issuer, ...ancestorsOf(draft, issuer)]);
  return (profile.extendedKeyUsage ?? []).flatMap((usage, index) => {
    const narrower = path.find(({ extendedKeyUsage }) => extendedKeyUsage?.includes(usage) === false);
    if (narrower === undefined) return [];
    const message = `${usage} is not among what ${nameOf(narrower)} may certify: ${narrower.extendedKeyUsage?.join(', ')}`;
    return [{ at: [...profile.path, 'extendedKeyUsage', index], message }];
  });
}

function profileWithoutNames(profile: DraftProfile, draft: Draft): Finding | undefined {
  const { names } = profile;
  if (names === undefined) return undefined;
  const kinds = ['dns', 'spiffe', 'ip'] as const;
  const at = [...profile.path, 'names'];
  if (kinds.some((kind) => names[kind] !== undefined || isMalformed(draft, { path: at }, kind))) return undefined;
  return { at, message: 'no kind of name is allowed: a certificate would name nobody', atKey: true };
}

function nameCountOrder(profile: DraftProfile): Finding | undefined {
  const { countMin, countMax } = profile.names?.dns ?? {};
  if (countMin === undefined || countMax === undefined || countMin <= countMax) return undefined;
  return {
    at: [...profile.path, 'names', 'dns', 'countMin'],
    message: `countMin ${countMin} exceeds countMax ${countMax}`,
  };
}

function subjectNeedsDns(profile: DraftProfile, draft: Draft): Finding | undefined {
  if (profile.subject !== 'first-dns-name' || profile.names === undefined) return undefined;
  const { dns } = profile.names;
  if (dns === undefined) {
    if (isMalformed(draft, { path: [...profile.path, 'names'] }, 'dns')) return undefined;
    return {
      at: [...profile.path, 'subject'],
      message: 'the subject is the first DNS name, and the profile allows none',
    };
  }
  if (dns.countMin !== 0) return undefined;
  const at = [...profile.path, 'names', 'dns', 'countMin'];
  return { at, message: 'the subject is the first DNS name, so at least 1 must be asked for' };
}

function usageFindings(profile: DraftProfile, wrong: (usage: KeyUsageName) => string | undefined): Finding[] {
  return (profile.keyUsage ?? []).flatMap((usage, index) => {
    const message = wrong(usage);
    return message === undefined ? [] : [{ at: [...profile.path, 'keyUsage', index], message }];
  });
}

const caUsages: readonly KeyUsageName[] = ['keyCertSign', 'cRLSign'];

function keyUsageOfCa(profile: DraftProfile): Finding[] {
  return usageFindings(profile, (usage) =>
    caUsages.includes(usage) ? `${usage} is for CAs; this is a leaf` : undefined,
  );
}

const signing: readonly KeyUsageName[] = ['digitalSignature', 'nonRepudiation'];
/** What each family of keys can do; a usage beyond it is improper whatever the certificate is for. */
const usagesOfFamily: Readonly<Record<'RSA' | 'P' | 'Ed25519', readonly KeyUsageName[]>> = {
  RSA: [...signing, 'keyEncipherment', 'dataEncipherment'],
  P: [...signing, 'keyAgreement', 'encipherOnly', 'decipherOnly'],
  Ed25519: signing,
};

function familyOf(key: ProfileKey): keyof typeof usagesOfFamily {
  if (key === 'Ed25519') return key;
  return key.startsWith('RSA-') ? 'RSA' : 'P';
}

function keyUsageMismatch(profile: DraftProfile): Finding[] {
  const keys = profile.keys ?? [];
  return usageFindings(profile, (usage) => {
    if (caUsages.includes(usage)) return undefined;
    const unfit = keys.filter((key) => !usagesOfFamily[familyOf(key)].includes(usage));
    return unfit.length === 0
      ? undefined
      : `${usage} is improper for keys of ${unfit.join(', ')}, which the profile allows`;
  });
}

function keyUsageIncomplete(profile: DraftProfile): Finding[] {
  const usages = profile.keyUsage ?? [];
  return usageFindings(profile, (usage) => {
    if ((usage !== 'encipherOnly' && usage !== 'decipherOnly') || usages.includes('keyAgreement')) return undefined;
    return `${usage} has no meaning without keyAgreement`;
  });
}

function svidKeyUsage(profile: DraftProfile): Finding | undefined {
  if (profile.names?.spiffe === undefined || profile.keyUsage === undefined) return undefined;
  if (profile.keyUsage.includes('digitalSignature')) return undefined;
  return { at: [...profile.path, 'keyUsage'], message: 'an X509-SVID leaf has digitalSignature', atKey: true };
}

function svidExtendedKeyUsage(profile: DraftProfile): Finding | undefined {
  const usages = profile.extendedKeyUsage;
  if (profile.names?.spiffe === undefined || usages === undefined) return undefined;
  const missing = (['serverAuth', 'clientAuth'] as const).filter((usage) => !usages.includes(usage));
  if (missing.length === 0) return undefined;
  const message = `an X509-SVID is for both ends of a connection: ${missing.join(' and ')} missing`;
  return { at: [...profile.path, 'extendedKeyUsage'], message, atKey: true };
}

function keyTypeOfBackend(profile: DraftProfile, draft: Draft): Finding[] {
  const issuer = issuersOf(draft, profile.name).find((authority) => authority.backend === 'acm-pca');
  const index = (profile.keys ?? []).indexOf('Ed25519');
  if (issuer === undefined || index < 0) return [];
  const message = `${nameOf(issuer)} is an ACM PCA CA, which takes requests with RSA and EC keys only`;
  return [{ at: [...profile.path, 'keys', index], message }];
}

function dropFindings(profile: DraftProfile, wrong: (entry: string) => string | undefined): Finding[] {
  return (profile.requestedExtensions?.drop ?? []).flatMap((entry, index) => {
    const message = wrong(entry);
    return message === undefined ? [] : [{ at: [...profile.path, 'requestedExtensions', 'drop', index], message }];
  });
}

function dropUnknown(profile: DraftProfile): Finding[] {
  return dropFindings(profile, (entry) =>
    extensionOid(entry) === undefined
      ? `'${printable(entry)}' names no extension: write tlsFeature, or an OID`
      : undefined,
  );
}

function dropEvaluated(profile: DraftProfile): Finding[] {
  return dropFindings(profile, (entry) => {
    const oid = extensionOid(entry);
    if (oid === undefined || !evaluatedExtensionOids.includes(oid)) return undefined;
    return `${printable(entry)} is evaluated, and so cannot be dropped unread`;
  });
}

function isTrustDomain(text: string): boolean {
  return parseSpiffeId(`spiffe://${text}/x`)?.trustDomain === text;
}

function trustDomainSyntax(profile: DraftProfile): Finding | undefined {
  const trustDomain = profile.names?.spiffe?.trustDomain;
  if (trustDomain === undefined || isTrustDomain(trustDomain)) return undefined;
  const message = `'${printable(trustDomain)}' is no trust domain: lower-case letters, digits, dots, hyphens, underscores`;
  return { at: [...profile.path, 'names', 'spiffe', 'trustDomain'], message };
}

function trustDomainConstrained(profile: DraftProfile, draft: Draft): Finding | undefined {
  const trustDomain = profile.names?.spiffe?.trustDomain;
  if (trustDomain === undefined || !isTrustDomain(trustDomain)) return undefined;
  for (const issuer of issuersOf(draft, profile.name)) {
    for (const authority of [issuer, ...ancestorsOf(draft, issuer)]) {
      const permitted = authority.nameConstraints?.permitted?.uri;
      const excluded = authority.nameConstraints?.excluded?.uri ?? [];
      const inside = permitted === undefined || permitted.some((tree) => uriHostInSubtree(trustDomain, tree));
      if (inside && !excluded.some((tree) => uriHostInSubtree(trustDomain, tree))) continue;
      const message = `${trustDomain} is outside the URI name constraints of ${nameOf(authority)}: no id of it could be issued`;
      return { at: [...profile.path, 'names', 'spiffe', 'trustDomain'], message };
    }
  }
  return undefined;
}

/** Plain HTTP, so that fetching a list needs no certificate check; nothing that a path appended later would land behind. */
function crlBaseUrl(draft: Draft): Finding[] {
  const text = draft.crlBaseUrl;
  if (text === undefined) return [];
  const url = /^[\x21-\x7e]+$/.test(text) && URL.canParse(text) ? new URL(text) : undefined;
  const isPlain = url !== undefined && url.username === '' && url.password === '' && !/[?#]/.test(text);
  if (isPlain && url.protocol === 'http:' && text.startsWith('http://') && url.hostname !== '') return [];
  return [
    { at: ['crlBaseUrl'], message: `'${printable(text)}' is not a plain HTTP address: write http://crl.fleet.example` },
  ];
}
