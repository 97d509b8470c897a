import type { EpochMs } from '../pki/epoch.ts';

/** Who holds a key. `self-managed-hsm`: evidence read from the module; `managed-ca`: evidence the provider attests. */
export type CustodyModel = 'software' | 'self-managed-hsm' | 'managed-ca';

/** Status of a module's validation in the Cryptographic Module Validation Program. */
export type CmvpStatus = 'active' | 'historical' | 'revoked';

/** Attributes of a private key as C_GetAttributeValue reports them (PKCS #11 v2.40 §4.9), CKA_ prefix aside. */
export interface KeyAttributes {
  readonly token: boolean;
  readonly sensitive: boolean;
  readonly extractable: boolean;
  readonly neverExtractable: boolean;
  readonly alwaysSensitive: boolean;
  readonly local: boolean;
  readonly sign: boolean;
}

/** What C_GetInfo and C_GetTokenInfo say of the module and the token. */
export interface ModuleDescription {
  readonly manufacturer: string;
  readonly model: string;
  readonly serial: string;
  readonly firmware: string;
  readonly library: string;
}

/** That a key came from a backup, and how that is known: PKCS #11 itself does not tell a restored key from its original. */
export interface KeyOrigin {
  readonly kind: 'restored';
  /**
   * `provider`: AWS says which backup the cluster was made from. `record`: whoever restored wrote it down beside the token.
   * `place`: the token's files are not where they were made.
   */
  readonly knownBy: 'provider' | 'record' | 'place';
  readonly backupId?: string;
  readonly restoredAt?: EpochMs;
}

/** One HSM of a cluster. */
export interface ClusterHsm {
  readonly hsmId: string;
  readonly state: string;
  readonly zone: string;
  /** Address of its network interface: what a client library is configured with. */
  readonly eniIp: string;
}

/** The newest backup of a cluster that can be restored. */
export interface ClusterBackup {
  readonly backupId: string;
  readonly createdAt: EpochMs;
  readonly mode: 'FIPS' | 'NON_FIPS' | 'unknown';
  /** True when the retention of the cluster does not end it. */
  readonly neverExpires: boolean;
}

/** The cluster behind a PKCS #11 library, as its provider describes it. What it does not say is `unknown`. */
export interface ClusterDescription {
  readonly source: 'provider' | 'emulator';
  readonly clusterId: string;
  /** `gone` when there is no such cluster. */
  readonly state: string;
  /** hsm1.medium, hsm2m.medium. */
  readonly hsmType: string;
  readonly mode: 'FIPS' | 'NON_FIPS' | 'unknown';
  readonly hsms: readonly ClusterHsm[];
  /** The backup that the cluster was made from. */
  readonly sourceBackupId?: string;
  readonly backupRetentionDays?: number;
  /** Undefined when there is none; absent when backups were not asked for or not told. */
  readonly latestBackup?: ClusterBackup | undefined;
  /** Backups that can be restored. */
  readonly backupCount?: number;
  /** Servers of the client library's configuration that are no HSM of this cluster; empty when all are, absent when not known. */
  readonly foreignServers?: readonly string[];
  readonly readAt: EpochMs;
}

/** A key as the place that holds it describes it, never as it is configured. */
export interface KeyDescription {
  readonly source: 'module' | 'provider' | 'emulator' | 'process';
  readonly model: CustodyModel;
  /** 'sha256:' and `spkiSha256`. */
  readonly keyId: string;
  /** SHA-256 of the SubjectPublicKeyInfo, lower-case hex. */
  readonly spkiSha256: string;
  /** For example EC_prime256v1. */
  readonly keyAlgorithm: string;
  /** Absent where no module reports them. */
  readonly attributes?: KeyAttributes;
  /** FIPS 140 security level; 0 is none. */
  readonly securityLevel: 0 | 1 | 2 | 3 | 4;
  /** For example FIPS 140-3. */
  readonly standard?: string;
  readonly certificateNumber?: string;
  readonly cmvpStatus?: CmvpStatus | 'unknown';
  /** Who looked the validation up, where it is not the list in this project: the owner of the hierarchy, when and where. */
  readonly validatedBy?: { readonly who: 'owner'; readonly statusAsOf: string; readonly source: string };
  /** The provider's own words for the above, where it is the provider who says it. */
  readonly attestation?: string;
  readonly module?: ModuleDescription;
  /** Where the module is a cluster whose provider can be asked. */
  readonly cluster?: ClusterDescription;
  /** Absent: nothing says that it is not where it was made. */
  readonly origin?: KeyOrigin;
  readonly status: 'usable' | 'disabled' | 'pending' | 'expired' | 'gone';
  readonly readAt: EpochMs;
}
