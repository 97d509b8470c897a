/** What signs: leaves for the signer, CAs for whoever builds the hierarchy. Each comment states what an adapter owes. */
import type { KeyDescription } from '../custody/key-description.ts';
import type { Authority } from '../hierarchy/hierarchy.ts';
import type { PreparedIssuance } from '../lints/prepared-issuance.ts';
import type { EpochMs } from '../pki/epoch.ts';
import type { RevocationReason, RevokeAtCaOutcome } from './revocation-ports.ts';

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
      /** Over a quota, in spite of our pacing. */
      readonly throttled?: true;
    }
  /** The CA or its module is not there; its queue alone waits. */
  | { readonly kind: 'unavailable'; readonly issuanceId: string; readonly code: string; readonly message: string };

export type CollectOutcome =
  | { readonly kind: 'issued'; readonly issuanceId: string; readonly certificateDer: Uint8Array }
  | {
      readonly kind: 'pending';
      readonly issuanceId: string;
      readonly retryAfterMs: number;
      /** The CA or its service answers nobody until somebody acts. */
      readonly unavailable?: { readonly code: string; readonly message: string };
    }
  | { readonly kind: 'failed'; readonly issuanceId: string; readonly code: string; readonly message: string };

/** How many may be submitted now, and what keeps the others. */
export interface Reservation {
  readonly granted: number;
  /** Why the others are not granted; `reserved` when there are none. */
  readonly code: string;
  /** When the others may be asked for again. */
  readonly retryAfterMs: number;
}

/**
 * Signs leaves under one issuance CA; holds that tier's credential only. Outcomes are in the order asked, one for each,
 * and no message fails its batch: what goes wrong with one is in its own outcome. Calls may run concurrently.
 * Only a `PreparedIssuance` whose intent is in the ledger (redeemed) is signed; any other throws before anything is sent.
 */
export interface SigningBackend {
  /** The key as the module or provider reports it now, never as configured. */
  describeKey(): Promise<KeyDescription>;
  /**
   * How old its evidence may be when a batch is signed; 0: it is read before every batch. Without it, what custody policy
   * accepts: a provider rations the calls that tell.
   */
  readonly evidenceAgeMsMax?: number;
  /**
   * Where submitting is rationed: asked before intents are written, so that an issuance for which there is no room stays
   * `approved`. Waits for room until `deadline`. The next submits use what was granted; what they leave is lost. Never rejects.
   */
  reserve?(count: number, deadline: EpochMs): Promise<Reservation>;
  submit(batch: readonly PreparedIssuance[]): Promise<readonly SubmitOutcome[]>;
  collect(tickets: readonly SigningTicket[]): Promise<readonly CollectOutcome[]>;
  /** Where the CA keeps what is revoked (ACM PCA): asked for one serial, lower-case hex. Never rejects; harmless twice. */
  revoke?(serialHex: string, reason: RevocationReason): Promise<RevokeAtCaOutcome>;
  /** Where CRLs are ours (PKCS#11, software): a CertificateList of this TBSCertList, signed with the CA's key. */
  signCrl?(tbsDer: Uint8Array): Promise<Uint8Array>;
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
  /** Looks for the CA and its key by id and generation, and makes nothing. `spkiSha256` is of the key as it is there. */
  findAuthority(authority: Authority): Promise<{ readonly ref: string; readonly spkiSha256: string } | undefined>;
  /** Makes the CA and its key, or finds them by id and generation. Answers what the registry keeps as `backendRef`. */
  createAuthority(authority: Authority): Promise<{ readonly ref: string }>;
  /** PKCS#10 DER, signed by the CA's key. */
  certificationRequest(ref: string, authority: Authority): Promise<Uint8Array>;
  /** Signs a CA certificate with the key behind `issuerRef`. DER. */
  signAuthority(order: AuthoritySigningOrder): Promise<Uint8Array>;
  /** Makes the CA usable with its certificate; a second time with the same one is no error. */
  installCertificate(ref: string, certificateDer: Uint8Array, chain: readonly Uint8Array[]): Promise<void>;
}
