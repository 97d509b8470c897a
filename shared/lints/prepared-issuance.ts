/**
 * The capability to have one leaf signed. Only `lintAndPrepare` makes one, after every lint has passed over the very
 * certificate, and `redeem` takes it once: the ledger does so in the transition to `intended`, and a backend signs nothing
 * that was not redeemed. So nothing is signed that was not linted, or that was not written down first.
 */
import { strict as assert } from 'node:assert';
import {
  type CandidateCertificate,
  extendedKeyUsageOf,
  findExtension,
  keyUsageOf,
  parseCandidate,
  subjectAltNames,
} from '../pki/certificate.ts';
import { assembleCertificate } from '../pki/certificate-builder.ts';
import type { KeyUsageName } from '../pki/certification-request.ts';
import type { EpochMs } from '../pki/epoch.ts';
import { MalformedError } from '../pki/malformed.ts';
import { type GeneralName, nameKey } from '../pki/names.ts';
import { oids } from '../pki/oids.ts';
import type { SubjectPublicKey } from '../pki/public-key.ts';
import type { CaSigningAlgorithm } from '../pki/signature-algorithm.ts';
import { certificateWellFormed } from './certificate-well-formed.ts';
import { equalBytes, sameMembers } from './decoded.ts';
import { runLints } from './index.ts';
import type { LintFinding, LintSubject } from './lint.ts';

/**
 * What is going to be signed, as the ledger keeps it. `tbs`: the very bytes (PKCS#11). `template`: what ACM PCA is asked for,
 * which builds the TBSCertificate and picks the serial itself. `at` is the time of the intent.
 */
export type Intent =
  | {
      readonly kind: 'tbs';
      readonly tbsDer: Uint8Array;
      /** As `TbsCertificate.serialHex`. */
      readonly serial: string;
      readonly notBefore: EpochMs;
      readonly notAfter: EpochMs;
      readonly signingAlgorithm: CaSigningAlgorithm;
      readonly at: EpochMs;
    }
  | {
      readonly kind: 'template';
      readonly templateArn: string;
      readonly notBefore: EpochMs;
      readonly notAfter: EpochMs;
      readonly commonName?: string;
      readonly names: readonly GeneralName[];
      readonly sanCritical: boolean;
      readonly keyUsage: readonly KeyUsageName[];
      /** Object identifiers. */
      readonly extendedKeyUsage: readonly string[];
      readonly spkiSha256: string;
      readonly signingAlgorithm: CaSigningAlgorithm;
      /** 1 to 36 characters; ACM PCA honours it for five minutes. */
      readonly idempotencyToken: string;
      /** The CA puts a CRL distribution point of its own into it; it puts none where this is absent. */
      readonly ownCrl?: true;
      readonly at: EpochMs;
    };

/**
 * Stands for the CA's signature while a certificate is linted: one that a key which vouches for nothing has made, over anything.
 * Lints look at its form; under the issuer's key it would not verify whatever it was made over.
 */
export interface ThrowawaySignature {
  readonly publicKey: SubjectPublicKey;
  /** Content of the BIT STRING: ECDSA-Sig-Value DER, or RSA's. */
  readonly signature: Uint8Array;
}

declare const minted: unique symbol;

/** Made by `lintAndPrepare` only; a copy of one is worth nothing. */
export interface PreparedIssuance {
  readonly [minted]: true;
  readonly issuanceId: string;
  readonly caId: string;
  readonly csrDer: Uint8Array;
  readonly intent: Intent;
}

/** The identity of the object is the capability: what is private to it is in no copy, and nobody else can make it. */
class Prepared {
  readonly issuanceId: string;
  readonly caId: string;
  readonly csrDer: Uint8Array;
  readonly intent: Intent;
  #isRedeemed = false;

  constructor(issuanceId: string, caId: string, csrDer: Uint8Array, intent: Intent) {
    this.issuanceId = issuanceId;
    this.caId = caId;
    this.csrDer = csrDer;
    this.intent = intent;
    Object.freeze(this);
  }

  /** Undefined for what is none. */
  static isRedeemed(value: object): boolean | undefined {
    return #isRedeemed in value ? value.#isRedeemed : undefined;
  }

