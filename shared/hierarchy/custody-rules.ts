/** Rules of where keys live: backends, their sections, what custody is demanded of them. */
import { custodyModelOf, type Draft, type DraftAuthority, isMalformed, nameOf } from './draft.ts';
import { dayMs, durationMs } from './duration.ts';
import type { Finding } from './fault.ts';
import { printable } from './printable.ts';
import { eachAuthority, type HierarchyRule } from './rule.ts';

const acmPcaModes = 'ACM PCA CreateCertificateAuthority, UsageMode';
const oneTokenATier = 'Sealwright custody: one token, user and PIN a tier';
const custody = 'Sealwright custody';
/** Longest validity a CA in short-lived mode issues. */
const shortLivedMsMax = 7 * dayMs;

export const custodyRules: readonly HierarchyRule[] = [
  { code: 'mode-without-acm-pca', reference: acmPcaModes, check: eachAuthority(modeWithoutAcmPca) },
  { code: 'short-lived-tier', reference: acmPcaModes, check: eachAuthority(shortLivedTier) },
  { code: 'short-lived-validity', reference: acmPcaModes, check: shortLivedValidity },
  { code: 'pkcs11-section-missing', reference: 'PKCS #11 v2.40 §4.4', check: eachAuthority(pkcs11Missing) },
  { code: 'pkcs11-section-unused', reference: 'PKCS #11 v2.40 §4.4', check: eachAuthority(pkcs11Unused) },
  { code: 'pkcs11-key-shared', reference: custody, check: pkcs11KeyShared },
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
];

function modeWithoutAcmPca(authority: DraftAuthority): Finding | undefined {
  if (authority.mode === undefined || authority.backend === undefined || authority.backend === 'acm-pca')
    return undefined;
  return {
    at: [...authority.path, 'mode'],
    message: `mode is ACM PCA's; ${nameOf(authority)} has backend ${authority.backend}`,
  };
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

function cmvpNoneAccepted(authority: DraftAuthority, draft: Draft): Finding | undefined {
  const { custody: demanded } = authority;
  if (demanded?.cmvpAccepted === undefined || demanded.cmvpAccepted.length > 0) return undefined;
  // Statuses that are misspelt were meant to be accepted.
  const at = [...authority.path, 'custody', 'cmvpAccepted'];
  if (isMalformed(draft, { path: at }, '0')) return undefined;
  if (demanded.model === undefined || demanded.model === 'software') return undefined;
  return { at, message: 'no CMVP status is accepted, so no module could pass' };
}
