/** What is allowed and yet worth a second thought. Reported beside a hierarchy that is read; refuses nothing. */
import { ancestorsOf, type Draft, type DraftAuthority, issuersOf, nameOf } from './draft.ts';
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
];

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

function shortLeavesPriced(
  profile: { path: Finding['at']; name: string; validity?: DraftAuthority['validity'] },
  draft: Draft,
) {
  const issuer = issuersOf(draft, profile.name).find((authority) => authority.backend === 'acm-pca');
  if (issuer === undefined || profile.validity === undefined || durationMs(profile.validity) > shortLeafMsMax)
    return undefined;
  const perYear = Math.ceil((365 * dayMs) / durationMs(profile.validity)).toLocaleString('en-US');
  const message = `leaves of ${profile.validity.text} from ${nameOf(issuer)} are at least ${perYear} certificates a year and name, each at ACM PCA's price per certificate; an HSM has none`;
  return { at: [...profile.path, 'validity'], message };
}
