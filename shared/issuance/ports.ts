/**
 * What the use cases need of the world. Each comment states what an adapter owes: consistency, durability, retry,
 * concurrency. A use case relies on nothing that is not written here.
 */
import type { KeyDescription } from '../custody/key-description.ts';
import type { Authority } from '../hierarchy/hierarchy.ts';
import type { PolicyViolation } from '../hierarchy/policy.ts';
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

export type Clock = () => EpochMs;

// ---------------------------------------------------------------------------------------------------------- ledger

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
  readonly dimension: 'total' | 'owner' | 'fleet' | 'profile' | 'keyType';
  readonly value: string;
  /** The bucket holds notAfter in [bucketStart, bucketStart + bucketMs). */
  readonly bucketStart: EpochMs;
  readonly bucketMs: number;
  readonly issued: number;
  readonly revoked: number;
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
}

// ----------------------------------------------------------------------------------------------------------- queue

/**
 * At-least-once, unordered. Carries issuance ids only (a claim check): nothing on a queue is trusted, and a lost
 * message loses nothing, since the ledger is the outbox and the reconciler sends again.
 */
export interface WorkQueue {
  /** Durable on return; a rejected promise may have sent some of them. */
  send(issuanceIds: readonly string[]): Promise<void>;
  depth(): Promise<QueueDepth>;
}

export interface QueueDepth {
  readonly visible: number;
  readonly inFlight: number;
  readonly oldestAgeMs: number;
}

export interface QueueMessage {
  readonly messageId: string;
  readonly body: string;
  /** Deliveries so far, this one included. */
  readonly receiveCount: number;
  readonly sentAt: EpochMs;
  /** Valid for this delivery until its visibility timeout ends. */
  readonly receipt: string;
}

/** The consumer's side, for the event source mapping; a Lambda never sees it. */
export interface QueueConsumer {
  /**
   * At most `countMax` messages, hidden from others for `visibilityMs`; waits up to `waitMsMax` for the first one.
   * A message received more than its queue's `receiveCountMax` goes to the dead-letter queue instead.
   */
  receive(options: {
    readonly countMax: number;
    readonly visibilityMs: number;
    readonly waitMsMax: number;
  }): Promise<readonly QueueMessage[]>;
  /** Deletes; a receipt that is no longer valid is ignored. */
  acknowledge(receipts: readonly string[]): Promise<void>;
  /** Makes messages visible again after `delayMs`. */
  release(receipts: readonly string[], delayMs: number): Promise<void>;
}

// --------------------------------------------------------------------------------------------------------- signing

export type SigningTicket = { readonly issuanceId: string; readonly ticket: string };

export type SubmitOutcome =
  /** The certificate itself (PKCS#11, software). */
  | { readonly kind: 'signed'; readonly issuanceId: string; readonly certificateDer: Uint8Array }
  /** Accepted; collect by the ticket (ACM PCA). */
  | { readonly kind: 'submitted'; readonly issuanceId: string; readonly ticket: string }
  /** The CA will never sign this. */
  | { readonly kind: 'refused'; readonly issuanceId: string; readonly code: string; readonly message: string }
  /** Not now; whether it took effect may be unknown. The stored intent is used again. */
  | {
      readonly kind: 'retry';
      readonly issuanceId: string;
      readonly code: string;
      readonly message: string;
      readonly retryAfterMs: number;
    }
  /** The CA or its module is not there; its queue alone waits. */
  | { readonly kind: 'unavailable'; readonly issuanceId: string; readonly code: string; readonly message: string };

export type CollectOutcome =
  | { readonly kind: 'issued'; readonly issuanceId: string; readonly certificateDer: Uint8Array }
  | { readonly kind: 'pending'; readonly issuanceId: string; readonly retryAfterMs: number }
  | { readonly kind: 'failed'; readonly issuanceId: string; readonly code: string; readonly message: string };

/**
 * Signs leaves under one issuance CA; holds that tier's credential only. Outcomes are in the order asked, one for each,
 * and no message fails its batch: what goes wrong with one is in its own outcome. Calls may run concurrently.
 * Only a `PreparedIssuance` whose intent is in the ledger (redeemed) is signed; any other throws before anything is sent.
 */
export interface SigningBackend {
  /** The key as the module or provider reports it now, never as configured. */
  describeKey(): Promise<KeyDescription>;
  submit(batch: readonly PreparedIssuance[]): Promise<readonly SubmitOutcome[]>;
  collect(tickets: readonly SigningTicket[]): Promise<readonly CollectOutcome[]>;
}

/** What a CA certificate is to say. Times in epoch milliseconds, whole seconds. */
export interface AuthoritySigningOrder {
  /** The CA to be certified. */
  readonly authority: Authority;
  readonly requestDer: Uint8Array;
  /** The signing CA's own description; the same as `authority` for a root. */
  readonly issuer: Authority;
  readonly issuerRef: string;
  /** Undefined for a root, which signs itself. */
  readonly issuerCertificateDer: Uint8Array | undefined;
  readonly notBefore: EpochMs;
  readonly notAfter: EpochMs;
}

/**
 * Builds a hierarchy. Never part of the signer. Every call converges: repeated after a lost answer it finds what is
 * there and makes no second CA or key.
 */
export interface AuthorityProvisioner {
  /** Makes the CA and its key, or finds them by id and generation. Answers what the registry keeps as `backendRef`. */
  createAuthority(authority: Authority): Promise<{ readonly ref: string }>;
  /** PKCS#10 DER, signed by the CA's key. */
  certificationRequest(ref: string, authority: Authority): Promise<Uint8Array>;
  /** Signs a CA certificate with the key behind `issuerRef`. DER. */
  signAuthority(order: AuthoritySigningOrder): Promise<Uint8Array>;
  /** Makes the CA usable with its certificate; a second time with the same one is no error. */
  installCertificate(ref: string, certificateDer: Uint8Array, chain: readonly Uint8Array[]): Promise<void>;
}
