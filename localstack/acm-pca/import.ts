/** The rules for a CA certificate that is imported, and for the chain above it (API reference, user guide). */
import {
  basicConstraintsOf,
  type Certificate,
  type Extension,
  parseCertificate,
  verifyCertificateSignature,
} from '../../shared/pki/certificate.ts';
import { openDer, readBitString } from '../../shared/pki/der/reader.ts';
import type { EpochMs } from '../../shared/pki/epoch.ts';
import { MalformedError } from '../../shared/pki/malformed.ts';
import { oids } from '../../shared/pki/oids.ts';
import { decodePemBlocks } from '../../shared/pki/pem.ts';
import { refuse } from './errors.ts';
import type { AuthorityRecord } from './store.ts';

/** Chains longer than this are none that a path length can allow. */
const chainCertificatesMax = 10;

/** Extensions that may be critical in an imported certificate; any other critical one is rejected. */
const allowedCritical: ReadonlySet<string> = new Set([
  oids.authorityKeyIdentifier,
  oids.basicConstraints,
  oids.certificatePolicies,
  oids.extendedKeyUsage,
  oids.inhibitAnyPolicy,
  oids.issuerAltName,
  oids.keyUsage,
  oids.nameConstraints,
  oids.policyMappings,
  oids.subjectAltName,
  oids.subjectDirectoryAttributes,
  oids.subjectKeyIdentifier,
  oids.subjectInfoAccess,
]);

/** The certificate and the chain above it, the parent first. */
export interface ImportedCertificates {
  readonly certificate: Certificate;
  readonly chain: readonly Certificate[];
}

function readPem(what: string, bytes: Uint8Array, countMax: number): readonly Certificate[] {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    return decodePemBlocks(text, 'CERTIFICATE', countMax).map((der) => parseCertificate(der));
  } catch (error) {
    const isInput = error instanceof MalformedError || error instanceof TypeError;
    if (!isInput) throw error;
    refuse('MalformedCertificateException', `The ${what} is not valid: ${error.message}.`);
  }
}

