/**
 * IssueCertificate and GetCertificate. The first answers an ARN as soon as the issuance is durable; the second has the
 * certificate after a delay, answers RequestInProgressException before it, and RequestFailedException when it failed.
 */
import type { GetCertificateRequest, IssueCertificateRequest } from '@aws-sdk/client-acm-pca';
import { type CertificationRequest, parseCertificationRequest } from '../../../shared/pki/certification-request.ts';
import type { EpochMs } from '../../../shared/pki/epoch.ts';
import { sha256Hex } from '../../../shared/pki/hash.ts';
import { MalformedError } from '../../../shared/pki/malformed.ts';
import { decodeCertificationRequestBody, encodePem } from '../../../shared/pki/pem.ts';
import { verifyPossession } from '../../../shared/pki/possession.ts';
import type { CaSigningAlgorithm } from '../../../shared/pki/signature-algorithm.ts';
import { formatCertificateArn, parseCertificateArn } from '../arn.ts';
import { issuerOf, privateKeyOf, refuseState, requireAuthority, revocationExtensions, statusOf } from '../authority.ts';
import { fittingSigningAlgorithm } from '../ca-key.ts';
import { drawIssueDelayMs, type Endpoint } from '../endpoint.ts';
import { refuse } from '../errors.ts';
import { composeContent, drawSerialNumber, signCertificate } from '../issuance.ts';
import { type AuthorityRecord, type CertificateRow, heldReadyAt } from '../store.ts';
import { resolveTemplate, type Template, templates } from '../templates.ts';
import { resolveNotAfter, resolveNotBefore, shortLivedMsMax } from '../validity.ts';
import { chainOf, pemText } from './authority-certificate.ts';

const csrPemBytesMax = 32_768;
const acceptedKeyTypes = new Set(['P-256', 'P-384', 'P-521', 'RSA-2048', 'RSA-3072', 'RSA-4096']);

/** The CSR of the blob: PEM, its signature verified. MalformedCSRException otherwise. */
async function readRequest(csr: Uint8Array): Promise<CertificationRequest> {
  const malformed = (detail: string): never =>
    refuse('MalformedCSRException', `The certificate signing request is invalid: ${detail}.`);
  if (!Buffer.from(csr.buffer, csr.byteOffset, csr.byteLength).includes('-----BEGIN')) malformed('it is not PEM');
  try {
    const der = decodeCertificationRequestBody(csr, { pemBytesMax: csrPemBytesMax });
    const request = parseCertificationRequest(der);
    if (!acceptedKeyTypes.has(request.publicKey.keyType)) malformed('its key type is not supported');
    if (!(await verifyPossession(request))) malformed('its signature does not verify');
    return request;
  } catch (error) {
    if (error instanceof MalformedError) return malformed(error.message);
    throw error;
  }
}

/** A root CA signs its own certificate while it still has none; everything else needs an ACTIVE CA. */
function requireIssuing(record: AuthorityRecord, template: Template, now: EpochMs): void {
  const status = statusOf(record, now);
  if (template.kind === 'root' && record.type !== 'ROOT') {
    refuse('InvalidArgsException', 'A root CA certificate template can be used with a root CA only.');
  }
  const isRootOfItsOwn = template.kind === 'root' && (status === 'PENDING_CERTIFICATE' || status === 'EXPIRED');
  if (status !== 'ACTIVE' && !isRootOfItsOwn) refuseState(record, status);
}

/** Path length and validity stay inside those of the issuing CA. ValidationException otherwise. */
function requireNested(record: AuthorityRecord, template: Template, notAfter: EpochMs, now: EpochMs): void {
  if (template.kind === 'root') return;
  const issuer = issuerOf(record);
  if (issuer === undefined) refuseState(record, 'PENDING_CERTIFICATE');
  if (notAfter > issuer.notAfter) {
    refuse('ValidationException', 'The certificate validity specified exceeds the certificate authority validity.');
  }
  if (template.kind === 'subordinate' && issuer.pathLen !== undefined && (template.pathLen ?? 0) >= issuer.pathLen) {
    const message = 'The path length specified exceeds or equals the path length of the certificate authority.';
    refuse('ValidationException', message);
  }
  if (record.usageMode === 'SHORT_LIVED_CERTIFICATE' && notAfter - now > shortLivedMsMax) {
    refuse('ValidationException', 'A short-lived certificate CA issues certificates of at most 7 days.');
  }
}

interface Planned {
  readonly input: IssueCertificateRequest;
  readonly template: Template;
  readonly algorithm: CaSigningAlgorithm;
  readonly request: CertificationRequest;
  readonly notBefore: EpochMs;
  readonly notAfter: EpochMs;
  readonly now: EpochMs;
}

