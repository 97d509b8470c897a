/** What every operation works with. */
import type { EpochMs } from '../../shared/pki/epoch.ts';
import type { ArnScope } from './arn.ts';
import type { IdempotencyWindow } from './idempotency.ts';
import type { QuotaMeter } from './quotas.ts';
import type { ReportWriter } from './report-writer.ts';
import type { Statistics } from './statistics.ts';
import type { Store } from './store.ts';
import type { Switches } from './switches.ts';

/** What a test may want an accepted issuance to end as. */
export interface IssuanceAttempt {
  readonly authorityArn: string;
  readonly templateName: string;
  readonly csrSha256: string;
  readonly idempotencyToken: string | undefined;
}

export interface Endpoint {
  readonly scope: ArnScope;
  readonly store: Store;
  readonly clock: () => EpochMs;
  readonly randomBytes: (count: number) => Uint8Array;
  /** From IssueCertificate's answer until GetCertificate has the certificate; drawn between the two for each certificate. */
  readonly issueDelayMs: { readonly min: number; readonly max: number };
  /** How long a new CA is CREATING. */
  readonly createDelayMs: number;
  /** Reason why this accepted issuance fails, or undefined for success. */
  readonly failIssuance: (attempt: IssuanceAttempt) => string | undefined;
  readonly createTokens: IdempotencyWindow;
  readonly issueTokens: IdempotencyWindow;
  readonly stateDir: string;
  readonly quotas: QuotaMeter;
  readonly switches: Switches;
  readonly statistics: Statistics;
  readonly reports: ReportWriter;
  /** Resolves after `delayMs`, or when `signal` is aborted. */
  readonly sleep: (delayMs: number, signal: AbortSignal) => Promise<void>;
  /** Aborted when the endpoint begins to close. */
  readonly closing: AbortSignal;
}

/** A delay drawn from one random octet. */
export function drawIssueDelayMs(endpoint: Endpoint): number {
  const { min, max } = endpoint.issueDelayMs;
  if (max <= min) return min;
  const octet = endpoint.randomBytes(1)[0] ?? 0;
  return min + Math.floor((octet / 256) * (max - min + 1));
}
