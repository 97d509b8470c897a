import { runLints } from '../lints/index.ts';
import type { LintSubject } from '../lints/lint.ts';
import type { Intent } from '../lints/prepared-issuance.ts';
import {
  type Certificate,
  openCertificate,
  parseCertificate,
  subjectAltNames,
  verifyCertificateSignature,
} from '../pki/certificate.ts';
import { MalformedError } from '../pki/malformed.ts';
import { encodeCommonNameOnly, nameKey } from '../pki/names.ts';
import { encodeCaSigningAlgorithm, parseSignatureAlgorithm } from '../pki/signature-algorithm.ts';
import { type VerifySignature, verifySignature } from '../pki/verify-signature.ts';
import type { IssuingAuthority } from './authority-directory.ts';
import { storedSubjectOf } from './build-intent.ts';
import type { IssuedCertificate } from './issuance-record.ts';

export type VerifyOutcome =
  | { readonly kind: 'verified'; readonly certificate: IssuedCertificate }
  /** Kept, alarmed, never handed out. */
  | { readonly kind: 'misissued'; readonly faults: readonly string[] };

/**
 * Holds what came back against what was intended, not against what was asked: byte for byte where we built the
 * TBSCertificate, field by field where ACM PCA did, and in both cases the signature under the issuer's key.
 */
export async function verifyIssued(
  certificateDer: Uint8Array,
  intent: Intent,
  profile: string,
  issuer: IssuingAuthority,
  verify: VerifySignature = verifySignature,
): Promise<VerifyOutcome> {
  try {
    return intent.kind === 'tbs'
      ? await verifySigned(certificateDer, intent, issuer.certificate, verify)
      : await verifyBuilt(certificateDer, intent, storedSubjectOf(intent, profile, issuer), verify);
  } catch (cause) {
    // Not a certificate, or one with an extension that is malformed: in both cases not what was intended.
    if (!(cause instanceof MalformedError)) throw cause;
    return { kind: 'misissued', faults: [`not a certificate, or malformed inside: ${cause.code}`] };
  }
}

const notVerified = "the signature does not verify under the issuer's key";

/** What was signed are the bytes that were linted: they are compared, not parsed again. */
async function verifySigned(
  der: Uint8Array,
  { notAfter, notBefore, serial, signingAlgorithm, tbsDer }: Extract<Intent, { kind: 'tbs' }>,
  issuer: Certificate,
  verify: VerifySignature,
): Promise<VerifyOutcome> {
  const signed = openCertificate(der);
  const faults: string[] = [];
  if (Buffer.compare(signed.tbsDer, tbsDer) !== 0) faults.push('the signed TBSCertificate is not the intended one');
  if (Buffer.compare(signed.signatureAlgorithmDer, encodeCaSigningAlgorithm(signingAlgorithm)) !== 0)
    faults.push('the signature algorithm is not the intended one');
  const algorithm = parseSignatureAlgorithm(signed.signatureAlgorithmDer);
  if (!(await verify(algorithm, issuer.tbs.publicKey, signed.tbsDer, signed.signature))) faults.push(notVerified);
  if (faults.length > 0) return { kind: 'misissued', faults };
  const { fingerprint } = signed;
  return { kind: 'verified', certificate: { der, serial, notBefore, notAfter, fingerprint } };
}

async function verifyBuilt(
  certificateDer: Uint8Array,
  intent: Extract<Intent, { kind: 'template' }>,
  subject: Omit<LintSubject, 'certificate'>,
  verify: VerifySignature,
): Promise<VerifyOutcome> {
  const certificate = parseCertificate(certificateDer);
  const faults = fieldFaults(certificate, intent, subject);
  if (!(await verifyCertificateSignature(certificate, subject.issuer.tbs.publicKey, verify))) faults.push(notVerified);
  if (faults.length > 0) return { kind: 'misissued', faults };
  const { tbs, fingerprint } = certificate;
  const { notAfter, notBefore, serialHex: serial } = tbs;
  return { kind: 'verified', certificate: { der: certificateDer, serial, notBefore, notAfter, fingerprint } };
}

function fieldFaults(
  certificate: Certificate,
  intent: Extract<Intent, { kind: 'template' }>,
  subject: Omit<LintSubject, 'certificate'>,
): string[] {
  const faults: string[] = [];
  const { tbs } = certificate;
  if (tbs.publicKey.sha256 !== intent.spkiSha256) faults.push("the public key is not the request's");
  if (tbs.notBefore !== intent.notBefore) faults.push('notBefore is not the intended one');
  if (tbs.notAfter !== intent.notAfter) faults.push('notAfter is not the intended one');
  if (Buffer.compare(tbs.issuer.der, subject.issuer.tbs.subject.der) !== 0) faults.push('the issuer is not the CA');
  if (!sameSubject(certificate, intent)) faults.push('the subject is not the intended one');
  const san = subjectAltNames(tbs);
  const intended = intent.names.map(nameKey).sort();
  const found = (san?.names ?? []).map(nameKey).sort();
  if (intended.join('\n') !== found.join('\n')) faults.push('the subject alternative names are not the intended ones');
  if (san !== undefined && san.critical !== intent.sanCritical)
    faults.push('the subject alternative name extension has the wrong criticality');
  // Key usages, extensions and everything else of the profile: the lints that passed before signing have to pass after it.
  for (const finding of runLints({ ...subject, certificate })) faults.push(`${finding.lint}: ${finding.message}`);
  return faults;
}

/** Our DN encodes the common name as UTF8String; a CA may choose PrintableString for the same value. */
function sameSubject(certificate: Certificate, intent: Extract<Intent, { kind: 'template' }>): boolean {
  const { subject } = certificate.tbs;
  if (Buffer.compare(subject.der, encodeCommonNameOnly(intent.commonName)) === 0) return true;
  const [only] = subject.attributes;
  return subject.attributes.length === 1 && only?.type === '2.5.4.3' && only.value === intent.commonName;
}
