import type { EnrolmentScope, PolicyViolation } from '../hierarchy/policy.ts';
import type { Intent } from '../lints/prepared-issuance.ts';
import type { EpochMs } from '../pki/epoch.ts';
import type { IssuanceState } from './issuance-state.ts';

/** Why an attempt did not succeed. `code` is stable; `message` is for operators and never reaches a device. */
export interface IssuanceError {
  readonly code: string;
  readonly message: string;
  readonly at: EpochMs;
}

/** What the ledger knows of one issuance. Byte fields are DER; digests are lower-case hex of SHA-256. */
export interface IssuanceRecord {
  /** `requestId "." ordinal`. */
  readonly issuanceId: string;
  readonly requestId: string;
  /** From 1. */
  readonly ordinal: number;
  readonly principal: string;
  readonly credentialId: string;
  readonly owner: string;
  readonly fleet: string;
  /** What the credential allowed at the time of the POST: the decision is made against this, not against a later edit. */
  readonly scope: EnrolmentScope;
  readonly profile: string;
  readonly policyVersion: string;
  readonly caId: string;
  readonly generation: number;
  readonly csrDer: Uint8Array;
  readonly csrSha256: string;
  readonly spkiSha256: string;
  /** As `SubjectPublicKey.keyType`: a dimension of the counters. */
  readonly keyType: string;
  /** Keys of the names asked for (`nameKey`). */
  readonly names: readonly string[];
  readonly receivedAt: EpochMs;
  readonly state: IssuanceState;
  readonly stateAt: EpochMs;
  /** Attempts that ended without an outcome. */
  readonly attempts: number;
  readonly droppedExtensions: readonly string[];
  readonly intent?: Intent;
  /** What the backend gave to collect by: the certificate's ARN at ACM PCA. */
  readonly ticket?: string;
  readonly serial?: string;
  readonly notBefore?: EpochMs;
  readonly notAfter?: EpochMs;
  readonly fingerprint?: string;
  readonly certificateDer?: Uint8Array;
  /** Partition of the issuer's CRL this certificate is listed in when revoked; written into its CDP. */
  readonly crlShard?: number;
  /** Issuance this one replaces. */
  readonly predecessor?: string;
  readonly violations?: readonly PolicyViolation[];
  readonly lastError?: IssuanceError;
  /** True when the certificate was found at the CA after its answer was lost. */
  readonly adopted?: boolean;
  readonly revokedAt?: EpochMs;
  readonly revocationReason?: string;
}

/** What enrolment writes down before anything else happens. */
export type NewIssuance = Pick<
  IssuanceRecord,
  | 'requestId'
  | 'ordinal'
  | 'principal'
  | 'credentialId'
  | 'owner'
  | 'fleet'
  | 'scope'
  | 'profile'
  | 'policyVersion'
  | 'caId'
  | 'generation'
  | 'csrDer'
  | 'csrSha256'
  | 'spkiSha256'
  | 'keyType'
  | 'names'
  | 'receivedAt'
> & { readonly predecessor?: string };

/** A certificate as the ledger indexes it. */
export interface IssuedCertificate {
  readonly der: Uint8Array;
  /** Lower-case hex, even length. */
  readonly serial: string;
  readonly notBefore: EpochMs;
  readonly notAfter: EpochMs;
  /** SHA-256 of the DER, lower-case hex. */
  readonly fingerprint: string;
}

/** An enrolment credential. The secret is shown once, at creation; only its SHA-256 is kept. */
export interface EnrolmentCredential {
  readonly id: string;
  readonly principal: string;
  readonly owner: string;
  readonly fleet: string;
  readonly profiles: readonly string[];
  readonly names: EnrolmentScope['names'];
  readonly countMax: number;
  /** Distinct issuances so far; moves in the transaction that receives one. */
  readonly used: number;
  readonly createdAt: EpochMs;
  readonly expiresAt: EpochMs;
  readonly revokedAt?: EpochMs;
  readonly sha256: string;
}

export const operatorRoles = [
  'inventory:read',
  'certificate:revoke',
  'credential:write',
  'name:release',
  'dlq:write',
  'hierarchy:apply',
  'custody:read',
] as const;
export type OperatorRole = (typeof operatorRoles)[number];

export interface Operator {
  readonly id: string;
  readonly name: string;
  readonly roles: readonly OperatorRole[];
  readonly createdAt: EpochMs;
  readonly expiresAt?: EpochMs;
  readonly revokedAt?: EpochMs;
  readonly sha256: string;
}

/** A CA as it stands in the registry: its certificate, its chain, and what a backend needs to find its key. */
export interface InstalledAuthority {
  readonly caId: string;
  readonly generation: number;
  readonly tier: 'root' | 'subordinate' | 'issuance';
  readonly parent?: string;
  readonly backend: 'acm-pca' | 'pkcs11' | 'software';
  /** CertificateAuthorityArn, or the label of the key. */
  readonly backendRef: string;
  readonly certificateDer: Uint8Array;
  /** Issuer first, root last; empty for a root. */
  readonly chain: readonly Uint8Array[];
  readonly spkiSha256: string;
  readonly notBefore: EpochMs;
  readonly notAfter: EpochMs;
  readonly installedAt: EpochMs;
}
