/** The types of a hierarchy that has been read and found free of faults. */
import type { KeyUsageName } from '../pki/certification-request.ts';
import type { CaSigningAlgorithm } from '../pki/signature-algorithm.ts';
import type { Duration } from './duration.ts';

export type Tier = 'root' | 'subordinate' | 'issuance';
export type BackendKind = 'acm-pca' | 'pkcs11' | 'software';
export type Stage = 'dev' | 'prod';
export type AcmPcaMode = 'GENERAL_PURPOSE' | 'SHORT_LIVED_CERTIFICATE';
export type CaKeyAlgorithm = 'EC_prime256v1' | 'EC_secp384r1' | 'EC_secp521r1' | 'RSA_2048' | 'RSA_3072' | 'RSA_4096';
export type ProfileKey = 'P-256' | 'P-384' | 'P-521' | 'RSA-2048' | 'RSA-3072' | 'RSA-4096' | 'Ed25519';
export type ExtendedKeyUsageName = 'serverAuth' | 'clientAuth';
export type CmvpStatus = 'active' | 'historical' | 'revoked';

/** Subtrees of RFC 5280 §4.2.1.10: DNS names, hosts of URIs, CIDR ranges. A kind that is absent is not constrained. */
export interface NameSubtrees {
  readonly dns?: readonly string[];
  readonly uri?: readonly string[];
  readonly ip?: readonly string[];
}

export interface NameConstraints {
  readonly permitted: NameSubtrees;
  readonly excluded?: NameSubtrees;
}

/** What is demanded of the place where a CA's key lives; compared with what the module says by `evaluateCustody`. */
export interface CustodyRequirement {
  readonly model: 'software' | 'self-managed-hsm' | 'managed-ca';
  /** FIPS 140 security level, 0 (none) to 4. */
  readonly securityLevelMin: number;
  readonly cmvpAccepted: readonly CmvpStatus[];
  /** How many people approve each signature (CloudHSM: quorum for key-usage). Never of an issuance CA. */
  readonly signQuorum?: number;
}

/** Labels of a key on a PKCS#11 token. Slots, libraries and PINs are the wiring's, never the hierarchy's. */
export interface Pkcs11Location {
  readonly tokenLabel: string;
  readonly keyLabel: string;
}

/** CRLs that ACM PCA makes and publishes itself, configured when the CA is made. */
export interface OwnCrl {
  /** complete: one list, for a CA of up to 1,000,000 certificates. partitioned: many, for one of up to 100 million. */
  readonly type: 'complete' | 'partitioned';
  /** From thisUpdate to nextUpdate. */
  readonly expirationDays: number;
}

export interface Authority {
  readonly id: string;
  readonly tier: Tier;
  readonly parent?: string;
  readonly generation: number;
  readonly backend: BackendKind;
  readonly mode?: AcmPcaMode;
  /** Of an issuance CA in ACM PCA; without it the CA publishes no CRL. */
  readonly crl?: OwnCrl;
  /** Distinguished name in the order it is encoded. */
  readonly subject: string;
  readonly keyAlgorithm: CaKeyAlgorithm;
  readonly signingAlgorithm: CaSigningAlgorithm;
  readonly validity: Duration;
  /** Nominal length of `validity`, years of 365 days. A notAfter is computed with `addDuration`. */
  readonly validityMs: number;
  readonly pathLen?: number;
  readonly nameConstraints?: NameConstraints;
  /** What leaves below may be for, as the CA's certificate says it; not constrained here without it. */
  readonly extendedKeyUsage?: readonly ExtendedKeyUsageName[];
  readonly profiles: readonly string[];
  readonly custody: CustodyRequirement;
  readonly pkcs11?: Pkcs11Location;
}

/** The kinds of names a profile allows. A kind that is absent is refused, and so is everything else. */
export interface ProfileNames {
  /** `countMin` is always set in a hierarchy that was read: its default depends on the other fields. */
  readonly dns?: { readonly countMin?: number; readonly countMax: number; readonly wildcard: boolean };
  readonly spiffe?: { readonly countExactly: 1; readonly trustDomain: string };
  readonly ip?: { readonly countMax: number };
  readonly others: 'refuse';
}

export interface Profile {
  readonly name: string;
  readonly validity: Duration;
  readonly subject: 'first-dns-name' | 'empty';
  readonly names: ProfileNames;
  readonly keys: readonly ProfileKey[];
  readonly keyUsage: readonly KeyUsageName[];
  readonly extendedKeyUsage: readonly ExtendedKeyUsageName[];
  readonly requestedExtensions: { readonly drop: readonly string[]; readonly others: 'refuse' };
}

/** What the owner has looked up of an HSM's validation, by what the module reports of itself. */
export interface ValidatedModule {
  readonly manufacturer: string;
  readonly model: string;
  /** Firmware version, or its beginning by whole numbers. */
  readonly firmware: string;
  readonly standard: 'FIPS 140-2' | 'FIPS 140-3';
  readonly certificateNumber: string;
  readonly securityLevel: 1 | 2 | 3 | 4;
  readonly status: CmvpStatus;
  /** Day of the look-up, YYYY-MM-DD. */
  readonly statusAsOf: string;
  readonly source: string;
}

export interface Hierarchy {
  readonly version: 1;
  readonly stage: Stage;
  /** Without a trailing slash. */
  readonly crlBaseUrl: string;
  /** Parents before children; among equals, the order of the file. */
  readonly authorities: readonly Authority[];
  readonly profiles: readonly Profile[];
  /** Validations of HSMs, by the owner's word. */
  readonly modules: readonly ValidatedModule[];
  /** First 16 hex digits of the SHA-256 of the canonical JSON of authorities and profiles, whatever their order in the file. */
  readonly policyVersion: string;
}
