import type { Intent } from '../lints/prepared-issuance.ts';
import type { EpochMs } from '../pki/epoch.ts';
import type { IssuingAuthority } from './authority-directory.ts';
import { again, whenItStandsNoMore } from './batch.ts';
import { assertNever } from './errors.ts';
import type { IssuanceError, IssuanceRecord } from './issuance-record.ts';
import type { SubmitOutcome, Transition } from './ports.ts';
import type { Group, IssueCertificatePorts, Order, Outcomes } from './signer-ports.ts';
import { verifyIssued } from './verify-issued.ts';

interface Waiting {
  readonly record: IssuanceRecord;
  readonly ticket: string;
}

/** Hands orders to the backend. Answers those that wait to be collected. */
export async function submit(
  ports: IssueCertificatePorts,
  group: Group,
  orders: readonly Order[],
  outcomes: Outcomes,
): Promise<readonly Waiting[]> {
  if (orders.length === 0) return [];
  // An intent that was only read, not made here, may have been read before it was durable.
  await ports.durable?.();
  const answers = await group.backend.submit(orders.map(({ prepared }) => prepared));
  const at = ports.clock();
  const attempts: { readonly issuanceId: string; readonly error: IssuanceError }[] = [];
  const transitions: Transition[] = [];
  const waiting: Waiting[] = [];
  let unavailable: Trouble | undefined;
  let throttled: Trouble | undefined;
  await Promise.all(
    orders.map(async ({ record, prepared }, index) => {
      const { issuanceId } = record;
      const answer = answers[index]!;
      if (answer.issuanceId !== issuanceId) throw new Error('the backend answered out of order');
      switch (answer.kind) {
        case 'signed':
          transitions.push(
            await settle(ports, group.issuer, record, prepared.intent, 'intended', answer.certificateDer, at),
          );
          return;
        case 'submitted':
          transitions.push({ to: 'submitted', issuanceId, from: 'intended', at, ticket: answer.ticket });
          waiting.push({ record: { ...record, intent: prepared.intent }, ticket: answer.ticket });
          return;
        case 'refused':
          transitions.push({ to: 'failed', issuanceId, from: 'intended', at, error: errorOf(answer, at) });
          ports.report.refused(issuanceId, answer.code, answer.message);
          return;
        case 'retry':
          if (answer.throttled) throttled ??= answer;
          attempts.push({ issuanceId, error: errorOf(answer, at) });
          outcomes.set(issuanceId, again(issuanceId, answer.code));
          return;
        case 'unavailable':
          unavailable ??= answer;
          attempts.push({ issuanceId, error: errorOf(answer, at) });
          outcomes.set(issuanceId, whenItStandsNoMore(record, answer.code, group.issuer.backend));
          return;
        default:
          assertNever(answer);
      }
    }),
  );
  reportTrouble(ports, group, unavailable, throttled);
  await Promise.all([
    advanceSettled(ports, transitions),
    attempts.length === 0 ? undefined : ports.ledger.noteAttempts(attempts),
  ]);
  return waiting;
}

/** What is wrong with a CA, not with one issuance: told once a batch. */
interface Trouble {
  readonly code: string;
  readonly message: string;
}

function reportTrouble(
  ports: IssueCertificatePorts,
  { issuer: { caId } }: Group,
  unavailable: Trouble | undefined,
  throttled?: Trouble,
): void {
  if (unavailable !== undefined) ports.report.authorityUnavailable(caId, unavailable.code, unavailable.message);
  if (throttled !== undefined) ports.report.throttled(caId, throttled.code, throttled.message);
}

function errorOf(answer: Extract<SubmitOutcome, { code: string }>, at: EpochMs): IssuanceError {
  return { code: answer.code, message: answer.message, at };
}

// ------------------------------------------------------------------------------------------------ submitted → issued

/** Fetches what was submitted, verifies it, and releases it. */
export async function collect(
  ports: IssueCertificatePorts,
  group: Group,
  waiting: readonly Waiting[],
  outcomes: Outcomes,
): Promise<void> {
  if (waiting.length === 0) return;
  const answers = await group.backend.collect(
    waiting.map(({ record, ticket }) => ({ issuanceId: record.issuanceId, ticket })),
  );
  const at = ports.clock();
  const transitions: Transition[] = [];
  let unavailable: Trouble | undefined;
  await Promise.all(
    waiting.map(async ({ record }, index) => {
      const { issuanceId } = record;
      const answer = answers[index]!;
      if (answer.issuanceId !== issuanceId) throw new Error('the backend answered out of order');
      switch (answer.kind) {
        case 'issued':
          transitions.push(
            await settle(ports, group.issuer, record, record.intent, 'submitted', answer.certificateDer, at),
          );
          return;
        case 'failed':
          transitions.push({
            to: 'failed',
            issuanceId,
            from: 'submitted',
            at,
            error: { code: answer.code, message: answer.message, at },
          });
          ports.report.refused(issuanceId, answer.code, answer.message);
          return;
        case 'pending':
          unavailable ??= answer.unavailable;
          outcomes.set(issuanceId, again(issuanceId, 'pending'));
          return;
        default:
          assertNever(answer);
      }
    }),
  );
  reportTrouble(ports, group, unavailable);
  await advanceSettled(ports, transitions);
}

/** Verifies what came back and says where the issuance goes: `issued`, or `misissued`, kept and alarmed. */
async function settle(
  ports: IssueCertificatePorts,
  issuer: IssuingAuthority,
  { issuanceId, profile }: IssuanceRecord,
  intent: Intent | undefined,
  from: 'intended' | 'submitted',
  certificateDer: Uint8Array,
  at: EpochMs,
): Promise<Transition> {
  if (intent === undefined) throw new Error(`issuance ${issuanceId} came back without an intent`);
  const verdict = await verifyIssued(certificateDer, intent, profile, issuer, ports.verify);
  if (verdict.kind === 'verified') return { to: 'issued', issuanceId, from, at, certificate: verdict.certificate };
  ports.report.misissued(issuanceId, verdict.faults);
  return {
    to: 'misissued',
    issuanceId,
    from,
    at,
    certificateDer,
    error: { code: 'not-as-intended', message: verdict.faults.join('; '), at },
  };
}

/**
 * Moves, and looks at the answers. A conflict is another signer's move and nothing is lost by it. A serial that the issuer
 * has given out before is a certificate that must not be released.
 */
async function advanceSettled(ports: IssueCertificatePorts, transitions: readonly Transition[]): Promise<void> {
  if (transitions.length === 0) return;
  const answers = await ports.ledger.advance(transitions);
  const withheld: Transition[] = [];
  answers.forEach((answer, index) => {
    const move = transitions[index]!;
    if (answer.kind !== 'serial-taken' || move.to !== 'issued' || move.from === 'orphan-suspected') return;
    const { issuanceId, from, at, certificate } = move;
    const message = 'the issuer has given this serial out before';
    ports.report.misissued(issuanceId, [message]);
    const error = { code: 'serial-taken', message, at };
    withheld.push({ to: 'misissued', issuanceId, from, at, certificateDer: certificate.der, error });
  });
  if (withheld.length > 0) await ports.ledger.advance(withheld);
}
