/** The answer to: if this is compromised, how many certificates, whose, and how long until the last one is replaced? */
import type { EpochMs } from '../pki/epoch.ts';
import type { CountedDimension } from './counted.ts';
import type { Issuable } from './issuable.ts';
import type { IssuedFigures } from './issued.ts';
import type { RotationEstimate } from './rotation.ts';

export type BrokenDownBy = Exclude<CountedDimension, 'total'>;

export interface BreakdownEntry {
  readonly value: string;
  readonly outstanding: number;
}

/** The values with the most outstanding certificates; the rest by pages. */
export interface Breakdown {
  readonly values: readonly BreakdownEntry[];
  /** Different values there are. */
  readonly total: number;
  /** False when `total` was counted up to a bound, or more than the values shown may have as many as the last of them. */
  readonly exact: boolean;
}

export interface SubjectAuthority {
  readonly kind: 'authority';
  readonly id: string;
  readonly tier: 'root' | 'subordinate' | 'issuance';
  readonly generation: number;
  readonly keyId: string | undefined;
  /** CAs whose certificates are counted: itself and those below that sign leaves. */
  readonly includes: readonly string[];
  /** Every CA below. */
  readonly below: readonly string[];
}

export type Subject =
  | SubjectAuthority
  | {
      readonly kind: 'owner' | 'fleet' | 'credential' | 'key';
      readonly value: string;
      readonly includes: readonly string[];
    };

/** Issuances that may have left a certificate which the ledger does not count. */
export interface Unsettled {
  readonly intended: number;
  readonly submitted: number;
  readonly orphanSuspected: number;
  readonly misissued: number;
}

/** What a stolen enrolment credential can still ask for: bounded by policy, since it holds no CA key. */
export interface CredentialReach {
  readonly until: EpochMs;
  readonly remaining: number;
  readonly profiles: readonly string[];
  readonly names: {
    readonly dns: readonly string[];
    readonly spiffe: readonly string[];
    readonly ip: readonly string[];
  };
}

export interface BlastRadius {
  readonly subject: Subject;
  readonly asOf: EpochMs;
  readonly issued: IssuedFigures & {
    readonly by: Readonly<Partial<Record<BrokenDownBy, Breakdown>>>;
    readonly byAuthority: readonly BreakdownEntry[];
    /** Undefined where it cannot be told apart. */
    readonly unsettled: Unsettled | undefined;
  };
  /** Undefined for a subject that has no CA key. */
  readonly issuable: Issuable | undefined;
  readonly reach: CredentialReach | undefined;
  readonly rotation: RotationEstimate | undefined;
}
