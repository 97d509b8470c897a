/**
 * Signing with ACM PCA. There is no batch call: a batch is IssueCertificate for each, concurrently under one pacing budget,
 * then GetCertificate for each until the asynchronous half is done. The signer's credential needs IssueCertificate,
 * GetCertificate, DescribeCertificateAuthority and the two reads of the CA's certificate and CSR, on one CA.
 */
import { type ACMPCAClient, GetCertificateCommand, IssueCertificateCommand } from '@aws-sdk/client-acm-pca';
import type {
  Clock,
  CollectOutcome,
  Reservation,
  SigningBackend,
  SigningTicket,
  SubmitOutcome,
} from '../../issuance/ports.ts';
import { isRedeemed, type PreparedIssuance } from '../../lints/prepared-issuance.ts';
import type { EpochMs } from '../../pki/epoch.ts';
import { decodePemBlocks } from '../../pki/pem.ts';
import { describeKey } from './describe-key.ts';
import { issueRequest, RequestTooLargeError, type TemplateIntent } from './issue-request.ts';
import { type PacingBudget, type Permit, type Sleep, sleepInRealTime } from './pacing.ts';
import { revokeAtAcmPca } from './revoke.ts';
import { describeError, type ErrorRule, ruleFor } from './service-errors.ts';

/** Bounds of one `submit` and one `collect`. With the wait for a reservation they stay below the signer's 30 s. */
export interface AcmPcaLimits {
  /** From the start of `submit` until its last answer. */
  readonly submitMsMax: number;
  readonly collectMsMax: number;
  /** One call; given up after it, its outcome unknown. */
  readonly callMsMax: number;
  /** Tries of one IssueCertificate inside one `submit`, the first included. */
  readonly attemptsMax: number;
  /** Before each poll of GetCertificate. */
  readonly pollDelaysMs: readonly number[];
  /** Calls under way at once. */
  readonly inFlightMax: number;
  /**
   * A token is honoured for five minutes and forgotten after (IssueCertificate, IdempotencyToken): a later repetition issues
   * a second certificate. One minute is left for clocks and for a call on its way.
   */
  readonly tokenWindowMs: number;
}

export const defaultAcmPcaLimits: AcmPcaLimits = {
  submitMsMax: 11_000,
  collectMsMax: 8_000,
  callMsMax: 4_000,
  attemptsMax: 3,
  pollDelaysMs: [0, 20, 50, 100, 200, 300, 400, 400, 400],
  inFlightMax: 64,
  tokenWindowMs: 240_000,
};

export interface AcmPcaBackendOptions {
  readonly client: ACMPCAClient;
  /** `ref` is the CertificateAuthorityArn. */
  readonly authority: { readonly caId: string; readonly ref: string };
  /** One for all backends of an account and Region. */
  readonly pacing: PacingBudget;
  readonly clock: Clock;
  readonly sleep?: Sleep;
  readonly limits?: Partial<AcmPcaLimits>;
}

interface Backend {
  readonly client: ACMPCAClient;
  readonly authority: { readonly caId: string; readonly ref: string };
  readonly pacing: PacingBudget;
  readonly clock: Clock;
  readonly sleep: Sleep;
  readonly limits: AcmPcaLimits;
  /** Reserved, for the next calls of IssueCertificate. */
  reserved: Permit[];
  /** While the CA is not available: nothing new is begun with it until then, and then one to see. */
  standstill: { readonly until: EpochMs; readonly code: string } | undefined;
}

/** First wait after a call that may be tried again at once; doubles. */
const backoffMs = 100;
/** How long the others wait for the first call after a standstill. */
const probeMs = 10_000;
/** After the polls of one `collect` are used up. */
const stillPendingMs = 1_000;
/** When the service answers what cannot be read: not a matter of seconds. */
const unreadableMs = 60_000;

/** A SigningBackend for one CA. Calls of `submit` and `collect` may run concurrently; they share the budget. */
export function createAcmPcaBackend(options: AcmPcaBackendOptions): SigningBackend {
  const backend: Backend = {
    client: options.client,
    authority: options.authority,
    pacing: options.pacing,
    clock: options.clock,
    sleep: options.sleep ?? sleepInRealTime,
    limits: { ...defaultAcmPcaLimits, ...options.limits },
    reserved: [],
    standstill: undefined,
  };
  const { limits, clock } = backend;
  return {
    describeKey: () => describeKey(backend.client, backend.authority.ref, clock(), backend.sleep),
    reserve: (count, deadline) => reserve(backend, count, deadline),
    async submit(batch) {
      const intents = batch.map((prepared) => templateIntentOf(backend, prepared));
      const deadline = clock() + limits.submitMsMax;
      return mapBounded(batch, limits.inFlightMax, (prepared, index) =>
        submitOne(backend, prepared, intents[index]!, deadline),
      );
    },
    revoke: (serialHex, reason) =>
      revokeAtAcmPca({ ...backend, authorityArn: backend.authority.ref }, serialHex, reason),
    async collect(tickets) {
      const deadline = clock() + limits.collectMsMax;
      return mapBounded(tickets, limits.inFlightMax, (ticket) => collectOne(backend, ticket, deadline));
    },
  };
}

