import type { CustodyFinding } from '../custody/custody.ts';
import type { Hierarchy } from '../hierarchy/hierarchy.ts';
import type { PreparedIssuance, ThrowawaySignature } from '../lints/prepared-issuance.ts';
import type { CaSigningAlgorithm } from '../pki/signature-algorithm.ts';
import type { VerifySignature } from '../pki/verify-signature.ts';
import type { AuthorityDirectory, IssuingAuthority } from './authority-directory.ts';
import type { ItemOutcome } from './batch.ts';
import type { CrlShards } from './crl-shards.ts';
import type { CustodyGate } from './custody-gate.ts';
import type { IssuanceRecord } from './issuance-record.ts';
import type { Clock, IssuanceLedger, SigningBackend } from './ports.ts';
import type { RequestReader } from './request-reader.ts';

/** Told what needs a person's eyes; each becomes an entry in the log, and later an alarm. */
export interface SignerReport {
  itemFailed(issuanceId: string, cause: unknown): void;
  custodyStopped(caId: string, findings: readonly CustodyFinding[]): void;
  custodyUnknown(caId: string, cause: unknown): void;
  misissued(issuanceId: string, faults: readonly string[]): void;
  /** The CA will never sign what policy and lints had let through: the issuance has `failed`. */
  refused(issuanceId: string, code: string, message: string): void;
  /** The CA or its module answers nobody, and somebody has to act. Once a batch; its issuances wait. */
  authorityUnavailable(caId: string, code: string, message: string): void;
  /** The provider refuses calls over a quota, in spite of our pacing. Once a batch; its issuances come again. */
  throttled(caId: string, code: string, message: string): void;
}

export interface IssueCertificatePorts {
  readonly hierarchy: Hierarchy;
  readonly ledger: IssuanceLedger;
  readonly authorities: AuthorityDirectory;
  readonly requests: RequestReader;
  /** The backend of a CA; undefined when this signer has none for it. */
  readonly backendOf: (issuer: IssuingAuthority) => SigningBackend | undefined;
  readonly custody: CustodyGate;
  readonly crlShards: CrlShards;
  /** Of a key that vouches for nothing, of the family of the algorithm. */
  readonly throwaway: (algorithm: CaSigningAlgorithm) => ThrowawaySignature;
  readonly random: (bytes: number) => Uint8Array;
  readonly clock: Clock;
  /** Resolves when what the ledger has answered is durable; absent where every answer is. */
  readonly durable?: (() => Promise<void>) | undefined;
  /** Of what came back; absent: `verifySignature`. */
  readonly verify?: VerifySignature;
  readonly report: SignerReport;
}

/**
 * A token is used again only this long after its intent: ACM PCA honours it for five minutes from the first submit, and
 * the rest is margin for clocks and transport.
 */
export const tokenReuseMsMax = 240_000;

export type Outcomes = Map<string, ItemOutcome>;

/** One CA's share of a batch. */
export interface Group {
  readonly issuer: IssuingAuthority;
  readonly backend: SigningBackend;
  readonly records: IssuanceRecord[];
}

/** What is to be signed, and the intent it is signed by, which the ledger holds. */
export interface Order {
  readonly record: IssuanceRecord;
  readonly prepared: PreparedIssuance;
}
