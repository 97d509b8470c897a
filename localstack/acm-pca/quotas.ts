/**
 * Quotas: calls a second of one account in one Region, a token bucket for each operation. A bucket holds one second's calls at
 * most, so that is the longest burst, and fills steadily. Off unless asked for: a stack that provisions its CAs would wait for
 * the one CreateCertificateAuthority a second.
 */
import type { EpochMs } from '../../shared/pki/epoch.ts';
import type { OperationName } from './model/inputs.ts';

/** Calls a second; an operation that is not named is not limited. */
export type Quotas = Readonly<Partial<Record<OperationName, number>>>;

/** A set of quotas by name, or spelt out. */
export type QuotaChoice = 'aws' | 'none' | Quotas;

/** Default quotas of an account (AWS General Reference, "AWS Private Certificate Authority endpoints and quotas"). */
export const awsQuotas: Required<Quotas> = {
  CreateCertificateAuthority: 1,
  CreateCertificateAuthorityAuditReport: 1,
  CreatePermission: 1,
  DeleteCertificateAuthority: 10,
  DeletePermission: 10,
  DeletePolicy: 5,
  DescribeCertificateAuthority: 20,
  DescribeCertificateAuthorityAuditReport: 20,
  GetCertificate: 75,
  GetCertificateAuthorityCertificate: 20,
  GetCertificateAuthorityCsr: 10,
  GetPolicy: 5,
  ImportCertificateAuthorityCertificate: 10,
  IssueCertificate: 25,
  ListCertificateAuthorities: 20,
  ListPermissions: 10,
  ListTags: 20,
  PutPolicy: 5,
  RestoreCertificateAuthority: 20,
  RevokeCertificate: 20,
  TagCertificateAuthority: 10,
  UntagCertificateAuthority: 10,
  UpdateCertificateAuthority: 10,
};

/** Highest quota that can be set, in calls a second. */
export const perSecondMax = 1_000_000;

export interface QuotaMeter {
  /** Takes one call out of the operation's bucket; false when there is none, and then nothing is taken. */
  take(operation: OperationName): boolean;
  /** Replaces all quotas; every bucket is full again. */
  set(choice: QuotaChoice): void;
  read(): Quotas;
}

interface Bucket {
  readonly perSecond: number;
  /** In thousandths of a call, so that whole milliseconds at a whole rate add up without rounding. */
  readonly levelMax: number;
  level: number;
  filledAt: EpochMs;
}

const callCost = 1000;

function fill(bucket: Bucket, now: EpochMs): void {
  // A clock that goes back takes nothing away, and what it then repeats is not counted twice.
  const elapsedMs = Math.max(0, now - bucket.filledAt);
  bucket.level = Math.min(bucket.levelMax, bucket.level + elapsedMs * bucket.perSecond);
  bucket.filledAt = Math.max(now, bucket.filledAt);
}

/** Buckets on `clock`, full at the start. A rate below one call a second has a bucket for one call. */
export function createQuotaMeter(choice: QuotaChoice, clock: () => EpochMs): QuotaMeter {
  let quotas: Quotas = {};
  const buckets = new Map<OperationName, Bucket>();

  function set(next: QuotaChoice): void {
    quotas = next === 'aws' ? awsQuotas : next === 'none' ? {} : next;
    buckets.clear();
    for (const [operation, perSecond] of Object.entries(quotas) as [OperationName, number][]) {
      const levelMax = Math.max(1, perSecond) * callCost;
      buckets.set(operation, { perSecond, levelMax, level: levelMax, filledAt: clock() });
    }
  }

  function take(operation: OperationName): boolean {
    const bucket = buckets.get(operation);
    if (bucket === undefined) return true;
    fill(bucket, clock());
    if (bucket.level < callCost) return false;
    bucket.level -= callCost;
    return true;
  }

  set(choice);
  return { take, set, read: () => quotas };
}
