import type { EpochMs } from '../pki/epoch.ts';
import type { IssuanceRecord } from './issuance-record.ts';

/** What has to be known beside the record to tell whether the same POST is still the same issuance. */
export interface OrdinalContext {
  readonly at: EpochMs;
  readonly policyVersion: string;
  readonly credentialId: string;
  /** Generation of the CA that issues for the profile now. */
  readonly generation: number;
  readonly caFrozen: boolean;
  /** False when a name that caused the refusal is held by nobody else any more. */
  readonly refusedNamesStillHeld: boolean;
}

export type ClosedReason =
  | 'expired'
  | 'revoked'
  | 'renewal-window'
  | 'ca-frozen'
  | 'policy-changed'
  | 'credential-changed'
  | 'name-released'
  | 'failed'
  | 'lapsed'
  | 'misissued';

/** The last third of a certificate's lifetime, in which a device is expected to come back (as RFC 9773 clients do). */
export function renewalWindowStart(notBefore: EpochMs, notAfter: EpochMs): EpochMs {
  return notAfter - (notAfter - notBefore) / 3;
}

/**
 * Why the same POST opens the next ordinal, or undefined while it is still this issuance. Without ordinals a renewal
 * with a deterministic signature (Ed25519, RSA PKCS#1 v1.5: the bytes repeat) would return the old certificate for ever.
 */
export function closedReason(record: IssuanceRecord, context: OrdinalContext): ClosedReason | undefined {
  switch (record.state) {
    case 'failed':
    case 'lapsed':
    case 'misissued':
    case 'revoked':
      return record.state;
    case 'rejected':
      if (record.policyVersion !== context.policyVersion) return 'policy-changed';
      if (record.credentialId !== context.credentialId) return 'credential-changed';
      return context.refusedNamesStillHeld ? undefined : 'name-released';
    case 'issued': {
      if (record.notBefore === undefined || record.notAfter === undefined)
        throw new Error('an issued record has a validity');
      if (context.at > record.notAfter) return 'expired';
      if (context.at >= renewalWindowStart(record.notBefore, record.notAfter)) return 'renewal-window';
      // A frozen CA closes what it has issued only once another generation can issue in its place: else every repeat of
      // the POST would open an issuance that cannot move.
      return context.caFrozen && record.generation !== context.generation ? 'ca-frozen' : undefined;
    }
    default:
      return context.caFrozen && record.generation !== context.generation ? 'ca-frozen' : undefined;
  }
}