/** Parses both blobs. MalformedCertificateException for what is not PEM of certificates, or not one certificate. */
export function readImport(certificate: Uint8Array, chain: Uint8Array | undefined): ImportedCertificates {
  const [first, ...more] = readPem('certificate', certificate, 2);
  if (first === undefined || more.length > 0) {
    refuse('MalformedCertificateException', 'The certificate has to be one PEM certificate.');
  }
  const isAbsent = chain === undefined || chain.length === 0;
  const above = isAbsent ? [] : readPem('certificate chain', chain, chainCertificatesMax);
  if (!isAbsent && above.length === 0)
    refuse('MalformedCertificateException', 'The certificate chain has no certificate.');
  return { certificate: first, chain: above };
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

/** By its names; whether the signature is its own is verified with the rest of the chain. */
function isSelfIssued({ tbs }: Certificate): boolean {
  return equal(tbs.issuer.der, tbs.subject.der);
}

/**
 * Whether KeyUsage, if there is one, has keyCertSign (bit 5, RFC 5280 4.2.1.3). Its bits are read here because the service
 * itself writes trailing zeros into it (`nineBitKeyUsage`), which the decoder of shared/pki does not take.
 */
function maySignCertificates(extensions: readonly Extension[]): boolean {
  const usage = extensions.find(({ oid }) => oid === oids.keyUsage);
  if (usage === undefined) return true;
  const { octets } = readBitString(openDer(usage.value));
  return ((octets[0] ?? 0) & 0x04) !== 0;
}

function requireAuthorityCertificate({ tbs }: Certificate, now: EpochMs): void {
  const malformed = (why: string): never => refuse('MalformedCertificateException', why);
  const constraints = tbs.extensions.find(({ oid }) => oid === oids.basicConstraints);
  try {
    if (constraints === undefined || basicConstraintsOf(tbs)?.ca !== true)
      malformed('A certificate is not a CA certificate.');
    if (constraints?.critical !== true) malformed('Basic constraints must be marked critical.');
    if (!maySignCertificates(tbs.extensions)) malformed('Key usage does not include keyCertSign.');
  } catch (error) {
    if (error instanceof MalformedError) malformed(`An extension is not valid: ${error.message}.`);
    throw error;
  }
  const critical = tbs.extensions.find(({ oid, critical }) => critical && !allowedCritical.has(oid));
  if (critical !== undefined) malformed(`The extension ${critical.oid} must not be marked critical.`);
  if (tbs.notAfter <= now) refuse('InvalidRequestException', 'A certificate has expired.');
}

async function isSignatureOf(subject: Certificate, issuer: Certificate): Promise<boolean> {
  try {
    return await verifyCertificateSignature(subject, issuer.tbs.publicKey);
  } catch (error) {
    if (error instanceof MalformedError) {
      refuse('MalformedCertificateException', `A signature algorithm is not valid: ${error.message}.`);
    }
    throw error;
  }
}

/** One link: `below` CA certificates stand between `issuer` and any leaf (RFC 5280 4.2.1.9). */
async function requireSignedBy(subject: Certificate, issuer: Certificate, below: number): Promise<void> {
  const mismatch = (why: string): never => refuse('CertificateMismatchException', why);
  if (!equal(subject.tbs.issuer.der, issuer.tbs.subject.der))
    mismatch('An issuer is not the subject of the next certificate.');
  if (!(await isSignatureOf(subject, issuer))) mismatch('A certificate is not signed by the next certificate.');
  const pathLen = basicConstraintsOf(issuer.tbs)?.pathLen;
  if (pathLen !== undefined && below > pathLen) mismatch('The path length of a certificate is exceeded.');
  if (subject.tbs.notAfter > issuer.tbs.notAfter) mismatch('A certificate is valid for longer than its issuer.');
}

/**
 * Refuses what the service refuses: a root that is not self-signed or comes with a chain; a subordinate that is self-signed or
 * comes without one; another key than the CA's; a certificate that is no CA's; forbidden critical extensions; a chain that is
 * out of order, does not end in a root, or is not signed through; path lengths and validity that do not nest.
 * InvalidRequestException, MalformedCertificateException, CertificateMismatchException.
 */
export async function verifyImport(
  record: AuthorityRecord,
  { certificate, chain }: ImportedCertificates,
  now: EpochMs,
): Promise<void> {
  const selfIssued = isSelfIssued(certificate);
  if (record.type === 'ROOT' && !selfIssued) {
    refuse('InvalidRequestException', 'Only a self-signed certificate can be imported as a root CA.');
  }
  if (record.type === 'ROOT' && chain.length > 0) {
    refuse('InvalidRequestException', 'The certificate of a root CA is imported without a chain.');
  }
  if (record.type === 'SUBORDINATE' && selfIssued) {
    refuse('InvalidRequestException', 'A self-signed certificate cannot be imported as a subordinate CA.');
  }
  if (record.type === 'SUBORDINATE' && chain.length === 0) {
    refuse('InvalidRequestException', 'The certificate of a subordinate CA is imported with its chain.');
  }
  const path = [certificate, ...chain];
  for (const one of path) requireAuthorityCertificate(one, now);
  if (!equal(certificate.tbs.publicKey.der, Buffer.from(record.publicKey, 'base64'))) {
    refuse(
      'CertificateMismatchException',
      'The public key of the certificate is not that of the certificate authority.',
    );
  }
  const root = path.at(-1) ?? certificate;
  // The last one is held against itself: a chain ends in a self-signed root.
  for (const [index, subject] of path.entries()) {
    const isRoot = index === path.length - 1;
    await requireSignedBy(subject, path[index + 1] ?? root, isRoot ? 0 : index + 1);
  }
}
