/** Puts a certificate together from template, API passthrough and CSR, and signs it. */
import type { KeyObject } from 'node:crypto';
import type { ApiPassthrough } from '@aws-sdk/client-acm-pca';
import type { Extension } from '../../shared/pki/certificate.ts';
import {
  assembleCertificate,
  authorityKeyIdentifierExtension,
  basicConstraintsExtension,
  buildTbsCertificate,
  extendedKeyUsageExtension,
  keyIdentifierOf,
  subjectKeyIdentifierExtension,
} from '../../shared/pki/certificate-builder.ts';
import type { CertificationRequest } from '../../shared/pki/certification-request.ts';
import type { EpochMs } from '../../shared/pki/epoch.ts';
import { oids } from '../../shared/pki/oids.ts';
import type { CaSigningAlgorithm } from '../../shared/pki/signature-algorithm.ts';
import { signWithCaKey } from './ca-key.ts';
import { refuse } from './errors.ts';
import { encodeSubject } from './names.ts';
import { apiExtensions, nineBitKeyUsage } from './passthrough.ts';
import type { Template } from './templates.ts';

/** What goes into a certificate and does not depend on its serial number, validity or issuer's name. */
export interface CertificateContent {
  /** Name DER. */
  readonly subject: Uint8Array;
  readonly extensions: readonly Extension[];
}

/** Inputs of `composeContent`; `issuerKeyIdentifier` undefined means self-signed. */
export interface ContentSources {
  readonly template: Template;
  readonly request: CertificationRequest;
  readonly passthrough: ApiPassthrough | undefined;
  readonly issuerKeyIdentifier: Uint8Array | undefined;
  /** CDP and AIA of the CA's configuration. */
  readonly fromConfiguration: readonly Extension[];
}

function isEmptyName(nameDer: Uint8Array): boolean {
  return nameDer.length === 2;
}

/** What the template itself decides: nothing the caller or the CSR says about these is looked at. */
function fixedExtensions(sources: ContentSources): readonly Extension[] {
  const { template, request } = sources;
  const keyIdentifier = keyIdentifierOf(request.publicKey);
  const ca = template.kind !== 'end-entity';
  const basicConstraints = basicConstraintsExtension({ ca, pathLen: template.pathLen });
  const usage = template.extendedKeyUsage;
  return [
    { ...basicConstraints, critical: template.basicConstraintsCritical },
    // The service sets no authority key identifier on root certificates (user guide, "Matter-compliant certificate errors").
    ...(sources.issuerKeyIdentifier === undefined
      ? []
      : [authorityKeyIdentifierExtension(sources.issuerKeyIdentifier)]),
    subjectKeyIdentifierExtension(keyIdentifier),
    ...(template.keyUsage === undefined ? [] : [nineBitKeyUsage(template.keyUsage)]),
    ...(usage === undefined ? [] : [{ ...extendedKeyUsageExtension(usage.purposes), critical: usage.critical }]),
    ...sources.fromConfiguration,
  ];
}

/** Without CSR passthrough the SAN alone is copied: base templates take it, and the subject, without validation. */
function csrExtensions(sources: ContentSources): readonly Extension[] {
  const { template, request } = sources;
  return template.csr ? request.extensions : request.extensions.filter(({ oid }) => oid === oids.subjectAltName);
}

/**
 * Subject and extensions by the service's order of operations: for each extension the template (with the CA's configuration)
 * comes first, then the API passthrough, then the CSR; for the subject, API before CSR. ApiPassthrough is ignored unless the
 * template is of an API passthrough kind. An empty subject makes the SAN critical (RFC 5280 4.2.1.6).
 * InvalidArgsException for a passthrough that cannot be encoded, MalformedCSRException when neither subject nor SAN is left.
 */
export function composeContent(sources: ContentSources): CertificateContent {
  const api = sources.template.api ? sources.passthrough : undefined;
  const subject = api?.Subject === undefined ? sources.request.subject.der : encodeSubject(api.Subject);
  const chosen = new Map<string, Extension>();
  const inOrder = [
    ...fixedExtensions(sources),
    ...(api?.Extensions === undefined ? [] : apiExtensions(api.Extensions)),
    ...csrExtensions(sources),
  ];
  for (const extension of inOrder) {
    if (!chosen.has(extension.oid)) chosen.set(extension.oid, extension);
  }
  const san = chosen.get(oids.subjectAltName);
  if (isEmptyName(subject)) {
    if (san === undefined) {
      refuse('MalformedCSRException', 'A CSR must provide either a subject name or a subject alternative name.');
    }
    chosen.set(oids.subjectAltName, { ...san, critical: true });
  }
  return { subject, extensions: [...chosen.values()] };
}

/** All of a certificate but its signature. Instants are whole seconds; `serialNumber` is unsigned big-endian. */
export interface CertificateFields extends CertificateContent {
  readonly serialNumber: Uint8Array;
  readonly issuer: Uint8Array;
  readonly publicKey: Uint8Array;
  readonly notBefore: EpochMs;
  readonly notAfter: EpochMs;
}

/** Certificate DER. */
export function signCertificate(fields: CertificateFields, key: KeyObject, algorithm: CaSigningAlgorithm): Uint8Array {
  const tbs = buildTbsCertificate({ ...fields, signingAlgorithm: algorithm });
  return assembleCertificate(tbs, algorithm, signWithCaKey(key, algorithm, tbs));
}

/** 128 random bits, never zero: positive and below 2^159 (RFC 5280 4.1.2.2). */
export function drawSerialNumber(randomBytes: (count: number) => Uint8Array): Uint8Array {
  for (;;) {
    const serial = randomBytes(16);
    if (serial.some((octet) => octet !== 0)) return serial;
  }
}
