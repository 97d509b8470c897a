/** The ledger and the stores beside it. Each comment states what an adapter owes. */
import type { PolicyViolation } from '../hierarchy/policy.ts';
import type { CountedDimension } from '../inventory/counted.ts';
import type { PreparedIssuance } from '../lints/prepared-issuance.ts';
import type { EpochMs } from '../pki/epoch.ts';
import type {
  EnrolmentCredential,
  InstalledAuthority,
  IssuanceError,
  IssuanceRecord,
  IssuedCertificate,
  NewIssuance,
  Operator,
} from './issuance-record.ts';
import type { IssuanceState } from './issuance-state.ts';

export type ReceiveOutcome =
  | { readonly kind: 'received'; readonly record: IssuanceRecord }
  /** Another writer took this ordinal first; read `current` again. */
  | { readonly kind: 'conflict' }
  | { readonly kind: 'credential-count-used-up' }
  | { readonly kind: 'credential-revoked' };

/** One move of one issuance. `from` is what the caller saw; the ledger moves only if it is still so. */
export type Transition =
  | {
      readonly to: 'approved';
      readonly issuanceId: string;
      readonly from: 'received' | 'orphan-suspected';
      readonly at: EpochMs;
      readonly policyVersion: string;
      readonly caId: string;
      readonly generation: number;
      readonly droppedExtensions: readonly string[];
    }
  | {
      readonly to: 'rejected';
      readonly issuanceId: string;
      readonly from: 'received' | 'approved';
      readonly at: EpochMs;
      readonly policyVersion: string;
      readonly violations: readonly PolicyViolation[];
    }
  | { readonly to: 'lapsed'; readonly issuanceId: string; readonly from: 'received' | 'approved'; readonly at: EpochMs }
  /** Redeems `prepared`: throws when it was redeemed before. */
  | {
      readonly to: 'intended';
      readonly from: 'approved';
      readonly at: EpochMs;
      readonly prepared: PreparedIssuance;
      /** Shard of the issuer's CRL, as written into the intent. */
      readonly crlShard?: number;
    }
  | {
      readonly to: 'submitted';
      readonly issuanceId: string;
      readonly from: 'intended';
      readonly at: EpochMs;
      readonly ticket: string;
    }
  | {
      readonly to: 'issued';
      readonly issuanceId: string;
      readonly from: 'intended' | 'submitted' | 'orphan-suspected';
      readonly at: EpochMs;
      readonly certificate: IssuedCertificate;
      readonly ticket?: string;
      readonly adopted?: boolean;
    }
  | {
      readonly to: 'misissued';
      readonly issuanceId: string;
      readonly from: 'intended' | 'submitted';
      readonly at: EpochMs;
      readonly certificateDer: Uint8Array;
      readonly error: IssuanceError;
    }
  | {
      readonly to: 'failed';
      readonly issuanceId: string;
      readonly from: 'approved' | 'intended' | 'submitted';
      readonly at: EpochMs;
      readonly error: IssuanceError;
    }
  | {
      readonly to: 'orphan-suspected';
      readonly issuanceId: string;
      readonly from: 'intended';
      readonly at: EpochMs;
      readonly error: IssuanceError;
    }
  | {
      readonly to: 'revoked';
      readonly issuanceId: string;
      readonly from: 'issued';
      readonly at: EpochMs;
      readonly reason: string;
    };

export type AdvanceOutcome =
  | { readonly kind: 'moved' }
  /** The issuance is not where the caller saw it; `actual` is where it is (undefined: there is no such issuance). */
  | { readonly kind: 'conflict'; readonly actual: IssuanceState | undefined }
  /** To `approved`: these names are held for another owner or key. */
  | { readonly kind: 'held'; readonly names: readonly string[] }
  /** To `approved`: the key belongs to another owner. */
  | { readonly kind: 'key-of-another-owner' }
  /** To `approved`: the key was revoked for compromise. */
  | { readonly kind: 'key-compromised' }
  /** To `intended`: the CA is frozen. */
  | { readonly kind: 'frozen' }
  /** To `intended` or `issued`: the issuer has this serial already. */
  | { readonly kind: 'serial-taken' };

export interface NameHold {
  readonly name: string;
  readonly owner: string;
  readonly spkiSha256: string;
  readonly heldAt: EpochMs;
}

export interface Holders {
  /** Of the names asked for, those held, by anybody. */
  readonly names: readonly NameHold[];
  /** Owner of the key, if it has one. */
  readonly keyOwner?: string;
  /** True when the key was revoked for compromise: refused for ever. */
  readonly keyCompromised: boolean;
}

export interface StaleIssuance {
  readonly issuanceId: string;
  readonly caId: string;
  readonly state: IssuanceState;
  readonly stateAt: EpochMs;
}

/** Issued and revoked of one CA in one bucket of notAfter. Marginals: one row a dimension, never their product. */
export interface CounterRow {
  readonly dimension: CountedDimension;
  readonly value: string;
  /** The bucket holds notAfter in [bucketStart, bucketStart + bucketMs). */
  readonly bucketStart: EpochMs;
  readonly bucketMs: number;
  readonly issued: number;
  readonly revoked: number;
}

/** Whose a serial or a ticket is. */
export interface KnownIssuance {
  readonly issuanceId: string;
  readonly state: IssuanceState;
}

export interface IssuedSerialPage {
  readonly issued: readonly {
    readonly serial: string;
    readonly issuanceId: string;
    /** Since when, at the latest, the ledger has held the certificate. */
    readonly at: EpochMs;
  }[];
  /** `after` of the next page; undefined after the last. */
  readonly next: string | undefined;
}

