/** GetCertificateAuthorityCsr, ImportCertificateAuthorityCertificate, GetCertificateAuthorityCertificate. */
import type {
  GetCertificateAuthorityCertificateRequest,
  GetCertificateAuthorityCsrRequest,
  ImportCertificateAuthorityCertificateRequest,
} from '@aws-sdk/client-acm-pca';
import { encodePem } from '../../../shared/pki/pem.ts';
import { refuseState, requireAuthority, statusOf } from '../authority.ts';
import type { Endpoint } from '../endpoint.ts';
import { refuse } from '../errors.ts';
import { readImport, verifyImport } from '../import.ts';
import type { AuthorityRecord } from '../store.ts';

/** PEM as the service answers it: without a newline at its end, so that a caller who concatenates has to put one. */
export function pemText(pem: string): string {
  return pem.trimEnd();
}

const chains = new WeakMap<AuthorityRecord, string>();

/** Chain of what this CA issues: its own certificate, then those above it. Undefined before it has one. */
export function chainOf(record: AuthorityRecord): string | undefined {
  const known = chains.get(record);
  if (known !== undefined || record.certificate === undefined) return known;
  const own = certificatePem(record.certificate);
  const chain = record.chain === undefined ? own : `${own}\n${record.chain}`;
  chains.set(record, chain);
  return chain;
}

function certificatePem(base64: string): string {
  return pemText(encodePem('CERTIFICATE', Buffer.from(base64, 'base64')));
}

/** GetCertificateAuthorityCsr: RequestInProgressException while CREATING, InvalidStateException when DELETED. */
export function getCertificateAuthorityCsr(endpoint: Endpoint, input: GetCertificateAuthorityCsrRequest): object {
  const record = requireAuthority(endpoint, input.CertificateAuthorityArn ?? '');
  const status = statusOf(record, endpoint.clock());
  if (status === 'CREATING') {
    refuse('RequestInProgressException', `The certificate authority ${record.arn} is being created.`);
  }
  if (status === 'DELETED') refuseState(record, status);
  return { Csr: record.csr };
}

/**
 * ImportCertificateAuthorityCertificate: the first one makes the CA ACTIVE, a later one renews it, when ACTIVE or EXPIRED;
 * a DISABLED CA takes none (user guide, "CA status"). The rules for certificate and chain are those of `verifyImport`.
 */
export async function importCertificateAuthorityCertificate(
  endpoint: Endpoint,
  input: ImportCertificateAuthorityCertificateRequest,
): Promise<object> {
  const arn = input.CertificateAuthorityArn ?? '';
  requireImportable(endpoint, arn);
  const imported = readImport(input.Certificate ?? new Uint8Array(), input.CertificateChain);
  await verifyImport(requireImportable(endpoint, arn), imported, endpoint.clock());
  const record = requireImportable(endpoint, arn);
  const now = endpoint.clock();
  const chain = imported.chain.map(({ der }) => pemText(encodePem('CERTIFICATE', der))).join('\n');
  endpoint.store.saveAuthority({
    ...withoutChain(record),
    status: 'ACTIVE',
    stateChangedAt: now,
    certificate: Buffer.from(imported.certificate.der).toString('base64'),
    ...(chain === '' ? {} : { chain }),
  });
  return {};
}

function withoutChain(record: AuthorityRecord): AuthorityRecord {
  const { chain: _chain, ...rest } = record;
  return rest;
}

function requireImportable(endpoint: Endpoint, arn: string): AuthorityRecord {
  const record = requireAuthority(endpoint, arn);
  const status = statusOf(record, endpoint.clock());
  if (status === 'CREATING') {
    refuse('RequestInProgressException', `The certificate authority ${record.arn} is being created.`);
  }
  if (status === 'DELETED' || status === 'DISABLED') refuseState(record, status);
  return record;
}

/** GetCertificateAuthorityCertificate: InvalidStateException before there is one and once the CA is deleted. */
export function getCertificateAuthorityCertificate(
  endpoint: Endpoint,
  input: GetCertificateAuthorityCertificateRequest,
): object {
  const record = requireAuthority(endpoint, input.CertificateAuthorityArn ?? '');
  const status = statusOf(record, endpoint.clock());
  if (status === 'DELETED' || record.certificate === undefined) refuseState(record, status);
  return {
    Certificate: certificatePem(record.certificate),
    ...(record.chain === undefined ? {} : { CertificateChain: record.chain }),
  };
}
