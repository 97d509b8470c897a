import { findAuthority } from '../hierarchy/hierarchy.ts';
import type { CertificateTemplate, PolicyViolation } from '../hierarchy/policy.ts';
import { lintAndPrepare, redeem } from '../lints/prepared-issuance.ts';
import { type CertificationRequest, parseCertificationRequest } from '../pki/certification-request.ts';
import type { EpochMs } from '../pki/epoch.ts';
import type { IssuingAuthority } from './authority-directory.ts';
import { again } from './batch.ts';
import { draftIntent, type IntentDraft, redraftIntent, serialBytes } from './build-intent.ts';
import { crlUrlOf } from './crl-shards.ts';
import { assertNever } from './errors.ts';
import { evaluateStored, isLapsed } from './evaluate-stored.ts';
import { generationOf } from './generation.ts';
import type { IssuanceError, IssuanceRecord } from './issuance-record.ts';
import { isPending } from './issuance-state.ts';
import type { AdvanceOutcome, Transition } from './ports.ts';
import { type Group, type IssueCertificatePorts, type Order, type Outcomes, tokenReuseMsMax } from './signer-ports.ts';

type Decided =
  | {
      readonly kind: 'draft';
      readonly record: IssuanceRecord;
      readonly request: CertificationRequest;
      readonly template: CertificateTemplate;
    }
  | { readonly kind: 'move'; readonly move: Extract<Transition, { to: 'rejected' | 'lapsed' }> };

async function decide(ports: IssueCertificatePorts, record: IssuanceRecord, at: EpochMs): Promise<Decided> {
  const { issuanceId } = record;
  if (isLapsed(ports.hierarchy, record, at))
    return { kind: 'move', move: { to: 'lapsed', issuanceId, from: 'approved', at } };
  const { request, decision } = await evaluateStored(ports, record, at);
  if (decision.kind === 'permit') return { kind: 'draft', record, request, template: decision.template };
  const { violations } = decision;
  if (await isOvertaken(ports, record, violations))
    return { kind: 'move', move: { to: 'lapsed', issuanceId, from: 'approved', at } };
  const { policyVersion } = ports.hierarchy;
  return { kind: 'move', move: { to: 'rejected', issuanceId, from: 'approved', at, policyVersion, violations } };
}

/**
 * Nothing is wrong but that the certificate would outlive its generation of the CA, and a newer one is there: the same POST
 * opens the next ordinal, under that one.
 */
async function isOvertaken(
  ports: IssueCertificatePorts,
  { caId, generation }: IssuanceRecord,
  violations: readonly PolicyViolation[],
): Promise<boolean> {
  if (violations.some(({ code }) => code !== 'outlives-issuer')) return false;
  return ((await ports.authorities.newest(caId))?.generation ?? 0) > generation;
}

/** Approved issuances to intents that the ledger holds; what policy, time or a lint stops is moved where it belongs. */
export async function intend(
  ports: IssueCertificatePorts,
  group: Group,
  records: readonly IssuanceRecord[],
  outcomes: Outcomes,
): Promise<readonly Order[]> {
  if (records.length === 0) return [];
  const at = ports.clock();
  const decided: Decided[] = [];
  await Promise.all(
    records.map(async (record) => {
      try {
        decided.push(await decide(ports, record, at));
      } catch (cause) {
        ports.report.itemFailed(record.issuanceId, cause);
        outcomes.set(record.issuanceId, again(record.issuanceId, 'evaluation-failed'));
      }
    }),
  );
  const drafts = decided.filter((one) => one.kind === 'draft');
  const publishesOwnCrl = group.issuer.backend !== 'acm-pca';
  const shards = publishesOwnCrl
    ? await ports.crlShards.take(group.issuer.caId, group.issuer.generation, drafts.length)
    : [];

  const transitions: Transition[] = decided.filter((one) => one.kind === 'move').map(({ move }) => move);
  const orders = new Map<number, Order>();
  const drafted = drafts.map(({ record, request, template }, index) =>
    draftFor(ports, group.issuer, record, request, template, at, shards[index]),
  );
  drafts.forEach(({ record }, index) => {
    const result = prepare(ports, group.issuer, record, drafted[index]!);
    if (result.kind === 'refused') {
      transitions.push({
        to: 'failed',
        issuanceId: record.issuanceId,
        from: 'approved',
        at,
        error: lintError(result.findings, at),
      });
      return;
    }
    orders.set(transitions.length, { record, prepared: result.prepared });
    const crlShard = shards[index];
    transitions.push({
      to: 'intended',
      from: 'approved',
      at,
      prepared: result.prepared,
      ...(crlShard === undefined ? {} : { crlShard }),
    });
  });

  const moved: Order[] = [];
  const answers = await ports.ledger.advance(transitions);
  for (const [index, order] of orders) {
    if (intendedMoved(answers[index]!, order.record.issuanceId, outcomes)) moved.push(order);
  }
  return moved;
}

