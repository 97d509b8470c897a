/** What is allowed and yet worth a second thought. Reported beside a hierarchy that is read; refuses nothing. */
import { ancestorsOf, type Draft, type DraftAuthority, type DraftProfile, issuersOf, nameOf } from './draft.ts';
import { dayMs, durationMs } from './duration.ts';
import type { Finding } from './fault.ts';
import { eachAuthority, eachProfile, type HierarchyRule } from './rule.ts';

export const adviceRules: readonly HierarchyRule[] = [
  { code: 'name-constraints-on-root', reference: 'RFC 5280 §6.1', check: eachAuthority(constraintsOnRoot) },
  { code: 'path-without-name-constraints', reference: 'RFC 5280 §4.2.1.10', check: eachAuthority(unconstrainedPath) },
  { code: 'hash-weaker-than-key', reference: 'FIPS 186-5 §6.1.1', check: eachAuthority(hashWeakerThanKey) },
  {
    code: 'cmvp-revoked-accepted',
    reference: 'CMVP: a revoked validation is void',
    check: eachAuthority(revokedAccepted),
  },
  {
    code: 'short-leaves-priced-each',
    reference: 'ACM PCA pricing: each certificate',
    check: eachProfile(shortLeavesPriced),
  },
  { code: 'extended-key-usage-on-root', reference: 'RFC 5280 §6.1', check: eachAuthority(usagesOnRoot) },
  { code: 'validity-filled', reference: 'RFC 5280 §6.1.3', check: eachAuthority(validityFilled) },
  {
    code: 'issuance-window-short',
    reference: 'Sealwright hierarchy: issuance stops when a leaf would outlive its CA',
    check: eachProfile(windowShort),
  },
  {
    code: 'cmvp-historical-refused',
    reference: 'NIST CMVP: FIPS 140-2 sunset, 2026-09-21',
    check: eachAuthority(historicalRefused),
  },
  {
    code: 'revocation-unpublished',
    reference: 'RFC 5280 §3.3: whoever relies on a certificate learns of a revocation from a CRL',
    check: eachAuthority(revocationUnpublished),
  },
];

function revocationUnpublished(authority: DraftAuthority, draft: Draft): Finding | undefined {
  const { backend, crl, mode, tier } = authority;
  const isConcerned = draft.stage === 'prod' && tier === 'issuance' && backend === 'acm-pca';
  // Seven days at most: over before a revocation has reached everybody.
  if (!isConcerned || crl !== undefined || mode === 'SHORT_LIVED_CERTIFICATE') return undefined;
  const message = `${nameOf(authority)} publishes no CRL, so that a revocation at it reaches nobody: crl: { type: partitioned, expirationDays: 7 }`;
  return { at: authority.path, message };
}

function constraintsOnRoot(authority: DraftAuthority): Finding | undefined {
  if (authority.tier !== 'root' || authority.nameConstraints === undefined) return undefined;
  const message = `path validation does not read a trust anchor's own constraints: put them on the CAs below ${nameOf(authority)}`;
  return { at: [...authority.path, 'nameConstraints'], message, atKey: true };
}

function unconstrainedPath(authority: DraftAuthority, draft: Draft): Finding | undefined {
  if (authority.tier !== 'issuance') return undefined;
  const path = [authority, ...ancestorsOf(draft, authority)].filter((member) => member.tier !== 'root');
  if (path.some((member) => member.nameConstraints !== undefined)) return undefined;
  const message = `nothing between the root and ${nameOf(authority)} constrains names: whoever has its key can name anybody`;
  return { at: authority.path, message };
}

const curveHashBits: Readonly<Record<string, number>> = { EC_prime256v1: 256, EC_secp384r1: 384, EC_secp521r1: 512 };

function hashWeakerThanKey(authority: DraftAuthority): Finding | undefined {
  const { keyAlgorithm, signingAlgorithm } = authority;
  const wanted = keyAlgorithm === undefined ? undefined : curveHashBits[keyAlgorithm];
  if (wanted === undefined || !signingAlgorithm?.endsWith('ECDSA')) return undefined;
  if (Number(signingAlgorithm.slice(3, 6)) >= wanted) return undefined;
  const message = `${signingAlgorithm} is weaker than a key of ${keyAlgorithm}: SHA${wanted}WITHECDSA fits it`;
  return { at: [...authority.path, 'signingAlgorithm'], message };
}

