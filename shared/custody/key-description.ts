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
  readonly module?: ModuleDescription;
  readonly status: 'usable' | 'disabled' | 'pending' | 'expired' | 'gone';
  readonly readAt: EpochMs;
}