  static redeem(value: object): void {
    if (#isRedeemed in value) value.#isRedeemed = true;
  }
}

/**
 * `lintTbs` is the TBSCertificate to lint: of a `tbs` intent its very bytes, of a `template` intent what the CA is expected
 * to build. `subject` is what the certificate is held against.
 */
export interface PrepareCandidate {
  readonly issuanceId: string;
  readonly caId: string;
  readonly csrDer: Uint8Array;
  readonly intent: Intent;
  readonly lintTbs: Uint8Array;
  readonly subject: Omit<LintSubject, 'certificate'>;
  readonly algorithm: CaSigningAlgorithm;
}

export type PrepareOutcome =
  | { readonly kind: 'prepared'; readonly prepared: PreparedIssuance }
  | { readonly kind: 'refused'; readonly findings: readonly LintFinding[] };

/**
 * Completes `lintTbs` with the throwaway signature, parses the certificate and runs every lint. Findings refuse; a candidate
 * whose intent is not what was linted is our own mistake and throws AssertionError.
 */
export function lintAndPrepare(candidate: PrepareCandidate, throwaway: ThrowawaySignature): PrepareOutcome {
  const { issuanceId, caId, csrDer, lintTbs, subject, algorithm } = candidate;
  // A signature of the CA's own key here would be a certificate nobody wrote down.
  assert(throwaway.publicKey.sha256 !== subject.issuer.tbs.publicKey.sha256, "the throwaway key is the issuer's");
  let certificate: CandidateCertificate;
  try {
    certificate = parseCandidate(assembleCertificate(lintTbs, algorithm, throwaway.signature));
  } catch (error) {
    if (!(error instanceof MalformedError)) throw error;
    const { name, citation } = certificateWellFormed;
    return { kind: 'refused', findings: [{ lint: name, citation, message: error.message }] };
  }
  const findings = runLints({ ...subject, certificate });
  if (findings.length > 0) return { kind: 'refused', findings };

  const intent = freezeIntent(candidate.intent);
  assertIntentIsLinted(intent, certificate, lintTbs, algorithm);
  const prepared: unknown = new Prepared(issuanceId, caId, csrDer, intent);
  return { kind: 'prepared', prepared: prepared as PreparedIssuance };
}

/** Takes the capability and answers its intent. AssertionError the second time, and for an object that is none. */
export function redeem(prepared: PreparedIssuance): Intent {
  const isRedeemed = Prepared.isRedeemed(prepared);
  assert(isRedeemed !== undefined, 'only linting makes a prepared issuance');
  assert(!isRedeemed, 'a prepared issuance is redeemed once');
  Prepared.redeem(prepared);
  return prepared.intent;
}

/** Whether `redeem` has taken this very object; false for anything else. */
export function isRedeemed(prepared: PreparedIssuance): boolean {
  return Prepared.isRedeemed(prepared) === true;
}

// The bytes that were linted are kept apart from whoever holds the candidate.
function freezeIntent(intent: Intent): Intent {
  return Object.freeze(intent.kind === 'tbs' ? { ...intent, tbsDer: new Uint8Array(intent.tbsDer) } : { ...intent });
}

function assertIntentIsLinted(
  intent: Intent,
  { tbs }: CandidateCertificate,
  lintTbs: Uint8Array,
  algorithm: CaSigningAlgorithm,
): void {
  assert.equal(intent.signingAlgorithm, algorithm, 'the intent has another signing algorithm than was linted');
  assert.equal(intent.notBefore, tbs.notBefore, 'the intent has another notBefore than was linted');
  assert.equal(intent.notAfter, tbs.notAfter, 'the intent has another notAfter than was linted');
  if (intent.kind === 'tbs') {
    assert(equalBytes(intent.tbsDer, lintTbs), 'the intent has other bytes than were linted');
    assert.equal(intent.serial, tbs.serialHex, 'the intent has another serial than was linted');
    return;
  }
  const commonName = tbs.subject.attributes.find(({ type }) => type === oids.commonName)?.value;
  const names = (subjectAltNames(tbs)?.names ?? []).map(nameKey);
  const sanCritical = findExtension(tbs, oids.subjectAltName)?.critical ?? false;
  assert.equal(intent.spkiSha256, tbs.publicKey.sha256, 'the intent has another key than was linted');
  assert.equal(intent.commonName, commonName, 'the intent has another common name than was linted');
  assert(sameMembers(names, intent.names.map(nameKey)), 'the intent has other names than were linted');
  assert.equal(intent.sanCritical, sanCritical, 'the intent has another criticality than was linted');
  assert(sameMembers(keyUsageOf(tbs) ?? [], intent.keyUsage), 'the intent has other key usages than were linted');
  assert(
    sameMembers(extendedKeyUsageOf(tbs) ?? [], intent.extendedKeyUsage),
    'the intent has other extended key usages than were linted',
  );
}