/** What breaks here is our own order of things: an intent that is not in the ledger, or not for this CA. */
function templateIntentOf(backend: Backend, prepared: PreparedIssuance): TemplateIntent {
  if (!isRedeemed(prepared)) throw new Error('only an issuance whose intent is in the ledger is signed');
  if (prepared.caId !== backend.authority.caId) throw new Error('an issuance reached the backend of another CA');
  if (prepared.intent.kind !== 'template') throw new Error('ACM PCA signs from a template, not a TBSCertificate');
  return prepared.intent;
}

async function reserve(backend: Backend, count: number, deadline: EpochMs): Promise<Reservation> {
  const { standstill, clock } = backend;
  // What an earlier batch had no use for is lost.
  backend.reserved = backend.reserved.filter(({ goodUntil }) => goodUntil >= clock());
  const standsMs = (standstill?.until ?? 0) - clock();
  if (standstill !== undefined && standsMs > 0) return { granted: 0, code: standstill.code, retryAfterMs: standsMs };
  const countMax = standstill === undefined ? count : 1;
  // The others wait for what becomes of the one that tries.
  if (standstill !== undefined) backend.standstill = { ...standstill, until: clock() + probeMs };
  const { permits, retryAfterMs } = await backend.pacing.reserve('IssueCertificate', deadline, countMax);
  backend.reserved.push(...permits);
  const granted = permits.length;
  if (granted === count) return { granted, code: 'reserved', retryAfterMs: 0 };
  return standstill === undefined
    ? { granted, code: 'paced', retryAfterMs }
    : { granted, code: standstill.code, retryAfterMs: probeMs };
}

/** Results in the order of the items, at most `inFlightMax` under way. */
async function mapBounded<T, R>(
  items: readonly T[],
  inFlightMax: number,
  work: (item: T, index: number) => Promise<R>,
): Promise<readonly R[]> {
  const results = new Array<R>(items.length);
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < items.length) {
      const index = next++;
      results[index] = await work(items[index]!, index);
    }
  };
  await Promise.all(Array.from({ length: Math.min(inFlightMax, items.length) }, worker));
  return results;
}

async function submitOne(
  backend: Backend,
  prepared: PreparedIssuance,
  intent: TemplateIntent,
  deadline: EpochMs,
): Promise<SubmitOutcome> {
  const { issuanceId } = prepared;
  const { limits, clock, sleep } = backend;
  let request: ReturnType<typeof issueRequest>;
  try {
    request = issueRequest(backend.authority.ref, prepared.csrDer, intent);
  } catch (error) {
    if (!(error instanceof RequestTooLargeError)) throw error;
    return { kind: 'refused', issuanceId, code: 'pca-request-too-large', message: error.message };
  }
  for (let attempt = 1; ; attempt += 1) {
    const late = await takeIssuePermit(backend, deadline);
    if (late !== undefined)
      return { ...retry(issuanceId, late), code: 'pca-paced', message: 'beyond the pacing budget' };
    // Looked at before every call, waits included: past the window the same token would issue a second certificate.
    if (clock() - intent.at >= limits.tokenWindowMs) {
      const message = 'the idempotency token is too old to be used again; the reconciler settles this issuance';
      return { ...retry(issuanceId, limits.tokenWindowMs), code: 'pca-token-window-passed', message };
    }
    try {
      const { CertificateArn } = await backend.client.send(new IssueCertificateCommand(request), {
        abortSignal: AbortSignal.timeout(limits.callMsMax),
      });
      backend.pacing.report('IssueCertificate', 'accepted');
      backend.standstill = undefined;
      if (CertificateArn !== undefined) return { kind: 'submitted', issuanceId, ticket: CertificateArn };
      const message = 'IssueCertificate answered without an ARN';
      return { ...retry(issuanceId, stillPendingMs), code: 'pca-answer-without-arn', message };
    } catch (error) {
      const rule = ruleFor(error);
      if (rule.throttled) backend.pacing.report('IssueCertificate', 'throttled');
      if (rule.submit === 'unavailable') {
        backend.standstill = { until: clock() + rule.retryAfterMs, code: rule.code };
      }
      const waitMs = backoffMs * 2 ** (attempt - 1);
      const again = rule.againNow && attempt < limits.attemptsMax && clock() + waitMs < deadline - limits.callMsMax;
      if (!again) return submitFailure(issuanceId, rule, describeError(error));
      await sleep(waitMs);
    }
  }
}

