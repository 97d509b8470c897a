/** What a CA says it has issued, and what became of comparing it with the ledger. Each comment states what an adapter owes. */
import type { EpochMs } from '../pki/epoch.ts';

/** A certificate as its CA reports it: who issued it and when, but neither its names nor its key. */
export interface AuditReportEntry {
  /** What `SigningBackend.collect` takes as a ticket. */
  readonly arn: string;
  readonly serialHex: string;
  /** As the CA writes it; for people only. */
  readonly subject: string;
  readonly notBefore: EpochMs;
  readonly notAfter: EpochMs;
  /** When the certificate was there, by the CA's clock, in whole seconds. */
  readonly issuedAt: EpochMs;
  readonly templateArn: string;
  readonly revokedAt?: EpochMs;
}

export type BeginReportOutcome =
  | { readonly kind: 'begun'; readonly reportId: string }
  /** One is being made, or was made too recently: a CA gives one in 30 minutes. */
  | { readonly kind: 'not-now'; readonly retryAfterMs: number; readonly message: string }
  /** The CA or the permission is not there, or no answer came (then it may have begun). */
  | { readonly kind: 'unavailable'; readonly code: string; readonly message: string };

export type AuditReportStatus =
  | { readonly kind: 'creating' }
  /** `begunAt` is the moment of the snapshot by the CA's clock. */
  | { readonly kind: 'ready'; readonly begunAt: EpochMs; readonly location: string }
  | { readonly kind: 'failed' };

/**
 * What a CA says it has issued. A report is a snapshot: it has every certificate that was there when it began, and none of
 * later. `authorityRef` is the `backendRef` of the CA. Every method throws when the CA cannot be asked, but for `begin`.
 */
export interface AuditReports {
  begin(authorityRef: string): Promise<BeginReportOutcome>;
  describe(authorityRef: string, reportId: string): Promise<AuditReportStatus>;
  /**
   * The entries, read as they come in bounded memory. Throws when the report ends early or an entry is not understood:
   * what was read until then proves nothing about what is not there. `location` is that of a `ready` report.
   */
  entries(authorityRef: string, location: string): AsyncIterable<AuditReportEntry>;
}

/** The last report that was asked of one generation of a CA. */
export interface KnownReport {
  readonly caId: string;
  readonly generation: number;
  readonly reportId: string;
  /** Our clock before the CA was asked: the snapshot is of no earlier moment. */
  readonly askedAt: EpochMs;
  readonly status: AuditReportStatus;
  /** Orphans that were suspected by then have been looked for in this report; 0 when none. */
  readonly consideredThrough: EpochMs;
}

/** What the outside reconciliation of one CA found. Lists are cut at a bound, counts are not. */
export interface Comparison {
  readonly caId: string;
  readonly generation: number;
  readonly comparedAt: EpochMs;
  readonly report: { readonly reportId: string; readonly askedAt: EpochMs; readonly begunAt: EpochMs };
  /** Certificates in the report. */
  readonly entries: number;
  /** Certificates in the report that may be those of an issuance whose outcome is not known yet. */
  readonly undecided: number;
  readonly unknownCertificates: { readonly count: number; readonly named: readonly UnknownCertificate[] };
  readonly unknownIssuances: { readonly count: number; readonly named: readonly UnknownIssuance[] };
}

/** At the CA, and not in the ledger: the CA's key was used behind the ledger's back. */
export type UnknownCertificate = Pick<
  AuditReportEntry,
  'arn' | 'serialHex' | 'subject' | 'notBefore' | 'notAfter' | 'issuedAt' | 'templateArn' | 'revokedAt'
>;

/** In the ledger, and not at the CA that is to have issued it. */
export interface UnknownIssuance {
  readonly issuanceId: string;
  readonly serial: string;
  /** Since when, at the latest, the ledger has held the certificate. */
  readonly at: EpochMs;
}

/** What outlives a process of audit reports: a CA gives one in 30 minutes, whoever asks. Durable on return. */
export interface AuditStore {
  report(caId: string, generation: number): Promise<KnownReport | undefined>;
  /** Replaces what is known of this CA, unless that is of a report asked for later. */
  recordReport(report: KnownReport): Promise<void>;
  /** Before this instant no report of the CA is worth asking for; 0 when nothing is known. */
  beginAfter(caId: string, generation: number): Promise<EpochMs>;
  deferBegin(caId: string, generation: number, until: EpochMs): Promise<void>;
  /** Replaces the comparison before it. */
  recordComparison(comparison: Comparison): Promise<void>;
  comparison(caId: string, generation: number): Promise<Comparison | undefined>;
  /** The last one of each CA, by CA and generation. */
  comparisons(): Promise<readonly Comparison[]>;
}
