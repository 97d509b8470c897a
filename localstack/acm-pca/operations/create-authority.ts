/** CreateCertificateAuthority. */
import type {
  ASN1Subject,
  CertificateAuthorityConfiguration,
  CreateCertificateAuthorityRequest,
} from '@aws-sdk/client-acm-pca';
import {
  assembleCertificationRequest,
  basicConstraintsExtension,
  buildCertificationRequestInfo,
  keyUsageExtension,
} from '../../../shared/pki/certificate-builder.ts';
import { encodePem } from '../../../shared/pki/pem.ts';
import { type CaSigningAlgorithm, encodeCaSigningAlgorithm } from '../../../shared/pki/signature-algorithm.ts';
import { formatAuthorityArn } from '../arn.ts';
import { presentAuthorities } from '../authority.ts';
import { fittingSigningAlgorithm, generateCaKey, loadCaKey, signWithCaKey } from '../ca-key.ts';
import type { Endpoint } from '../endpoint.ts';
import { refuse } from '../errors.ts';
import { encodeSubject } from '../names.ts';
import { usagesOf } from '../passthrough.ts';
import { checkRevocationConfiguration, disabledRevocation } from '../revocation-configuration.ts';
import { formatUuid } from '../uuid.ts';
import { checkNewTags } from './tags.ts';

/** Quota of an account and Region; deleted CAs count until their restoration period is over. */
const authoritiesMax = 200;

interface NewKey {
  readonly privateKeyPem: string;
  readonly publicKeyDer: Uint8Array;
}

function buildCsr(
  configuration: CertificateAuthorityConfiguration,
  subject: Uint8Array,
  key: NewKey,
  algorithm: CaSigningAlgorithm,
): string {
  const asked = usagesOf(configuration.CsrExtensions?.KeyUsage ?? {});
  const usages = asked.length > 0 ? asked : (['digitalSignature', 'keyCertSign', 'cRLSign'] as const);
  const extensions = [basicConstraintsExtension({ ca: true }), keyUsageExtension(usages)];
  const info = buildCertificationRequestInfo(subject, key.publicKeyDer, extensions);
  const signature = signWithCaKey(loadCaKey(key.privateKeyPem), algorithm, info);
  const request = assembleCertificationRequest(info, encodeCaSigningAlgorithm(algorithm), signature);
  return encodePem('CERTIFICATE REQUEST', request);
}

async function create(endpoint: Endpoint, input: CreateCertificateAuthorityRequest): Promise<string> {
  const configuration = input.CertificateAuthorityConfiguration as CertificateAuthorityConfiguration;
  const keyAlgorithm = configuration.KeyAlgorithm ?? '';
  const algorithm = fittingSigningAlgorithm(keyAlgorithm, configuration.SigningAlgorithm ?? '');
  const subject = encodeSubject(configuration.Subject as ASN1Subject);
  if (subject.length === 2) refuse('InvalidArgsException', 'The subject of a certificate authority is not empty.');
  const revocation = input.RevocationConfiguration ?? {};
  checkRevocationConfiguration(revocation);
  const tags = input.Tags ?? [];
  checkNewTags([], tags);
  if (presentAuthorities(endpoint).length >= authoritiesMax) {
    refuse('LimitExceededException', `The quota of ${authoritiesMax} certificate authorities has been exceeded.`);
  }
  const key = await generateCaKey(keyAlgorithm);
  const now = endpoint.clock();
  const id = formatUuid(endpoint.randomBytes(16));
  const arn = formatAuthorityArn(endpoint.scope, id);
  const record = {
    seq: endpoint.store.nextAuthoritySeq(),
    id,
    arn,
    type: input.CertificateAuthorityType as 'ROOT' | 'SUBORDINATE',
    status: 'PENDING_CERTIFICATE',
    createdAt: now,
    readyAt: now + endpoint.createDelayMs,
    stateChangedAt: now,
    configuration,
    subject: Buffer.from(subject).toString('base64'),
    publicKey: Buffer.from(key.publicKeyDer).toString('base64'),
    csr: buildCsr(configuration, subject, key, algorithm),
    revocation: { ...disabledRevocation, ...revocation },
    keyStorageSecurityStandard: input.KeyStorageSecurityStandard ?? 'FIPS_140_2_LEVEL_3_OR_HIGHER',
    usageMode: (input.UsageMode ?? 'GENERAL_PURPOSE') as 'GENERAL_PURPOSE' | 'SHORT_LIVED_CERTIFICATE',
    tags,
    ...(input.IdempotencyToken === undefined ? {} : { idempotencyToken: input.IdempotencyToken }),
  } as const;
  endpoint.store.insertAuthority(record, key.privateKeyPem);
  return arn;
}

/**
 * CreateCertificateAuthority: the ARN of a CA that is CREATING for a while and then PENDING_CERTIFICATE. A token answers the
 * same ARN for five minutes. InvalidArgsException, InvalidTagException, LimitExceededException.
 */
export async function createCertificateAuthority(
  endpoint: Endpoint,
  input: CreateCertificateAuthorityRequest,
): Promise<object> {
  const token = input.IdempotencyToken;
  const CertificateAuthorityArn =
    token === undefined
      ? await create(endpoint, input)
      : await endpoint.createTokens.once(token, endpoint.clock(), () => create(endpoint, input));
  return { CertificateAuthorityArn };
}
