import { type ACMPCAClient, RevokeCertificateCommand, type RevocationReason as Sent } from '@aws-sdk/client-acm-pca';
import type { Clock } from '../../issuance/ports.ts';
import type { RevocationReason, RevokeAtCaOutcome } from '../../issuance/revocation-ports.ts';
import type { PacingBudget } from './paced-calls.ts';
import { describeError, ruleFor } from './service-errors.ts';

/** RevokeCertificate knows neither certificateHold nor removeFromCRL (API reference, RevocationReason). */
const sent: Readonly<Record<RevocationReason, Sent>> = {
  unspecified: 'UNSPECIFIED',
  keyCompromise: 'KEY_COMPROMISE',
  cACompromise: 'CERTIFICATE_AUTHORITY_COMPROMISE',
  affiliationChanged: 'AFFILIATION_CHANGED',
  superseded: 'SUPERSEDED',
  cessationOfOperation: 'CESSATION_OF_OPERATION',
  privilegeWithdrawn: 'PRIVILEGE_WITHDRAWN',
  aACompromise: 'A_A_COMPROMISE',
};

const waitMsMax = 5_000;
const callMsMax = 4_000;

export interface RevokeOptions {
  readonly client: ACMPCAClient;
  readonly authorityArn: string;
  readonly pacing: PacingBudget;
  readonly clock: Clock;
}

/**
 * One RevokeCertificate under the account's 20 calls a second. RequestAlreadyProcessedException says that the certificate is
 * revoked, which is what was wanted: after a lost answer it is the answer.
 */
export async function revokeAtAcmPca(
  { authorityArn, client, clock, pacing }: RevokeOptions,
  serialHex: string,
  reason: RevocationReason,
): Promise<RevokeAtCaOutcome> {
  const grant = await pacing.take('RevokeCertificate', clock() + waitMsMax);
  if (grant.kind === 'late') return { kind: 'retry', code: 'pca-paced', message: 'beyond the pacing budget' };
  try {
    await client.send(
      new RevokeCertificateCommand({
        CertificateAuthorityArn: authorityArn,
        CertificateSerial: serialHex,
        RevocationReason: sent[reason],
      }),
      { abortSignal: AbortSignal.timeout(callMsMax) },
    );
    pacing.report('RevokeCertificate', 'accepted');
    return { kind: 'revoked' };
  } catch (error) {
    if (error instanceof Error && error.name === 'RequestAlreadyProcessedException') return { kind: 'revoked' };
    const { code, throttled } = ruleFor(error);
    if (throttled) pacing.report('RevokeCertificate', 'throttled');
    return { kind: 'retry', code, message: describeError(error) };
  }
}