/**
 * The truth and the outbox. Every write is durable when its promise resolves, and linearizable per issuance id: of two
 * concurrent moves from one state, one answers `moved` and the other `conflict`. A rejected promise leaves the outcome
 * unknown: read again before deciding. Reads by id see every write that was answered. Writes of one call go out
 * together but succeed or fail each on its own.
 */
export interface IssuanceLedger {
  /**
   * Takes the ordinal for a request and counts it against its credential, in one transaction. `ordinal` must follow
   * the current one; a credential revoked or used up since it was read is found here.
   */
  receive(issuance: NewIssuance): Promise<ReceiveOutcome>;
  /** The issuance with the request's highest ordinal. */
  current(requestId: string): Promise<IssuanceRecord | undefined>;
  get(issuanceId: string): Promise<IssuanceRecord | undefined>;
  /** In the order asked; undefined where there is none. */
  getMany(issuanceIds: readonly string[]): Promise<readonly (IssuanceRecord | undefined)[]>;
  /**
   * Moves, each atomic by itself; outcomes in the order asked. To `approved` holds every name of the record for
   * (owner, key), and the key for the owner, in the same transaction. To `intended` reads the CA's freeze fence and takes
   * the serial of a `tbs` intent; to `issued` takes the serial if it has none yet, and moves the counters; to
   * `revoked` moves them too. A move that is no edge of `nextStates` throws.
   */
  advance(transitions: readonly Transition[]): Promise<readonly AdvanceOutcome[]>;
  /** Counts an attempt that ended without an outcome. The state stays. */
  noteAttempts(attempts: readonly { readonly issuanceId: string; readonly error: IssuanceError }[]): Promise<void>;
  holders(names: readonly string[], spkiSha256: string): Promise<Holders>;
  /** Releases a name from its holder; false when nobody held it. */
  releaseName(name: string, at: EpochMs): Promise<boolean>;
  /** Issuances in `state` since before `stateAtBefore`, oldest first, at most `countMax`. Eventually consistent. */
  stale(state: IssuanceState, stateAtBefore: EpochMs, countMax: number): Promise<readonly StaleIssuance[]>;
  /** How many issuances each pending state holds for a CA. Eventually consistent. */
  unsettled(
    caId: string,
  ): Promise<
    Readonly<Record<'received' | 'approved' | 'intended' | 'submitted' | 'orphan-suspected' | 'misissued', number>>
  >;
  counters(caId: string): Promise<readonly CounterRow[]>;
  /**
   * Of these serials of one generation of a CA, those that the ledger holds, and for whom. At most 1,000 are asked at once.
   * Who compares a certificate with the ledger while issuances move asks `knownTickets` first: a ticket comes before a serial.
   */
  knownSerials(
    caId: string,
    generation: number,
    serials: readonly string[],
  ): Promise<ReadonlyMap<string, KnownIssuance>>;
  /** Of these tickets, those of issuances that have no serial (`submitted`, `failed`, `misissued`). At most 1,000. */
  knownTickets(tickets: readonly string[]): Promise<ReadonlyMap<string, KnownIssuance>>;
  /**
   * Serials of the certificates of one generation of a CA, in the order of their text, after `after`. Looks at no more than
   * `countMax` (1,000) rows a call, so that a page may be empty while `next` says where to go on.
   */
  issuedSerials(
    caId: string,
    generation: number,
    after: string | undefined,
    countMax: number,
  ): Promise<IssuedSerialPage>;
  /**
   * The first of `count` consecutive CRL slots of a CA, from 0. A slot may be lost (a lease not used up), never handed
   * out twice: what bounds the size of a CRL shard.
   */
  leaseCrlSlots(caId: string, generation: number, count: number): Promise<number>;
}

/** Tells when an issuance has left the pending states. Best effort: an answer may come late, never wrong. */
export interface IssuanceWatch {
  /** Resolves when settled or after `waitMsMax`, whichever is first; reads nothing, promises nothing. */
  untilSettled(issuanceId: string, waitMsMax: number): Promise<void>;
}

/** Durable on return. `sha256` is the lookup key: the secret itself is never stored. */
export interface CredentialStore {
  create(credential: EnrolmentCredential): Promise<void>;
  get(id: string): Promise<EnrolmentCredential | undefined>;
  findBySha256(sha256: string): Promise<EnrolmentCredential | undefined>;
  list(countMax: number, after?: string): Promise<readonly EnrolmentCredential[]>;
  /** False when there is none; revoking twice is no error and keeps the first time. */
  revoke(id: string, at: EpochMs): Promise<boolean>;
}

export interface OperatorStore {
  create(operator: Operator): Promise<void>;
  findBySha256(sha256: string): Promise<Operator | undefined>;
}

export interface OperatorLogEntry {
  readonly at: EpochMs;
  readonly operatorId: string;
  readonly action: string;
  readonly subject: string;
  readonly outcome: 'done' | 'refused';
}

/** Append only. */
export interface OperatorLog {
  append(entry: OperatorLogEntry): Promise<void>;
  list(countMax: number): Promise<readonly OperatorLogEntry[]>;
}

export interface AuthorityRegistry {
  /** Every installed generation of every CA. */
  list(): Promise<readonly InstalledAuthority[]>;
  /** Writes (caId, generation) once; writing the same certificate again is no error, another certificate throws. */
  install(authority: InstalledAuthority): Promise<void>;
  /** The fence that a move to `intended` reads. */
  setFrozen(caId: string, frozen: boolean, at: EpochMs, by: string): Promise<void>;
  isFrozen(caId: string): Promise<boolean>;
  /** The last change of the fence; undefined for a CA that was never frozen. Sees every write that was answered. */
  fenceOf(caId: string): Promise<AuthorityFence | undefined>;
}

export interface AuthorityFence {
  readonly frozen: boolean;
  readonly at: EpochMs;
  /** Operator who changed it. */
  readonly by: string;
}
