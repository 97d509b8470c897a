import type { CandidateCertificate, Certificate } from '../pki/certificate.ts';
import type { KeyUsageName } from '../pki/certification-request.ts';

/**
 * One leaf certificate and what it is to be. The certificate need not be signed by its issuer: lints run before the CA's
 * key is used, on a certificate with a throwaway signature, and again on what a CA has answered.
 */
export interface LintSubject {
  readonly certificate: CandidateCertificate;
  /** The issuing CA's certificate. */
  readonly issuer: Certificate;
  /** CA certificates above the issuer, in any order: their name constraints count too. */
  readonly issuerChain?: readonly Certificate[];
  readonly profile: string;
  /** 'tls': names are DNS names (profiles device, service). 'svid': the name is one SPIFFE ID. */
  readonly usage: 'tls' | 'svid';
  /** Longest notAfter − notBefore: the profile's validity and the back-date of notBefore. */
  readonly lifetimeMsMax: number;
  readonly keyUsage: readonly KeyUsageName[];
  /** Object identifiers. */
  readonly extendedKeyUsage: readonly string[];
  /** Whether a CRL distribution point is there; undefined where that is the CA's own affair (ACM PCA with CRLs configured). */
  readonly crlExpected: boolean | undefined;
}

/**
 * A rule about a leaf. `check` answers what is wrong, or undefined; it is pure, total and quick, and speaks of one
 * violation only: a certificate with one fault has one finding.
 */
export interface Lint {
  /** Kebab-case; also the file's name, and the name in docs/certificate-profiles.md. */
  readonly name: string;
  /** Standard and clause. */
  readonly citation: string;
  readonly applies: (subject: LintSubject) => boolean;
  readonly check: (subject: LintSubject) => string | undefined;
}

export interface LintFinding {
  readonly lint: string;
  readonly citation: string;
  readonly message: string;
}

export const always = (): boolean => true;
export const tlsOnly = (subject: LintSubject): boolean => subject.usage === 'tls';
export const svidOnly = (subject: LintSubject): boolean => subject.usage === 'svid';
