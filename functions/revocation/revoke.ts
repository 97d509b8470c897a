import type { APIGatewayProxyEventV2 } from 'aws-lambda';
import { pathParameter, readJsonBody } from '../../shared/adapters/aws-lambda/http-request.ts';
import { type HttpResponse, jsonResponse, rfc3339 } from '../../shared/adapters/aws-lambda/http-response.ts';
import { type LoggedCallerPorts, loggedOperator } from '../../shared/adapters/aws-lambda/logged-operator.ts';
import {
  parseRevocationReason,
  type RevokePorts,
  revokeCertificate,
} from '../../shared/issuance/revoke-certificate.ts';

const fingerprintForm = /^[0-9A-Fa-f:]{1,160}$/;

/**
 * POST /v1/certificates/{fingerprint}/revocation. 200 when it is revoked, now or before; 202 when it is written down and its
 * CA has not taken it yet: it is gone on with, and the same call tells how it stands.
 */
export async function revoke(
  wired: RevokePorts & LoggedCallerPorts,
  event: APIGatewayProxyEventV2,
): Promise<HttpResponse> {
  const fingerprint = pathParameter(event, 'fingerprint');
  const subject = fingerprintForm.test(fingerprint) ? fingerprint : 'certificate';
  const operator = await loggedOperator(wired, event, 'certificate:revoke', 'certificate:revoke', subject);
  const reason = parseRevocationReason(readJsonBody(event).reason);
  const { record, status, why } = await revokeCertificate(wired, operator.id, fingerprint, reason);
  return jsonResponse(status === 'pending' ? 202 : 200, {
    issuanceId: record.issuanceId,
    fingerprint: record.fingerprint ?? null,
    serial: record.serial ?? null,
    authority: record.caId,
    generation: record.generation,
    status: status === 'pending' ? 'pending' : 'revoked',
    already: status === 'already-revoked',
    reason: record.revocationReason ?? reason,
    revokedAt: record.revokedAt === undefined ? null : rfc3339(record.revokedAt),
    waitingFor: why ?? null,
  });
}
