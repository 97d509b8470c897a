/** Rules of where keys live: backends, their sections, what custody is demanded of them. */
import { custodyModelOf, type Draft, type DraftAuthority, isMalformed, nameOf } from './draft.ts';
import { dayMs, durationMs } from './duration.ts';
import type { Finding } from './fault.ts';
import { printable } from './printable.ts';
import { eachAuthority, type HierarchyRule } from './rule.ts';

const acmPcaModes = 'ACM PCA CreateCertificateAuthority, UsageMode';
const oneTokenATier = 'Sealwright custody: one token, user and PIN a tier';
const custody = 'Sealwright custody';
const signQuorum = 'AWS CloudHSM: quorum for key-usage (sign)';
/** Longest validity a CA in short-lived mode issues. */
const shortLivedMsMax = 7 * dayMs;

export const custodyRules: readonly HierarchyRule[] = [
  { code: 'mode-without-acm-pca', reference: acmPcaModes, check: eachAuthority(modeWithoutAcmPca) },
  {
    code: 'crl-not-its-own',
    reference: 'ACM PCA CreateCertificateAuthority, RevocationConfiguration',
    check: eachAuthority(crlNotItsOwn),
  },
  { code: 'short-lived-tier', reference: acmPcaModes, check: eachAuthority(shortLivedTier) },
  { code: 'short-lived-validity', reference: acmPcaModes, check: shortLivedValidity },
  { code: 'pkcs11-section-missing', reference: 'PKCS #11 v2.40 §4.4', check: eachAuthority(pkcs11Missing) },
  { code: 'pkcs11-section-unused', reference: 'PKCS #11 v2.40 §4.4', check: eachAuthority(pkcs11Unused) },
  { code: 'pkcs11-label-length', reference: 'PKCS #11 v2.40 §3.2', check: eachAuthority(labelLength) },
  { code: 'pkcs11-key-shared', reference: custody, check: pkcs11KeyShared },
  { code: 'pkcs11-tokens-of-signer', reference: oneTokenATier, check: tokensOfSigner },
  { code: 'pkcs11-token-across-tiers', reference: oneTokenATier, check: pkcs11TokenAcrossTiers },
  { code: 'custody-model-backend', reference: custody, check: eachAuthority(modelOfBackend) },
  {
    code: 'software-outside-dev',
    reference: `${custody}: software keys in dev only`,
    check: eachAuthority(softwareOutsideDev),
  },
  {
    code: 'custody-level-prod',
    reference: `${custody}: FIPS 140 level 3 is the minimum for a CA key`,
    check: eachAuthority(levelInProd),
  },
  { code: 'cmvp-none-accepted', reference: custody, check: eachAuthority(cmvpNoneAccepted) },
  {
    code: 'cmvp-revoked-prod',
    reference: 'CMVP: a revoked validation is void',
    check: eachAuthority(cmvpRevokedInProd),
  },
  { code: 'sign-quorum-backend', reference: signQuorum, check: eachAuthority(quorumOfBackend) },
  { code: 'sign-quorum-automated', reference: signQuorum, check: eachAuthority(quorumBehindSigner) },
];

function modeWithoutAcmPca(authority: DraftAuthority): Finding | undefined {
  if (authority.mode === undefined || authority.backend === undefined || authority.backend === 'acm-pca')
    return undefined;
  return {
    at: [...authority.path, 'mode'],
    message: `mode is ACM PCA's; ${nameOf(authority)} has backend ${authority.backend}`,
  };
}

/** CRLs of a held key are ours, and a leaf's issuer is where a leaf is revoked. */
function crlNotItsOwn(authority: DraftAuthority): Finding | undefined {
  const { backend, crl, tier } = authority;
  if (crl === undefined || backend === undefined || tier === undefined) return undefined;
  if (backend === 'acm-pca' && tier === 'issuance') return undefined;
  const why =
    backend === 'acm-pca'
      ? `${nameOf(authority)} is no issuance CA: its parent's ceremony revokes what it signs`
      : `CRLs of backend ${backend} are Sealwright's own: leave it out`;
  return { at: [...authority.path, 'crl'], message: `crl is for issuance CAs in ACM PCA; ${why}`, atKey: true };
}

