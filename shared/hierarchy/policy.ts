/**
 * Issuance policy: may this request have a certificate of this profile, and what would be in it. Everything in the
 * template comes from the profile except the names, which are those of the request's subjectAltName, and the key.
 * Attributes other than challengePassword are neither copied nor refused: Windows and Java tools always send some.
 */
import type { CertificationRequest, KeyUsageName } from '../pki/certification-request.ts';
import type { EpochMs } from '../pki/epoch.ts';
import { evaluateKey } from '../pki/key-policy.ts';
import type { GeneralName } from '../pki/names.ts';
import { addDuration, type Duration, durationMs, hourMs } from './duration.ts';
import { issuingPath } from './hierarchy.ts';
import type { Hierarchy, Profile } from './model.ts';
import { evaluateExtensions } from './policy-extensions.ts';
import { evaluateNames } from './policy-names.ts';
import { printable } from './printable.ts';
import { oidsOfProfile } from './profile-oids.ts';
import type { EnrolmentScope } from './scope.ts';
import type { PolicyViolation } from './violation.ts';

export { printable } from './printable.ts';
export { type EnrolmentScope, type ScopeFault, scopeCoversName, scopeFaults } from './scope.ts';
export type { PolicyViolation, PolicyViolationCode } from './violation.ts';

export interface CertificateTemplate {
  readonly profile: string;
  readonly caId: string;
  /** Absent: the subject is empty and the subjectAltName critical (RFC 5280 §4.1.2.6). */
  readonly commonName?: string;
  /** In the order of the request; DNS names in lower case. */
  readonly names: readonly GeneralName[];
  readonly sanCritical: boolean;
  readonly keyUsage: readonly KeyUsageName[];
  /** OIDs. */
  readonly extendedKeyUsage: readonly string[];
  readonly validity: Duration;
  /** Extensions asked for and left out, by name, else OID. */
  readonly droppedExtensions: readonly string[];
}

export type PolicyDecision =
  | { readonly kind: 'permit'; readonly template: CertificateTemplate; readonly caId: string }
  | { readonly kind: 'deny'; readonly violations: readonly PolicyViolation[] };

/** How far before issuance a leaf's notBefore lies at most, for devices whose clock is behind; ACM PCA's default too. */
const leafBackdateMsMax = hourMs;
/** A short-lived leaf is back-dated by no more than this share of its validity, so that an hour stays about an hour. */
const leafBackdateShare = 1 / 12;

/** RFC 5280 appendix A.1: ub-common-name. */
const commonNameCharactersMax = 64;
/** Of one code; a request can hold hundreds of bad names, and an answer is for people. */
const violationsPerCodeMax = 20;

/** How far before issuance the notBefore of a leaf of this validity lies, whole seconds. */
export function leafBackdateMs(validity: Duration): number {
  const share = Math.floor((durationMs(validity) * leafBackdateShare) / 1_000) * 1_000;
  return Math.min(leafBackdateMsMax, share);
}

/** notBefore and notAfter of a leaf issued at `at`, both whole seconds: back-dated, and the whole validity from now. */
export function leafValidity(
  validity: Duration,
  at: EpochMs,
): { readonly notBefore: EpochMs; readonly notAfter: EpochMs } {
  const second = Math.floor(at / 1_000) * 1_000;
  return { notBefore: second - leafBackdateMs(validity), notAfter: addDuration(second, validity) };
}

/**
 * Permits with a template, or denies with every violation in the order profile, attributes, key, names, extensions,
 * validity; more than 20 of one code are counted in its last one. `issuerNotAfter` is the end of the issuing CA's
 * certificate where it is known. The request is one that was parsed and whose possession was proven. The profile must be
 * one of the hierarchy's, else it throws.
 */
export function evaluateRequest(
  hierarchy: Hierarchy,
  profile: Profile,
  request: CertificationRequest,
  scope: EnrolmentScope,
  now: EpochMs,
  issuerNotAfter?: EpochMs,
): PolicyDecision {
  const path = issuingPath(hierarchy, profile.name);
  const authority = path[0];
  if (authority === undefined) throw new Error(`invariant: no CA issues the profile ${profile.name}`);
  const extensions = evaluateExtensions(profile, request);
  const violations = [
    ...evaluateProfileScope(profile, scope),
    ...evaluateAttributes(request),
    ...evaluateSubjectKey(profile, request),
    ...evaluateNames(profile, request.names, scope, path),
    ...extensions.violations,
    ...evaluateValidity(profile, now, issuerNotAfter),
  ];
  if (violations.length > 0) return { kind: 'deny', violations: bounded(violations) };
  const template = makeTemplate(profile, authority.id, request.names, extensions.dropped);
  return { kind: 'permit', template, caId: authority.id };
}