function retry(issuanceId: string, retryAfterMs: number) {
  return { kind: 'retry', issuanceId, retryAfterMs } as const;
}

function submitFailure(issuanceId: string, rule: ErrorRule, message: string): SubmitOutcome {
  const { code } = rule;
  switch (rule.submit) {
    case 'retry':
      return {
        ...retry(issuanceId, rule.retryAfterMs),
        code,
        message,
        ...(rule.throttled ? { throttled: true } : {}),
      };
    case 'refused':
      return { kind: 'refused', issuanceId, code, message };
    case 'unavailable':
      return { kind: 'unavailable', issuanceId, code, message };
  }
}

/** The next reserved permit that is still good, or one of the budget's. As `takePermit`. */
async function takeIssuePermit(backend: Backend, deadline: EpochMs): Promise<number | undefined> {
  const { clock, sleep } = backend;
  for (let permit = backend.reserved.shift(); permit !== undefined; permit = backend.reserved.shift()) {
    if (permit.goodUntil < clock()) continue;
    const waitMs = Math.ceil(permit.at - clock());
    if (waitMs > 0) await sleep(waitMs);
    return undefined;
  }
  return takePermit(backend, 'IssueCertificate', deadline);
}

/**
 * Undefined when the call may go out: its permit comes early enough for the call to end by the deadline. Otherwise how long
 * the budget needs, so that what is beyond it is answered at once and not waited for.
 */
async function takePermit(
  backend: Backend,
  call: 'IssueCertificate' | 'GetCertificate',
  deadline: EpochMs,
): Promise<number | undefined> {
  const grant = await backend.pacing.take(call, deadline - backend.limits.callMsMax);
  return grant.kind === 'granted' ? undefined : grant.retryAfterMs;
}

/** One look at one certificate: what it is, or what to make of it if this was the last look. */
type Poll = { readonly settled: CollectOutcome } | { readonly whenLast: CollectOutcome };

async function collectOne(
  backend: Backend,
  { issuanceId, ticket }: SigningTicket,
  deadline: EpochMs,
): Promise<CollectOutcome> {
  const { limits, clock, sleep } = backend;
  let whenLast: CollectOutcome = pending(issuanceId, stillPendingMs);
  for (const delayMs of limits.pollDelaysMs) {
    if (clock() + delayMs >= deadline) return pending(issuanceId, stillPendingMs);
    if (delayMs > 0) await sleep(delayMs);
    const late = await takePermit(backend, 'GetCertificate', deadline);
    if (late !== undefined) return pending(issuanceId, late);
    const poll = await pollOnce(backend, issuanceId, ticket);
    if ('settled' in poll) return poll.settled;
    whenLast = poll.whenLast;
  }
  return whenLast;
}

function pending(issuanceId: string, retryAfterMs: number): Extract<CollectOutcome, { kind: 'pending' }> {
  return { kind: 'pending', issuanceId, retryAfterMs: Math.max(retryAfterMs, stillPendingMs) };
}

async function pollOnce(backend: Backend, issuanceId: string, ticket: string): Promise<Poll> {
  try {
    const { Certificate = '' } = await backend.client.send(
      new GetCertificateCommand({ CertificateAuthorityArn: backend.authority.ref, CertificateArn: ticket }),
      { abortSignal: AbortSignal.timeout(backend.limits.callMsMax) },
    );
    backend.pacing.report('GetCertificate', 'accepted');
    const certificateDer = readCertificate(Certificate);
    // A certificate that cannot be read exists all the same: it is never given up here.
    if (certificateDer === undefined) return { settled: pending(issuanceId, unreadableMs) };
    return { settled: { kind: 'issued', issuanceId, certificateDer } };
  } catch (error) {
    const rule = ruleFor(error);
    if (rule.throttled) backend.pacing.report('GetCertificate', 'throttled');
    return pollFailure(issuanceId, rule, error);
  }
}

function pollFailure(issuanceId: string, rule: ErrorRule, error: unknown): Poll {
  const failed: CollectOutcome = { kind: 'failed', issuanceId, code: rule.code, message: describeError(error) };
  switch (rule.collect) {
    case 'failed':
      return { settled: failed };
    case 'pending-then-failed':
      return { whenLast: failed };
    case 'pending': {
      const outcome = pending(issuanceId, rule.retryAfterMs);
      if (rule.againNow) return { whenLast: outcome };
      const { code } = rule;
      const unavailable = { code, message: describeError(error) };
      return { settled: rule.submit === 'unavailable' ? { ...outcome, unavailable } : outcome };
    }
  }
}

function readCertificate(pem: string): Uint8Array | undefined {
  try {
    return decodePemBlocks(pem, 'CERTIFICATE', 1)[0];
  } catch {
    return undefined;
  }
}