function shortLivedTier(authority: DraftAuthority): Finding | undefined {
  const { mode, tier } = authority;
  if (mode !== 'SHORT_LIVED_CERTIFICATE' || tier === undefined || tier === 'issuance') return undefined;
  return {
    at: [...authority.path, 'mode'],
    message: `a CA in short-lived mode issues at most 7 days and so cannot sign CAs`,
  };
}

function shortLivedValidity(draft: Draft): Finding[] {
  return draft.authorities.flatMap((authority) => {
    if (authority.mode !== 'SHORT_LIVED_CERTIFICATE' || authority.backend !== 'acm-pca') return [];
    return draft.profiles.flatMap((profile) => {
      if (profile.validity === undefined || !(authority.profiles ?? []).includes(profile.name)) return [];
      if (durationMs(profile.validity) <= shortLivedMsMax) return [];
      const message = `${profile.validity.text} is longer than the 7 days that ${nameOf(authority)} in short-lived mode can issue`;
      return [{ at: [...profile.path, 'validity'], message }];
    });
  });
}

function pkcs11Missing(authority: DraftAuthority, draft: Draft): Finding | undefined {
  if (authority.backend !== 'pkcs11' || authority.pkcs11 !== undefined) return undefined;
  if (isMalformed(draft, authority, 'pkcs11')) return undefined;
  const message = `${nameOf(authority)} has backend pkcs11 and no pkcs11 section: write { tokenLabel, keyLabel }`;
  return { at: authority.path, message };
}

function pkcs11Unused(authority: DraftAuthority): Finding | undefined {
  if (authority.pkcs11 === undefined || authority.backend === undefined || authority.backend === 'pkcs11')
    return undefined;
  const message = `${nameOf(authority)} has backend ${authority.backend}, which has no use for a pkcs11 section`;
  return { at: [...authority.path, 'pkcs11'], message, atKey: true };
}

/** Labels are bytes to a token, and a character may be four of them. */
const tokenLabelBytesMax = 32;
const keyLabelBytesMax = 64;

function labelLength(authority: DraftAuthority): Finding[] {
  const labels = [
    ['tokenLabel', tokenLabelBytesMax],
    ['keyLabel', keyLabelBytesMax],
  ] as const;
  return labels.flatMap(([field, bytesMax]) => {
    const label = authority.pkcs11?.[field];
    if (label === undefined) return [];
    const at = [...authority.path, 'pkcs11', field];
    if (label.trimEnd() !== label) return [{ at, message: `a label ends in no blank: tokens pad theirs with blanks` }];
    const bytes = Buffer.byteLength(label, 'utf8');
    if (bytes <= bytesMax) return [];
    return [{ at, message: `'${printable(label)}' is ${bytes} bytes of UTF-8; a ${field} has ${bytesMax} at most` }];
  });
}

function pkcs11KeyShared(draft: Draft): Finding[] {
  const first = new Map<string, DraftAuthority>();
  return draft.authorities.flatMap((authority) => {
    const { tokenLabel, keyLabel } = authority.pkcs11 ?? {};
    if (tokenLabel === undefined || keyLabel === undefined) return [];
    const place = JSON.stringify([tokenLabel, keyLabel]);
    const before = first.get(place);
    if (before === undefined) {
      first.set(place, authority);
      return [];
    }
    const message = `key '${printable(keyLabel)}' on token '${printable(tokenLabel)}' is the key of ${nameOf(before)} already`;
    return [{ at: [...authority.path, 'pkcs11', 'keyLabel'], message }];
  });
}

/** A token of two tiers has one PIN for both: whoever runs the signer could then sign as the CA above. */
function pkcs11TokenAcrossTiers(draft: Draft): Finding[] {
  const first = new Map<string, DraftAuthority>();
  return draft.authorities.flatMap((authority) => {
    const tokenLabel = authority.pkcs11?.tokenLabel;
    if (tokenLabel === undefined || authority.tier === undefined || authority.backend !== 'pkcs11') return [];
    const before = first.get(tokenLabel);
    if (before === undefined) {
      first.set(tokenLabel, authority);
      return [];
    }
    if (before.tier === authority.tier) return [];
    const message = `token '${printable(tokenLabel)}' holds the key of ${nameOf(before)}, which is of tier ${before.tier}, not ${authority.tier}`;
    return [{ at: [...authority.path, 'pkcs11', 'tokenLabel'], message }];
  });
}