function evaluateProfileScope(profile: Profile, scope: EnrolmentScope): PolicyViolation[] {
  if (scope.profiles.includes(profile.name)) return [];
  return [
    {
      code: 'profile-not-in-scope',
      field: 'profile',
      message: `this credential may not ask for the profile ${profile.name}`,
      reference: 'enrolment credential: profiles',
    },
  ];
}

function evaluateAttributes(request: CertificationRequest): PolicyViolation[] {
  if (!request.challengePassword) return [];
  return [
    {
      code: 'challenge-password',
      field: 'attributes.challengePassword',
      message:
        'the request carries a challengePassword, a secret that would reach the logs of a CA; make it without one',
      reference: 'RFC 2985 §5.4.1',
    },
  ];
}

/** A key that is refused absolutely is not said to be outside the profile as well: it is the same fact. */
function evaluateSubjectKey(profile: Profile, request: CertificationRequest): PolicyViolation[] {
  const { publicKey, signatureAlgorithm } = request;
  const absolute = evaluateKey(publicKey, signatureAlgorithm);
  const isKeySound = absolute.every((fault) => fault.code === 'signature-algorithm-not-allowed');
  if (!isKeySound || profile.keys.some((key) => key === publicKey.keyType)) return [...absolute];
  return [
    {
      code: 'key-type-not-allowed',
      field: 'subjectPublicKeyInfo',
      message: `a key of type ${printable(publicKey.keyType)} is not allowed; the profile allows ${profile.keys.join(', ')}`,
      reference: `profile ${profile.name}: keys`,
    },
    ...absolute,
  ];
}

function evaluateValidity(profile: Profile, now: EpochMs, issuerNotAfter: EpochMs | undefined): PolicyViolation[] {
  if (issuerNotAfter === undefined || leafValidity(profile.validity, now).notAfter <= issuerNotAfter) return [];
  return [
    {
      code: 'outlives-issuer',
      field: 'validity',
      message: `a certificate of ${profile.validity.text} would outlive its issuer, which ends ${new Date(issuerNotAfter).toISOString()}`,
      reference: `RFC 5280 §6.1.3; profile ${profile.name}: validity`,
    },
  ];
}

function bounded(violations: readonly PolicyViolation[]): readonly PolicyViolation[] {
  const counts = new Map<string, number>();
  for (const { code } of violations) counts.set(code, (counts.get(code) ?? 0) + 1);
  const taken = new Map<string, number>();
  return violations.flatMap((violation) => {
    const nth = (taken.get(violation.code) ?? 0) + 1;
    taken.set(violation.code, nth);
    const left = (counts.get(violation.code) ?? 0) - violationsPerCodeMax;
    if (nth > violationsPerCodeMax) return [];
    if (nth < violationsPerCodeMax || left <= 0) return [violation];
    return [{ ...violation, message: `${violation.message} (and ${left} more of this kind)` }];
  });
}

function makeTemplate(
  profile: Profile,
  caId: string,
  asked: readonly GeneralName[],
  droppedExtensions: readonly string[],
): CertificateTemplate {
  const names = asked.map(inLowerCase);
  const first = firstDnsName(names);
  const isNamed =
    profile.subject === 'first-dns-name' && first !== undefined && first.length <= commonNameCharactersMax;
  const template = {
    profile: profile.name,
    caId,
    names,
    sanCritical: !isNamed,
    keyUsage: profile.keyUsage,
    extendedKeyUsage: oidsOfProfile(profile).purposes,
    validity: profile.validity,
    droppedExtensions,
  };
  return isNamed ? { ...template, commonName: first } : template;
}

function firstDnsName(names: readonly GeneralName[]): string | undefined {
  for (const name of names) if (name.kind === 'dns') return name.value;
  return undefined;
}

/** A DNS name as certificates carry it; any other as it is. */
function inLowerCase(name: GeneralName): GeneralName {
  if (name.kind !== 'dns') return name;
  const value = name.value.toLowerCase();
  return value === name.value ? name : { ...name, value };
}
