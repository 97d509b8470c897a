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

/** After which the key of a certificate is refused for ever. */
const compromise: RevocationReason = 'keyCompromise';

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
 * Revokes one certificate by the SHA-256 of its DER. Who was first keeps reason and time; but whoever says that the key is
 * compromised is believed at once, whatever the certificate was or is being revoked for. The intent is written before a CA
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
  // Before all else: a key in foreign hands is to get nothing more, though its CA take the revocation in hours.
  if (reason === compromise) await ports.revocations.markCompromised(record.spkiSha256, record.owner, ports.clock());
  if (record.state === 'revoked') {
    await note(`${digest} ${reason}, revoked before`, 'done');
    return { record, status: 'already-revoked' };
  }
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

/** Of one run, which a Lambda of 29 s outlives; what is left is there in the next. */
const runMsMax = 15_000;
const runCountMax = 1_000;
const pageCount = 100;
/** At the CA at once: its budget of 20 a second is used up at 400 ms an answer. */
const atOnce = 8;
/** A million of them, at 20 a second, take 14 hours. */
const stuckAfterMs = 24 * 3_600_000;
/** Characters of base64url, as ids sort. */
const idCharacters = '-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz';

/**
 * Revocations that a crash, a throttle or a CA that was not there has left. Paced by the backend's budget. Each minute's run
 * begins at another place among the ids, which are digests: those that never end keep none of the others waiting. `report` is told of each that failed, or
 * that its CA has not taken for a day.
 */
export async function finishRevocations(
  ports: RevokePorts,
  report: (intent: RevocationIntent, cause: unknown) => void,
): Promise<{ readonly finished: number; readonly pending: number }> {
  const endAt = ports.clock() + runMsMax;
  const minute = Math.floor(ports.clock() / 60_000);
  const start = idCharacters[minute % idCharacters.length]!;
  let finished = 0;
  let pending = 0;
  const end = async (intent: RevocationIntent) => {
    try {
      const { status, why = '' } = await finishRevocation(ports, intent);
      if (status === 'pending') pending += 1;
      else finished += 1;
      if (status === 'pending' && ports.clock() - intent.at > stuckAfterMs)
        report(intent, new Error(`its CA has not taken it for a day: ${why}`));
    } catch (cause) {
      // One that fails keeps none of the others.
      pending += 1;
      report(intent, cause);
    }
  };
  const isOver = () => ports.clock() >= endAt || finished + pending >= runCountMax;
  for await (const page of pagesFrom(ports.revocations, start)) {
    for (let first = 0; first < page.length; first += atOnce) {
      if (isOver()) return { finished, pending };
      await Promise.all(page.slice(first, first + atOnce).map(end));
    }
  }
  return { finished, pending };
}

/** All intents, those after `start` first. */
async function* pagesFrom(revocations: RevocationStore, start: string): AsyncIterable<readonly RevocationIntent[]> {
  for (const isBefore of [false, true]) {
    let after: string | undefined = isBefore ? undefined : start;
    for (;;) {
      const page: readonly RevocationIntent[] = await revocations.unfinished(pageCount, after);
      const mine = isBefore ? page.filter(({ issuanceId }) => issuanceId <= start) : page;
      yield mine;
      if (page.length < pageCount || mine.length < page.length) break;
      after = page.at(-1)!.issuanceId;
    }
  }
}
