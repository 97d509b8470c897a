/** RevokeCertificate. A revocation is in the next audit report; CRLs and OCSP are not there. */
import type { RevokeCertificateRequest } from '@aws-sdk/client-acm-pca';
import { refuseState, requireAuthority, statusOf } from '../authority.ts';
import type { Endpoint } from '../endpoint.ts';
import { refuse } from '../errors.ts';
import { templates } from '../templates.ts';

/** Octets in hex, with or without colons, as the examples of the user guide and `openssl x509 -serial` show them. */
const serialText = /^[0-9a-f]{1,64}$/i;

function serialHexOf(text: string): string {
  const digits = text.replaceAll(':', '');
  if (!serialText.test(digits)) refuse('InvalidRequestException', 'The certificate serial is not hexadecimal.');
  const hex = BigInt(`0x${digits}`).toString(16);
  return hex.length % 2 === 0 ? hex : `0${hex}`;
}

/**
 * RevokeCertificate: of a CA that is ACTIVE or DISABLED (user guide, "CA status"). InvalidStateException otherwise;
 * InvalidRequestException for a serial that is none and for the self-signed certificate of a root, which cannot be revoked;
 * ResourceNotFoundException; RequestInProgressException, RequestFailedException as GetCertificate answers them;
 * RequestAlreadyProcessedException for what is revoked, whatever the reason was.
 */
export function revokeCertificate(endpoint: Endpoint, input: RevokeCertificateRequest): object {
  const record = requireAuthority(endpoint, input.CertificateAuthorityArn ?? '');
  const now = endpoint.clock();
  const status = statusOf(record, now);
  if (status !== 'ACTIVE' && status !== 'DISABLED') refuseState(record, status);
  const serialHex = serialHexOf(input.CertificateSerial ?? '');
  const row = endpoint.store.findCertificate(record.id, serialHex);
  if (row === undefined) refuse('ResourceNotFoundException', `Could not find certificate ${input.CertificateSerial}.`);
  if (now < row.readyAt) refuse('RequestInProgressException', 'The request to issue the certificate is in progress.');
  if (row.der === undefined) refuse('RequestFailedException', `The certificate was not issued: ${row.failure}.`);
  if (templates.get(row.templateName)?.kind === 'root') {
    refuse('InvalidRequestException', 'The self-signed certificate of a root CA cannot be revoked.');
  }
  if (row.revokedAt !== undefined) refuse('RequestAlreadyProcessedException', 'The certificate is already revoked.');
  endpoint.store.revokeCertificate(record.id, serialHex, now, String(input.RevocationReason));
  return {};
}
