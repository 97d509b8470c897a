import type { AuthorityDirectory, IssuingAuthority } from './authority-directory.ts';
import { SealwrightError } from './errors.ts';
import type { IssuanceRecord } from './issuance-record.ts';
import type { Clock, IssuanceLedger, OperatorLog, SigningBackend } from './ports.ts';
import type { RevocationIntent, RevocationReason, RevocationStore } from './revocation-ports.ts';
import { revocationReasons } from './revocation-ports.ts';

export interface RevokePorts {
  readonly ledger: Pick<IssuanceLedger, 'advance' | 'get'>;
  readonly revocations: RevocationStore;
  readonly authorities: AuthorityDirectory;
  readonly backendOf: (issuer: IssuingAuthority) => SigningBackend | undefined;
  readonly clock: Clock;
}

export interface RevocationOutcome {
  readonly record: IssuanceRecord;
  /** `pending`: written down, and not at the CA yet; the reconciler goes on. */
  readonly status: 'revoked' | 'already-revoked' | 'pending';
  readonly why?: string;
}

const notForGood = ['certificateHold', 'removeFromCRL'];

/** Throws `request-malformed` for what is no CRLReason, `reason-not-allowed` for one that does not revoke for good. */
export function parseRevocationReason(value: unknown): RevocationReason {
  const reason = revocationReasons.find((one) => one === value);
  if (reason !== undefined) return reason;
  if (notForGood.some((one) => one === value))
    throw new SealwrightError('reason-not-allowed', {
      clientDetail: 'a revocation is for good: neither certificateHold nor removeFromCRL can be taken back at ACM PCA',
    });
  throw new SealwrightError('request-malformed', { clientDetail: `reason is one of ${revocationReasons.join(', ')}` });
}

const fingerprintForm = /^(?:sha256:)?([0-9a-f]{64})$/i;

/**
 * Revokes one certificate by the SHA-256 of its DER. Who was first keeps reason and time. The intent is written before a CA
 * of ACM PCA is asked, and the ledger says `revoked` after it: what a crash leaves between is finished by
 * `finishRevocations`. Throws `not-found` for what is not ours.
 */
export async function revokeCertificate(
  ports: RevokePorts & { readonly operatorLog: OperatorLog },
  operatorId: string,
  fingerprint: string,
  reason: RevocationReason,
): Promise<RevocationOutcome> {
  const digest = fingerprintForm.exec(fingerprint.replaceAll(':', '').replace(/^sha256/i, ''))?.[1]?.toLowerCase();
  const note = (subject: string, outcome: 'done' | 'refused') =>
    ports.operatorLog.append({ at: ports.clock(), operatorId, action: 'certificate:revoke', subject, outcome });
  const issuanceId = digest === undefined ? undefined : await ports.revocations.issuanceOfFingerprint(digest);
  const record = issuanceId === undefined ? undefined : await ports.ledger.get(issuanceId);
  if (record === undefined || (record.state !== 'issued' && record.state !== 'revoked')) {
    await note(digest ?? 'certificate', 'refused');
    throw new SealwrightError('not-found', {
      clientDetail: 'no certificate of ours has this fingerprint: the SHA-256 of its DER, 64 hexadecimal digits',
    });
  }
  if (record.state === 'revoked') return { record, status: 'already-revoked' };
  const intent = await ports.revocations.begin({
    issuanceId: record.issuanceId,
    reason,
    at: ports.clock(),
    by: operatorId,
  });
  await note(`${digest} ${intent.reason}`, 'done');
  return finishRevocation(ports, intent);
}

/** Takes an intent to its end, from wherever it stands. Harmless twice, or at once with another. */
export async function finishRevocation(ports: RevokePorts, intent: RevocationIntent): Promise<RevocationOutcome> {
  const record = await ports.ledger.get(intent.issuanceId);
  if (record === undefined) throw new Error('a revocation of an issuance that is not in the ledger');
  if (record.state === 'issued') {
    const why = await revokeAtCa(ports, record, intent);
    if (why !== undefined) return { record, status: 'pending', why };
    const { issuanceId, reason, at } = intent;
    await ports.ledger.advance([{ to: 'revoked', issuanceId, from: 'issued', at, reason }]);
  }
  const after = record.state === 'issued' ? await ports.ledger.get(intent.issuanceId) : record;
  if (after?.state !== 'revoked') throw new Error(`the issuance is ${after?.state} after its revocation`);
  await ports.revocations.finish(intent.issuanceId);
  return { record: after, status: record.state === 'issued' ? 'revoked' : 'already-revoked' };
}

/** Undefined when the CA has it, or publishes what the ledger says; otherwise why not yet. */
async function revokeAtCa(
  ports: RevokePorts,
  record: IssuanceRecord,
  intent: RevocationIntent,
): Promise<string | undefined> {
  const issuer = await ports.authorities.generation(record.caId, record.generation);
  if (issuer === undefined) throw new Error(`CA ${record.caId} generation ${record.generation} is not in the registry`);
  // A CA whose CRLs are ours is asked nothing: they are made from the ledger.
  if (issuer.backend !== 'acm-pca') return undefined;
  const backend = ports.backendOf(issuer);
  if (backend?.revoke === undefined || record.serial === undefined) return 'no-backend';
  const outcome = await backend.revoke(record.serial, intent.reason);
  return outcome.kind === 'revoked' ? undefined : outcome.code;
}

/** Of one run; what is left is there in the next. */
const unfinishedMax = 500;

/** Revocations that a crash, a throttle or a CA that was not there has left. Paced by the backend's budget. */
export async function finishRevocations(
  ports: RevokePorts,
  report: (intent: RevocationIntent, cause: unknown) => void,
): Promise<{ readonly finished: number; readonly pending: number }> {
  let finished = 0;
  let pending = 0;
  for (const intent of await ports.revocations.unfinished(unfinishedMax)) {
    try {
      const { status } = await finishRevocation(ports, intent);
      if (status === 'pending') pending += 1;
      else finished += 1;
    } catch (cause) {
      // One that fails keeps none of the others.
      pending += 1;
      report(intent, cause);
    }
  }
  return { finished, pending };
}
