/** What is sent to ACM PCA for a CA: its description, and the certificate it is to have. */
import { createHash } from 'node:crypto';
import type {
  ASN1Subject,
  CreateCertificateAuthorityCommandInput,
  CrlConfiguration,
  IssueCertificateCommandInput,
  KeyAlgorithm,
  RevocationConfiguration,
  Tag,
} from '@aws-sdk/client-acm-pca';
import type { Authority } from '../../hierarchy/hierarchy.ts';
import { extendedKeyUsageOf, nameConstraintsOf, sameAttributes } from '../../issuance/authority-certificate.ts';
import { SealwrightError } from '../../issuance/errors.ts';
import type { AuthoritySigningOrder } from '../../issuance/ports.ts';
import {
  extendedKeyUsageExtension,
  keyUsageExtension,
  nameConstraintsExtension,
} from '../../pki/certificate-builder.ts';
import { parseCertificationRequest } from '../../pki/certification-request.ts';
import { type DistinguishedName, encodeDistinguishedName, parseName } from '../../pki/names.ts';
import { oids } from '../../pki/oids.ts';
import { absolute, csrBytes, customExtension } from './issue-request.ts';

/** Both take 1 to 36 characters; 32 hexadecimal digits are 128 bits. */
function tokenOf(...fields: readonly string[]): string {
  return createHash('sha256').update(JSON.stringify(fields)).digest('hex').slice(0, 32);
}

/** By these a CA is found again. */
export function tagsOf(authority: Authority): Tag[] {
  return [
    { Key: 'sealwright:ca', Value: authority.id },
    { Key: 'sealwright:generation', Value: String(authority.generation) },
  ];
}

type StandardAttribute = Exclude<keyof ASN1Subject, 'CustomAttributes'>;

const standardAttributes: Readonly<Record<string, StandardAttribute>> = {
  [oids.countryName]: 'Country',
  [oids.organizationName]: 'Organization',
  [oids.organizationalUnitName]: 'OrganizationalUnit',
  [oids.stateOrProvinceName]: 'State',
  [oids.commonName]: 'CommonName',
  [oids.serialNumber]: 'SerialNumber',
  [oids.localityName]: 'Locality',
};

export function nameOf(authority: Authority): DistinguishedName {
  return parseName(encodeDistinguishedName(authority.subject));
}

/**
 * A subject in the API's words. Standard members where they can say it, so that consoles and policies show it; the order is
 * then the service's. Custom attributes, which keep the order, for a type that has no member or stands twice.
 */
export function subjectOf(authority: Authority): ASN1Subject {
  const { attributes } = nameOf(authority);
  const members = attributes.map(({ type, value }) => [standardAttributes[type], value] as const);
  const isStandard = members.every(([member]) => member !== undefined);
  const isUnique = new Set(attributes.map(({ type }) => type)).size === attributes.length;
  if (isStandard && isUnique) return Object.fromEntries(members);
  return { CustomAttributes: attributes.map(({ type, value }) => ({ ObjectIdentifier: type, Value: value })) };
}

/** Where CAs of ACM PCA publish their CRLs. */
export interface CrlPlace {
  /** Name of a bucket that the service may write to, in the Region of the CAs. */
  readonly bucket: string;
  /** What serves the bucket over plain HTTP: a host, with a port or a path where it has one. The bucket's own name without it. */
  readonly host: string | undefined;
}

/**
 * RevocationConfiguration. Its CRLs are the owner's to read: a bucket is closed to the public, and what is before it serves them.
 * Throws for a CA with CRLs and no place for them.
 */
export function revocationOf({ crl, id }: Authority, place: CrlPlace | undefined): RevocationConfiguration {
  if (crl === undefined) return { CrlConfiguration: { Enabled: false } };
  if (place === undefined)
    throw new SealwrightError('backend-unavailable', {
      message: `CA ${id} is to publish CRLs and no bucket was named for them: --crl-bucket NAME`,
    });
  const configuration: CrlConfiguration & { readonly CrlType: string } = {
    Enabled: true,
    ExpirationInDays: crl.expirationDays,
    S3BucketName: place.bucket,
    S3ObjectAcl: 'BUCKET_OWNER_FULL_CONTROL',
    ...(place.host === undefined ? {} : { CustomCname: place.host }),
    // The pinned SDK's types lack it; it passes at run time.
    CrlType: crl.type === 'complete' ? 'COMPLETE' : 'PARTITIONED',
  };
  return { CrlConfiguration: configuration };
}