function signPlanned(endpoint: Endpoint, record: AuthorityRecord, planned: Planned): CertificateRow {
  const { input, template, algorithm, request, notBefore, notAfter, now } = planned;
  const issuer = template.kind === 'root' ? undefined : issuerOf(record);
  const content = composeContent({
    template,
    request,
    passthrough: input.ApiPassthrough,
    issuerKeyIdentifier: issuer?.keyIdentifier,
    fromConfiguration: template.kind === 'root' ? [] : revocationExtensions(record, endpoint.scope.region),
  });
  const serialNumber = drawSerialNumber(endpoint.randomBytes);
  const csrSha256 = sha256Hex(request.der);
  const attempt = {
    authorityArn: record.arn,
    templateName: template.name,
    csrSha256,
    idempotencyToken: input.IdempotencyToken,
  };
  const failure = endpoint.failIssuance(attempt) ?? endpoint.switches.drawLateFailure(record.id, 'failIssuance');
  const fields = {
    ...content,
    serialNumber,
    issuer: issuer?.name ?? content.subject,
    publicKey: request.publicKey.der,
    notBefore,
    notAfter,
  };
  return {
    authorityId: record.id,
    serialHex: serialHexOf(BigInt(`0x${Buffer.from(serialNumber).toString('hex')}`)),
    templateName: template.name,
    issuedAt: now,
    readyAt: endpoint.switches.isHeld(record.id) ? heldReadyAt : now + drawIssueDelayMs(endpoint),
    notBefore,
    notAfter,
    csrSha256,
    ...(failure === undefined
      ? { der: signCertificate(fields, privateKeyOf(endpoint.store, record), algorithm) }
      : { failure }),
    ...(input.IdempotencyToken === undefined ? {} : { idempotencyToken: input.IdempotencyToken }),
  };
}

function serialHexOf(serial: bigint): string {
  const hex = serial.toString(16);
  return hex.length % 2 === 0 ? hex : `0${hex}`;
}

async function issue(endpoint: Endpoint, input: IssueCertificateRequest): Promise<string> {
  const arn = input.CertificateAuthorityArn ?? '';
  const request = await readRequest(input.Csr ?? new Uint8Array());
  // The CA may have been disabled while the signature was verified, so everything about it is looked at from here on, in
  // one turn of the event loop.
  const record = requireAuthority(endpoint, arn);
  const now = endpoint.clock();
  const template = resolveTemplate(input.TemplateArn);
  requireIssuing(record, template, now);
  if (
    template.kind === 'root' &&
    Buffer.compare(request.publicKey.der, Buffer.from(record.publicKey, 'base64')) !== 0
  ) {
    refuse('InvalidArgsException', 'A root CA certificate is issued for the CSR of the CA itself.');
  }
  const keyAlgorithm = record.configuration.KeyAlgorithm ?? '';
  const algorithm = fittingSigningAlgorithm(keyAlgorithm, input.SigningAlgorithm ?? '');
  const notAfter = resolveNotAfter(input.Validity as NonNullable<typeof input.Validity>, now);
  const notBefore = resolveNotBefore(input.ValidityNotBefore, now, notAfter);
  requireNested(record, template, notAfter, now);
  const row = signPlanned(endpoint, record, { input, template, algorithm, request, notBefore, notAfter, now });
  await endpoint.store.insertCertificate(row);
  return certificateArnOf(record, row);
}

/** ARN of a stored certificate. */
export function certificateArnOf(record: AuthorityRecord, row: CertificateRow): string {
  return formatCertificateArn(record.arn, BigInt(`0x${row.serialHex}`));
}

/** Key of an IssueCertificate token in its window: tokens of two CAs do not meet. */
export function issueTokenKey(authorityId: string, token: string): string {
  return `${authorityId} ${token}`;
}

/** IssueCertificate: the ARN, once the issuance is durable. A token answers the same ARN for five minutes. */
export async function issueCertificate(
  endpoint: Endpoint,
  input: IssueCertificateRequest,
): Promise<{ readonly CertificateArn: string }> {
  const record = requireAuthority(endpoint, input.CertificateAuthorityArn ?? '');
  const now = endpoint.clock();
  requireIssuing(record, resolveTemplate(input.TemplateArn), now);
  const token = input.IdempotencyToken;
  const CertificateArn =
    token === undefined
      ? await issue(endpoint, input)
      : await endpoint.issueTokens.once(issueTokenKey(record.id, token), now, () => issue(endpoint, input));
  return { CertificateArn };
}

/** GetCertificate: leaf and chain as PEM, the chain beginning with the CA's certificate; a self-signed one has no chain. */
export function getCertificate(endpoint: Endpoint, input: GetCertificateRequest): object {
  const record = requireAuthority(endpoint, input.CertificateAuthorityArn ?? '');
  const arn = input.CertificateArn ?? '';
  const serial = parseCertificateArn(record.arn, arn);
  const now = endpoint.clock();
  const status = statusOf(record, now);
  if (status === 'DELETED' || status === 'CREATING') refuseState(record, status);
  const row = endpoint.store.findCertificate(record.id, serialHexOf(serial));
  if (row === undefined) refuse('ResourceNotFoundException', `Could not find certificate ${arn}.`);
  if (now < row.readyAt) {
    refuse('RequestInProgressException', 'The request to issue the certificate is in progress.');
  }
  if (row.der === undefined) refuse('RequestFailedException', `The certificate was not issued: ${row.failure}.`);
  const chain = templates.get(row.templateName)?.kind === 'root' ? undefined : chainOf(record);
  return {
    Certificate: pemText(encodePem('CERTIFICATE', row.der)),
    ...(chain === undefined ? {} : { CertificateChain: chain }),
  };
}
