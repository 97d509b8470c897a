/** UpdateCertificateAuthority, DeleteCertificateAuthority, RestoreCertificateAuthority. */
import type {
  DeleteCertificateAuthorityRequest,
  RestoreCertificateAuthorityRequest,
  UpdateCertificateAuthorityRequest,
} from '@aws-sdk/client-acm-pca';
import { refuseState, requireAuthority, statusOf } from '../authority.ts';
import type { Endpoint } from '../endpoint.ts';
import { refuse } from '../errors.ts';
import { checkRevocationConfiguration } from '../revocation-configuration.ts';
import type { AuthorityRecord } from '../store.ts';

const dayMs = 86_400_000;
const restorationDaysDefault = 30;

/**
 * UpdateCertificateAuthority: ACTIVE or DISABLED, revocation configuration, or both; of a CA in one of these two states.
 * A part of the revocation configuration that is not given stays. InvalidArgsException, InvalidStateException.
 */
export function updateCertificateAuthority(endpoint: Endpoint, input: UpdateCertificateAuthorityRequest): object {
  const record = requireAuthority(endpoint, input.CertificateAuthorityArn ?? '');
  const { Status, RevocationConfiguration: revocation } = input;
  if (Status === undefined && revocation === undefined) {
    refuse('InvalidArgsException', 'Either a status or a revocation configuration is needed.');
  }
  if (Status !== undefined && Status !== 'ACTIVE' && Status !== 'DISABLED') {
    refuse('InvalidArgsException', `The status of a certificate authority cannot be set to ${Status}.`);
  }
  const now = endpoint.clock();
  const status = statusOf(record, now);
  if (status !== 'ACTIVE' && status !== 'DISABLED') refuseState(record, status);
  if (revocation !== undefined) checkRevocationConfiguration(revocation);
  endpoint.store.saveAuthority({
    ...record,
    ...(Status === undefined ? {} : { status: Status }),
    ...(revocation === undefined ? {} : { revocation: { ...record.revocation, ...revocation } }),
    stateChangedAt: now,
  });
  return {};
}

/**
 * DeleteCertificateAuthority: an ACTIVE CA has to be disabled before. Restorable for 7 to 30 days, 30 when not said; one that
 * is still CREATING is gone at once. InvalidStateException.
 */
export function deleteCertificateAuthority(endpoint: Endpoint, input: DeleteCertificateAuthorityRequest): object {
  const record = requireAuthority(endpoint, input.CertificateAuthorityArn ?? '');
  const now = endpoint.clock();
  const status = statusOf(record, now);
  if (status === 'CREATING') {
    endpoint.store.removeAuthority(record.id);
    return {};
  }
  if (status === 'ACTIVE' || status === 'DELETED') refuseState(record, status);
  const days = input.PermanentDeletionTimeInDays ?? restorationDaysDefault;
  endpoint.store.saveAuthority({
    ...record,
    status: 'DELETED',
    statusBeforeDeletion: record.status,
    stateChangedAt: now,
    restorableUntil: now + days * dayMs,
  });
  return {};
}

/** RestoreCertificateAuthority: back to the status before deletion, so a disabled CA stays disabled. InvalidStateException. */
export function restoreCertificateAuthority(endpoint: Endpoint, input: RestoreCertificateAuthorityRequest): object {
  const record = requireAuthority(endpoint, input.CertificateAuthorityArn ?? '');
  const now = endpoint.clock();
  const status = statusOf(record, now);
  if (status !== 'DELETED') refuseState(record, status);
  const { restorableUntil: _until, statusBeforeDeletion, ...rest } = record;
  const restored: AuthorityRecord = { ...rest, status: statusBeforeDeletion ?? 'DISABLED', stateChangedAt: now };
  endpoint.store.saveAuthority(restored);
  return {};
}