/** CreateCertificateAuthority. The same CA gives the same token, so that a lost answer makes no second one. */
export function createRequest(authority: Authority, place?: CrlPlace): CreateCertificateAuthorityCommandInput {
  const { id, generation, subject, keyAlgorithm, signingAlgorithm } = authority;
  return {
    CertificateAuthorityType: authority.tier === 'root' ? 'ROOT' : 'SUBORDINATE',
    CertificateAuthorityConfiguration: {
      // The pinned SDK's types lack the newer values, which pass at run time.
      KeyAlgorithm: keyAlgorithm as KeyAlgorithm,
      SigningAlgorithm: signingAlgorithm,
      Subject: subjectOf(authority),
    },
    KeyStorageSecurityStandard: 'FIPS_140_2_LEVEL_3_OR_HIGHER',
    UsageMode: authority.mode ?? 'GENERAL_PURPOSE',
    ...(authority.crl === undefined ? {} : { RevocationConfiguration: revocationOf(authority, place) }),
    IdempotencyToken: tokenOf('create', id, String(generation), subject, keyAlgorithm),
    Tags: tagsOf(authority),
  };
}

/** The longest path length that ACM PCA has templates for. */
const pathLenMax = 3;

/**
 * The blank templates fix basic constraints, and by name the path length; all else is given. The others put in a key usage of
 * nine bits with trailing zeros (user guide, "Using the Matter standard"), which is not DER, and digitalSignature, which a
 * CA's key has no use for.
 */
function templateArnOf(authority: Authority): string {
  const { pathLen, tier } = authority;
  if (pathLen === undefined && tier !== 'root') throw new Error(`CA ${authority.id} has no path length`);
  if (pathLen !== undefined && pathLen > pathLenMax) {
    throw new Error(`ACM PCA signs path lengths up to ${pathLenMax}, and CA ${authority.id} asks for ${pathLen}`);
  }
  const kind = tier === 'root' ? 'BlankRootCACertificate' : 'BlankSubordinateCACertificate';
  const length = pathLen === undefined ? '' : `_PathLen${pathLen}`;
  return `arn:aws:acm-pca:::template/${kind}${length}_APIPassthrough/V1`;
}

/**
 * IssueCertificate for a CA. The subject is the request's, byte for byte, which keeps the CA's own encoding of its name in
 * everything it signs: it is compared with the order's first, and a request with alternative names, which the template would
 * copy, is refused. Throws when the request is not for this CA.
 */
export function authorityRequest(order: AuthoritySigningOrder): IssueCertificateCommandInput {
  const { authority, requestDer, notBefore, notAfter } = order;
  const request = parseCertificationRequest(requestDer);
  if (!sameAttributes(request.subject, nameOf(authority))) {
    throw new Error(`the request is not for the subject of CA ${authority.id}`);
  }
  if (request.names.length > 0) throw new Error(`the request of CA ${authority.id} asks for alternative names`);
  const constraints = nameConstraintsOf(authority);
  const purposes = extendedKeyUsageOf(authority);
  const extensions = [
    keyUsageExtension(['keyCertSign', 'cRLSign']),
    ...(constraints === undefined ? [] : [nameConstraintsExtension(constraints)]),
    ...(purposes === undefined ? [] : [extendedKeyUsageExtension(purposes)]),
  ];
  const digest = createHash('sha256').update(requestDer).digest('hex');
  return {
    CertificateAuthorityArn: order.issuerRef,
    Csr: csrBytes(requestDer),
    SigningAlgorithm: order.issuer.signingAlgorithm,
    TemplateArn: templateArnOf(authority),
    Validity: absolute(notAfter),
    ValidityNotBefore: absolute(notBefore),
    IdempotencyToken: tokenOf('sign', order.issuerRef, authority.id, digest, String(notBefore), String(notAfter)),
    ApiPassthrough: { Extensions: { CustomExtensions: extensions.map(customExtension) } },
  };
}