/** The signer holds one PIN. */
function tokensOfSigner(draft: Draft): Finding[] {
  const onTokens = draft.authorities.filter(
    ({ backend, pkcs11, tier }) => tier === 'issuance' && backend === 'pkcs11' && pkcs11?.tokenLabel !== undefined,
  );
  const [first, ...others] = onTokens;
  return others.flatMap((authority): Finding[] => {
    if (first === undefined || authority.pkcs11?.tokenLabel === first.pkcs11?.tokenLabel) return [];
    const message = `the signer holds the PIN of token '${printable(first.pkcs11?.tokenLabel ?? '')}', where ${nameOf(first)} is, and no other`;
    return [{ at: [...authority.path, 'pkcs11', 'tokenLabel'], message }];
  });
}

function modelOfBackend(authority: DraftAuthority): Finding | undefined {
  const { backend } = authority;
  const model = authority.custody?.model;
  if (backend === undefined || model === undefined || model === custodyModelOf[backend]) return undefined;
  return {
    at: [...authority.path, 'custody', 'model'],
    message: `custody of a key in backend ${backend} is ${custodyModelOf[backend]}, not ${model}`,
  };
}

function softwareOutsideDev(authority: DraftAuthority, draft: Draft): Finding | undefined {
  if (draft.stage !== 'prod' || authority.backend !== 'software') return undefined;
  return { at: [...authority.path, 'backend'], message: `a key in software is for stage dev, not ${draft.stage}` };
}

function levelInProd(authority: DraftAuthority, draft: Draft): Finding | undefined {
  const level = authority.custody?.securityLevelMin;
  if (draft.stage !== 'prod' || level === undefined || level >= 3 || authority.backend === 'software') return undefined;
  return {
    at: [...authority.path, 'custody', 'securityLevelMin'],
    message: `securityLevelMin ${level} is below 3, the least for a CA key in prod`,
  };
}

function cmvpRevokedInProd(authority: DraftAuthority, draft: Draft): Finding | undefined {
  const index = (authority.custody?.cmvpAccepted ?? []).indexOf('revoked');
  if (index < 0 || draft.stage !== 'prod') return undefined;
  const message = `a module whose validation was revoked holds no CA key in ${draft.stage}`;
  return { at: [...authority.path, 'custody', 'cmvpAccepted', index], message };
}

function quorumOfBackend(authority: DraftAuthority): Finding | undefined {
  const { backend, custody: demanded } = authority;
  if (demanded?.signQuorum === undefined || backend === undefined || backend === 'pkcs11') return undefined;
  const message = `a key in backend ${backend} has no quorum of people: only an HSM of one's own has`;
  return { at: [...authority.path, 'custody', 'signQuorum'], message, atKey: true };
}

/** The signer asks nobody: its first batch would wait for approvals that never come. */
function quorumBehindSigner(authority: DraftAuthority): Finding | undefined {
  const quorum = authority.custody?.signQuorum;
  if (quorum === undefined || authority.tier !== 'issuance' || authority.backend !== 'pkcs11') return undefined;
  const message = `${nameOf(authority)} signs leaves unattended, and ${quorum} people would have to approve each: put the quorum on the CAs above`;
  return { at: [...authority.path, 'custody', 'signQuorum'], message, atKey: true };
}

function cmvpNoneAccepted(authority: DraftAuthority, draft: Draft): Finding | undefined {
  const { custody: demanded } = authority;
  if (demanded?.cmvpAccepted === undefined || demanded.cmvpAccepted.length > 0) return undefined;
  // Statuses that are misspelt were meant to be accepted.
  const at = [...authority.path, 'custody', 'cmvpAccepted'];
  if (isMalformed(draft, { path: at }, '0')) return undefined;
  if (demanded.model === undefined || demanded.model === 'software') return undefined;
  return { at, message: 'no CMVP status is accepted, so no module could pass' };
}
