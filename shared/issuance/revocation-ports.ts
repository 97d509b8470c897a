/** What revocation keeps beside the ledger. Each comment states what an adapter owes. */
import type { EpochMs } from '../pki/epoch.ts';

/** Reasons of RFC 5280 §5.3.1 that a certificate for good may have, by the names of its CRLReason. */
export const revocationReasons = [
  'unspecified',
  'keyCompromise',
  'cACompromise',
  'affiliationChanged',
  'superseded',
  'cessationOfOperation',
  'privilegeWithdrawn',
  'aACompromise',
] as const;
export type RevocationReason = (typeof revocationReasons)[number];

/** That a certificate is to be revoked at its CA: written before the CA is asked, taken away when the ledger says `revoked`. */
export interface RevocationIntent {
  readonly issuanceId: string;
  readonly reason: RevocationReason;
  readonly at: EpochMs;
  /** Operator. */
  readonly by: string;
}

/** Durable on return; reads see every write that was answered. */
export interface RevocationStore {
  /** The issuance of the certificate whose DER has this SHA-256 (lower-case hex); undefined for one that is not ours. */
  issuanceOfFingerprint(fingerprint: string): Promise<string | undefined>;
  /** Writes the intent unless there is one; answers the one that stands. */
  begin(intent: RevocationIntent): Promise<RevocationIntent>;
  /** Intents that are not finished, by issuance id, from the first greater than `after`; at most `countMax` (1 to 1,000). */
  unfinished(countMax: number, after?: string): Promise<readonly RevocationIntent[]>;
  /** Takes the intent away. None is no error. */
  finish(issuanceId: string): Promise<void>;
  /**
   * Marks a public key (SHA-256 of its SPKI, lower-case hex) as compromised, whatever became of its certificates: it is refused
   * for ever. The first time stays. `owner` is taken down for a key that nobody held.
   */
  markCompromised(spkiSha256: string, owner: string, at: EpochMs): Promise<void>;
}

/** What `unfinished` answers at most. */
export const unfinishedCountMax = 1_000;

/** A revoked certificate as its CRL names it. */
export interface RevokedSerial {
  /** Lower-case hex. */
  readonly serial: string;
  readonly revokedAt: EpochMs;
  readonly reason: string;
  readonly notAfter: EpochMs;
}

/** What CRLs are made from. */
export interface CrlSource {
  /** Shards of a generation that hold, or may come to hold, a certificate: 0 to this number, exclusive. */
  shardCount(caId: string, generation: number): Promise<number>;
  /** Revoked certificates of one shard whose notAfter is not before `notAfterMin`. As many as a shard has slots at most. */
  revokedOf(caId: string, generation: number, shard: number, notAfterMin: EpochMs): Promise<readonly RevokedSerial[]>;
  /** A number that this generation of the CA never had before, greater than all of them and than `above` (RFC 5280 §5.2.3). */
  nextCrlNumber(caId: string, generation: number, above: number): Promise<number>;
  /**
   * Shards with a certificate that was revoked and that no publication noted since had to list. What `revokedOf` answers after
   * this has all of them. Those of some ten thousand revocations at most; others when these are noted.
   */
  changes(caId: string, generation: number): Promise<readonly CrlChange[]>;
  /** When the CRL of each shard that was noted last ends. */
  publications(caId: string, generation: number): Promise<ReadonlyMap<number, EpochMs>>;
  /** Notes that a shard is published: until when, and the change that was read before its revoked certificates were. */
  notePublished(
    caId: string,
    generation: number,
    shard: number,
    nextUpdate: EpochMs,
    change: CrlChange | undefined,
  ): Promise<void>;
}

export interface CrlChange {
  readonly shard: number;
  /** By what the adapter knows again what had changed. */
  readonly mark: readonly string[];
}

export type RevokeAtCaOutcome =
  /** Revoked, now or before. */
  | { readonly kind: 'revoked' }
  /** Not now, or the outcome is unknown: asking again is harmless. */
  | { readonly kind: 'retry'; readonly code: string; readonly message: string };
