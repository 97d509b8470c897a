/**
 * Request shapes of the operations served here, after the service model of ACM PCA 2017-08-22: lengths, patterns and
 * enumerations are the model's. Newer enumeration values than those of the pinned SDK are there on purpose: they pass with a
 * cast.
 */
import { blob, boolean, list, number, oneOf, type Shape, string, structure } from './shape.ts';

const arn = string({
  min: 5,
  max: 200,
  pattern: /^arn:[\w+=/,.@-]+:acm-pca:[\w+=/,.@-]*:[0-9]*:[\w+=,.@-]+(\/[\w+=,.@-]+)*$/,
});
const objectIdentifier = string({ max: 64, pattern: /^([0-2])\.([0-9]|([0-3][0-9]))((\.([0-9]+)){0,126})$/ });
const printable64 = string({ max: 64, pattern: /^[a-zA-Z0-9'()+\-.?:/= ]*$/ });
const idempotencyToken = string({ min: 1, max: 36, pattern: /^[\u0009\u000A\u000D\u0020-\u00FF]*$/ });
const auditReportId = string({
  min: 36,
  max: 36,
  pattern: /^[a-z0-9]{8}-[a-z0-9]{4}-[a-z0-9]{4}-[a-z0-9]{4}-[a-z0-9]{12}$/,
});
const cname = string({ max: 253, pattern: /^[-a-zA-Z0-9;/?:@&=+$,%_.!~*()']*$/ });
const nextToken = string({ min: 1, max: 43_739 });
const maxResults = number({ min: 1, max: 1000 });
const signingAlgorithm = oneOf(
  'SHA256WITHECDSA',
  'SHA384WITHECDSA',
  'SHA512WITHECDSA',
  'SHA256WITHRSA',
  'SHA384WITHRSA',
  'SHA512WITHRSA',
  'SHA256WITHRSA_PSS',
  'SHA384WITHRSA_PSS',
  'SHA512WITHRSA_PSS',
  'SM3WITHSM2',
  'ML_DSA_44',
  'ML_DSA_65',
  'ML_DSA_87',
);

const subject = structure({
  Country: string({ min: 2, max: 2, pattern: /^[A-Za-z]{2}$/ }),
  Organization: string({ max: 64 }),
  OrganizationalUnit: string({ max: 64 }),
  DistinguishedNameQualifier: printable64,
  State: string({ max: 128 }),
  CommonName: string({ max: 64 }),
  SerialNumber: printable64,
  Locality: string({ max: 128 }),
  Title: string({ max: 64 }),
  Surname: string({ max: 40 }),
  GivenName: string({ max: 16 }),
  Initials: string({ max: 5 }),
  Pseudonym: string({ max: 128 }),
  GenerationQualifier: string({ max: 3 }),
  CustomAttributes: list(
    structure({ 'ObjectIdentifier!': objectIdentifier, 'Value!': string({ min: 1, max: 256 }) }),
    1,
    150,
  ),
});

const generalName = structure({
  OtherName: structure({ 'TypeId!': objectIdentifier, 'Value!': string({ max: 256 }) }),
  Rfc822Name: string({ max: 256 }),
  DnsName: string({ max: 253 }),
  DirectoryName: subject,
  EdiPartyName: structure({ 'PartyName!': string({ max: 256 }), NameAssigner: string({ max: 256 }) }),
  UniformResourceIdentifier: string({ max: 253 }),
  IpAddress: string({ max: 39 }),
  RegisteredId: objectIdentifier,
});

const keyUsage = structure({
  DigitalSignature: boolean,
  NonRepudiation: boolean,
  KeyEncipherment: boolean,
  DataEncipherment: boolean,
  KeyAgreement: boolean,
  KeyCertSign: boolean,
  CRLSign: boolean,
  EncipherOnly: boolean,
  DecipherOnly: boolean,
});

const extensions = structure({
  CertificatePolicies: list(
    structure({
      'CertPolicyId!': objectIdentifier,
      PolicyQualifiers: list(
        structure({
          'PolicyQualifierId!': oneOf('CPS'),
          'Qualifier!': structure({ 'CpsUri!': string({ max: 256 }) }),
        }),
        1,
        20,
      ),
    }),
    1,
    20,
  ),
  ExtendedKeyUsage: list(
    structure({
      ExtendedKeyUsageType: oneOf(
        'SERVER_AUTH',
        'CLIENT_AUTH',
        'CODE_SIGNING',
        'EMAIL_PROTECTION',
        'TIME_STAMPING',
        'OCSP_SIGNING',
        'SMART_CARD_LOGIN',
        'DOCUMENT_SIGNING',
        'CERTIFICATE_TRANSPARENCY',
      ),
      ExtendedKeyUsageObjectIdentifier: objectIdentifier,
    }),
    1,
    20,
  ),
  KeyUsage: keyUsage,
  SubjectAlternativeNames: list(generalName, 1, 150),
  CustomExtensions: list(
    structure({
      'ObjectIdentifier!': objectIdentifier,
      'Value!': string({
        min: 1,
        max: 4096,
        pattern: /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/,
      }),
      Critical: boolean,
    }),
    1,
    150,
  ),
});

const validity = structure({
  'Value!': number({ min: 1 }),
  'Type!': oneOf('END_DATE', 'ABSOLUTE', 'DAYS', 'MONTHS', 'YEARS'),
});

const revocationConfiguration = structure({
  CrlConfiguration: structure({
    'Enabled!': boolean,
    ExpirationInDays: number({ min: 1, max: 5000 }),
    CustomCname: cname,
    S3BucketName: string({ min: 3, max: 255, pattern: /^[-a-zA-Z0-9._/]+$/ }),
    S3ObjectAcl: oneOf('PUBLIC_READ', 'BUCKET_OWNER_FULL_CONTROL'),
    CrlDistributionPointExtensionConfiguration: structure({ 'OmitExtension!': boolean }),
    CrlType: oneOf('COMPLETE', 'PARTITIONED'),
    CustomPath: string({ max: 253, pattern: /^[-a-zA-Z0-9;?:@&=+$,%_.!~*()']+(\/[-a-zA-Z0-9;?:@&=+$,%_.!~*()']+)*$/ }),
  }),
  OcspConfiguration: structure({ 'Enabled!': boolean, OcspCustomCname: cname }),
});

const tagText = /^([\p{L}\p{Z}\p{N}_.:/=+\-@]*)$/u;
const tags = list(
  structure({
    'Key!': string({ min: 1, max: 128, pattern: tagText }),
    Value: string({ max: 256, pattern: tagText }),
  }),
  1,
  50,
);

const accessDescription = structure({
  'AccessMethod!': structure({
    CustomObjectIdentifier: objectIdentifier,
    AccessMethodType: oneOf('CA_REPOSITORY', 'RESOURCE_PKI_MANIFEST', 'RESOURCE_PKI_NOTIFY'),
  }),
  'AccessLocation!': generalName,
});

const status = oneOf('CREATING', 'PENDING_CERTIFICATE', 'ACTIVE', 'DELETED', 'DISABLED', 'EXPIRED', 'FAILED');
const principal = string({ max: 128, pattern: /^[^*]+$/ });
const accountId = string({ min: 12, max: 12, pattern: /^[0-9]+$/ });
const onAuthority = { 'CertificateAuthorityArn!': arn };

/** Input shape of each operation. */
export const inputs = {
  CreateCertificateAuthority: structure({
    'CertificateAuthorityConfiguration!': structure({
      'KeyAlgorithm!': oneOf(
        'RSA_2048',
        'RSA_3072',
        'RSA_4096',
        'EC_prime256v1',
        'EC_secp384r1',
        'EC_secp521r1',
        'ML_DSA_44',
        'ML_DSA_65',
        'ML_DSA_87',
        'SM2',
      ),
      'SigningAlgorithm!': signingAlgorithm,
      'Subject!': subject,
      CsrExtensions: structure({ KeyUsage: keyUsage, SubjectInformationAccess: list(accessDescription, 0, 20) }),
    }),
    RevocationConfiguration: revocationConfiguration,
    'CertificateAuthorityType!': oneOf('ROOT', 'SUBORDINATE'),
    IdempotencyToken: idempotencyToken,
    KeyStorageSecurityStandard: oneOf(
      'FIPS_140_2_LEVEL_2_OR_HIGHER',
      'FIPS_140_2_LEVEL_3_OR_HIGHER',
      'CCPC_LEVEL_1_OR_HIGHER',
    ),
    Tags: tags,
    UsageMode: oneOf('GENERAL_PURPOSE', 'SHORT_LIVED_CERTIFICATE'),
  }),
  GetCertificateAuthorityCsr: structure(onAuthority),
  IssueCertificate: structure({
    ApiPassthrough: structure({ Extensions: extensions, Subject: subject }),
    ...onAuthority,
    'Csr!': blob(1, 32_768),
    'SigningAlgorithm!': signingAlgorithm,
    TemplateArn: arn,
    'Validity!': validity,
    ValidityNotBefore: validity,
    IdempotencyToken: idempotencyToken,
  }),
  GetCertificate: structure({ ...onAuthority, 'CertificateArn!': arn }),
  ImportCertificateAuthorityCertificate: structure({
    ...onAuthority,
    'Certificate!': blob(1, 32_768),
    CertificateChain: blob(0, 2_097_152),
  }),
  GetCertificateAuthorityCertificate: structure(onAuthority),
  DescribeCertificateAuthority: structure(onAuthority),
  ListCertificateAuthorities: structure({
    MaxResults: maxResults,
    NextToken: nextToken,
    ResourceOwner: oneOf('SELF', 'OTHER_ACCOUNTS'),
  }),
  UpdateCertificateAuthority: structure({
    ...onAuthority,
    RevocationConfiguration: revocationConfiguration,
    Status: status,
  }),
  DeleteCertificateAuthority: structure({
    ...onAuthority,
    PermanentDeletionTimeInDays: number({ min: 7, max: 30 }),
  }),
  RestoreCertificateAuthority: structure(onAuthority),
  TagCertificateAuthority: structure({ ...onAuthority, 'Tags!': tags }),
  UntagCertificateAuthority: structure({ ...onAuthority, 'Tags!': tags }),
  ListTags: structure({ ...onAuthority, MaxResults: maxResults, NextToken: nextToken }),
  CreateCertificateAuthorityAuditReport: structure({
    ...onAuthority,
    'S3BucketName!': string({ min: 3, max: 63 }),
    'AuditReportResponseFormat!': oneOf('JSON', 'CSV'),
  }),
  DescribeCertificateAuthorityAuditReport: structure({ ...onAuthority, 'AuditReportId!': auditReportId }),
  RevokeCertificate: structure({
    ...onAuthority,
    'CertificateSerial!': string({ max: 128 }),
    'RevocationReason!': oneOf(
      'UNSPECIFIED',
      'KEY_COMPROMISE',
      'CERTIFICATE_AUTHORITY_COMPROMISE',
      'AFFILIATION_CHANGED',
      'SUPERSEDED',
      'CESSATION_OF_OPERATION',
      'PRIVILEGE_WITHDRAWN',
      'A_A_COMPROMISE',
    ),
  }),
  CreatePermission: structure({
    ...onAuthority,
    'Principal!': principal,
    SourceAccount: accountId,
    'Actions!': list(oneOf('IssueCertificate', 'GetCertificate', 'ListPermissions'), 1, 3),
  }),
  DeletePermission: structure({ ...onAuthority, 'Principal!': principal, SourceAccount: accountId }),
  ListPermissions: structure({ ...onAuthority, MaxResults: maxResults, NextToken: nextToken }),
  PutPolicy: structure({
    'ResourceArn!': arn,
    'Policy!': string({ min: 1, max: 81_920, pattern: /^[\u0009\u000A\u000D\u0020-\u00FF]+$/ }),
  }),
  GetPolicy: structure({ 'ResourceArn!': arn }),
  DeletePolicy: structure({ 'ResourceArn!': arn }),
} satisfies Readonly<Record<string, Shape>>;

export type OperationName = keyof typeof inputs;

/** Every operation that there is. */
export const operationNames = Object.keys(inputs) as readonly OperationName[];