function intendedMoved(answer: AdvanceOutcome, issuanceId: string, outcomes: Outcomes): boolean {
  switch (answer.kind) {
    case 'moved':
      return true;
    // Another signer has it. Its own message may have run out meanwhile, so that this one stays until there is an end.
    case 'conflict':
      if (answer.actual !== undefined && isPending(answer.actual))
        outcomes.set(issuanceId, again(issuanceId, 'with-another-signer'));
      return false;
    case 'frozen':
    case 'serial-taken':
      outcomes.set(issuanceId, again(issuanceId, answer.kind));
      return false;
    case 'held':
    case 'key-of-another-owner':
    case 'key-compromised':
      throw new Error(`a move to intended cannot answer ${answer.kind}`);
    default:
      return assertNever(answer);
  }
}

function draftFor(
  ports: IssueCertificatePorts,
  issuer: IssuingAuthority,
  record: IssuanceRecord,
  request: CertificationRequest,
  template: CertificateTemplate,
  at: EpochMs,
  crlShard: number | undefined,
): IntentDraft {
  const authority = findAuthority(ports.hierarchy, issuer.caId);
  if (authority === undefined) throw new Error(`the hierarchy has no CA ${issuer.caId}`);
  return draftIntent({
    issuanceId: record.issuanceId,
    authority: generationOf(authority, issuer),
    issuer,
    template,
    publicKey: request.publicKey,
    at,
    random: ports.random(serialBytes),
    crlUrl:
      crlShard === undefined
        ? undefined
        : crlUrlOf(ports.hierarchy.crlBaseUrl, issuer.caId, issuer.generation, crlShard),
  });
}

function prepare(ports: IssueCertificatePorts, issuer: IssuingAuthority, record: IssuanceRecord, draft: IntentDraft) {
  const algorithm = draft.intent.signingAlgorithm;
  return lintAndPrepare(
    { issuanceId: record.issuanceId, caId: issuer.caId, csrDer: record.csrDer, ...draft, algorithm },
    ports.throwaway(algorithm),
  );
}

function lintError(
  findings: readonly { readonly lint: string; readonly message: string }[],
  at: EpochMs,
): IssuanceError {
  return {
    code: 'lint-failed',
    message: findings.map((finding) => `${finding.lint}: ${finding.message}`).join('; '),
    at,
  };
}

/** Takes up intents that an earlier attempt left behind, as they stand in the ledger. */
export function resume(
  ports: IssueCertificatePorts,
  group: Group,
  records: readonly IssuanceRecord[],
  outcomes: Outcomes,
): readonly Order[] {
  return records.flatMap((record) => {
    try {
      return resumeOne(ports, group, record, outcomes);
    } catch (cause) {
      // What the ledger holds of it cannot be read: its own message ends in the dead-letter queue, the batch goes on.
      ports.report.itemFailed(record.issuanceId, cause);
      outcomes.set(record.issuanceId, again(record.issuanceId, 'evaluation-failed'));
      return [];
    }
  });
}

function resumeOne(
  ports: IssueCertificatePorts,
  group: Group,
  record: IssuanceRecord,
  outcomes: Outcomes,
): readonly Order[] {
  const { intent, issuanceId } = record;
  if (intent === undefined) throw new Error(`issuance ${issuanceId} is intended without an intent`);
  // Past the window the token no longer protects: never sign blindly, the reconciler settles it.
  if (intent.kind === 'template' && ports.clock() - intent.at > tokenReuseMsMax) return [];
  const { publicKey } = parseCertificationRequest(record.csrDer);
  const result = prepare(ports, group.issuer, record, redraftIntent(intent, record.profile, group.issuer, publicKey));
  if (result.kind === 'refused') {
    ports.report.itemFailed(issuanceId, new Error(lintError(result.findings, intent.at).message));
    outcomes.set(issuanceId, again(issuanceId, 'lint-failed'));
    return [];
  }
  // The ledger holds this very intent: redeeming it here is what `advance` did the first time.
  redeem(result.prepared);
  return [{ record, prepared: result.prepared }];
}