function revokedAccepted(authority: DraftAuthority): Finding | undefined {
  const index = (authority.custody?.cmvpAccepted ?? []).indexOf('revoked');
  if (index < 0) return undefined;
  const message = `${nameOf(authority)} accepts a module whose validation was revoked`;
  return { at: [...authority.path, 'custody', 'cmvpAccepted', index], message };
}

/** Below this a leaf is renewed daily or oftener, and a price per certificate becomes a price per hour. */
const shortLeafMsMax = dayMs;
/** The fleet whose bill is told. */
const billedNames = 1_000;
const monthMs = (365 / 12) * dayMs;

function shortLeavesPriced(profile: DraftProfile, draft: Draft): Finding | undefined {
  const issuer = issuersOf(draft, profile.name).find((authority) => authority.backend === 'acm-pca');
  if (issuer === undefined || profile.validity === undefined || durationMs(profile.validity) > shortLeafMsMax)
    return undefined;
  const monthly = billedNames * Math.ceil(monthMs / durationMs(profile.validity));
  const message = `leaves of ${profile.validity.text} from ${nameOf(issuer)} are at least ${count(monthly)} certificates a month for ${count(billedNames)} names, each at ACM PCA's price${billOf(draft, issuer, monthly)}; an HSM has none`;
  return { at: [...profile.path, 'validity'], message };
}

function billOf({ prices }: Draft, issuer: DraftAuthority, certificates: number): string {
  if (prices === undefined) return '';
  const usd = prices.certificatesUsd(issuer.mode ?? 'GENERAL_PURPOSE', certificates);
  return ` (USD ${count(Math.round(usd))} a month, prices of ${prices.asOf})`;
}

function count(value: number): string {
  return value.toLocaleString('en-US');
}

function usagesOnRoot(authority: DraftAuthority): Finding | undefined {
  if (authority.tier !== 'root' || authority.extendedKeyUsage === undefined) return undefined;
  const message = `path validation does not read a trust anchor's own purposes: put them on the CAs below ${nameOf(authority)}`;
  return { at: [...authority.path, 'extendedKeyUsage'], message, atKey: true };
}

/** Nobody ends a CA that was asked for in silence: the end of its issuer comes first, and is its own. */
function validityFilled(authority: DraftAuthority, draft: Draft): Finding | undefined {
  const parent = ancestorsOf(draft, authority)[0];
  if (authority.validity === undefined || parent?.validity === undefined) return undefined;
  if (durationMs(authority.validity) !== durationMs(parent.validity)) return undefined;
  const message = `${authority.validity.text} is all of its issuer's: ${nameOf(authority)} ends with ${nameOf(parent)}, sooner than after ${authority.validity.text} when it is made later`;
  return { at: [...authority.path, 'validity'], message };
}

/** Less than this between the making of a CA and the last leaf it can issue leaves no time to bring up the next generation. */
const windowMsMin = 90 * dayMs;

function windowShort(profile: DraftProfile, draft: Draft): Finding[] {
  return issuersOf(draft, profile.name).flatMap((issuer) => {
    if (profile.validity === undefined || issuer.validity === undefined) return [];
    const windowMs = durationMs(issuer.validity) - durationMs(profile.validity);
    if (windowMs <= 0 || windowMs >= windowMsMin) return [];
    const message = `leaves of ${profile.validity.text} fit into ${nameOf(issuer)} for its first ${Math.floor(windowMs / dayMs)} days only: issuance stops then`;
    return [{ at: [...profile.path, 'validity'], message }];
  });
}

/** ACM PCA names FIPS 140-2 and no other standard, and all certificates of that are historical. */
function historicalRefused(authority: DraftAuthority): Finding | undefined {
  const accepted = authority.custody?.cmvpAccepted;
  if (authority.backend !== 'acm-pca' || accepted === undefined || accepted.length === 0) return undefined;
  if (accepted.includes('historical')) return undefined;
  const message = `ACM PCA attests FIPS 140-2, whose validations are all historical: outside dev ${nameOf(authority)} would not sign`;
  return { at: [...authority.path, 'custody', 'cmvpAccepted'], message };
}
