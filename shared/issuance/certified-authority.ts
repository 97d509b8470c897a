/** A CA as it is certified and as the registry keeps it, whoever makes it: `apply`, or a ceremony. */
import { type Authority, addDuration, type Stage } from '../hierarchy/hierarchy.ts';
import type { Certificate } from '../pki/certificate.ts';
import type { EpochMs } from '../pki/epoch.ts';
import type { InstalledAuthority } from './issuance-record.ts';

/**
 * CA certificates begin this long before they are made: twice what a leaf is back-dated by, so that the leaf of a machine
 * whose clock is behind still lies inside its issuer's validity.
 */
export const authorityBackdateMs = 2 * 3_600_000;

const developmentOnly = 'OU=Development only';

/**
 * Subject of a CA as it is certified. In `dev`, where keys live in emulators and SoftHSM whatever they claim, the subject
 * says so itself: a certificate that escapes into the world cannot pass for one of production.
 */
export function authoritySubject(authority: Pick<Authority, 'subject'>, stage: Stage): string {
  return stage === 'dev' ? `${authority.subject},${developmentOnly}` : authority.subject;
}

/** A CA of the file with the subject that its certificate has. */
export function certifiedAuthority(authority: Authority, stage: Stage): Authority {
  return { ...authority, subject: authoritySubject(authority, stage) };
}

/**
 * The validity of a CA that is made now: inside its issuer's in any case, since what reaches beyond it would end with it all
 * the same. The plan says when that makes it shorter than the file asks. Whole seconds.
 */
export function validityOf(
  authority: Authority,
  issuer: { readonly notBefore: EpochMs; readonly notAfter: EpochMs } | undefined,
  now: EpochMs,
) {
  const start = Math.floor(now / 1000) * 1000 - authorityBackdateMs;
  const notBefore = Math.max(start, issuer?.notBefore ?? start);
  const end = addDuration(notBefore, authority.validity);
  return { notBefore, notAfter: Math.min(end, issuer?.notAfter ?? end) };
}

/** What the registry keeps of a CA. */
export function entryOf(
  authority: Authority,
  backendRef: string,
  certificate: Certificate,
  chain: readonly Uint8Array[],
  installedAt: EpochMs,
): InstalledAuthority {
  const { tbs } = certificate;
  return {
    caId: authority.id,
    generation: authority.generation,
    tier: authority.tier,
    ...(authority.parent === undefined ? {} : { parent: authority.parent }),
    backend: authority.backend,
    backendRef,
    certificateDer: certificate.der,
    chain,
    spkiSha256: tbs.publicKey.sha256,
    notBefore: tbs.notBefore,
    notAfter: tbs.notAfter,
    installedAt,
  };
}
