import type { CustodyFinding } from '../custody/custody.ts';
import { findAuthority, type Hierarchy } from '../hierarchy/hierarchy.ts';
import type { CertificateTemplate } from '../hierarchy/policy.ts';
import { lintAndPrepare, type PreparedIssuance, redeem, type ThrowawaySigner } from '../lints/prepared-issuance.ts';
import type { CertificationRequest } from '../pki/certification-request.ts';
import { parseCertificationRequest } from '../pki/certification-request.ts';
import type { EpochMs } from '../pki/epoch.ts';
import type { CaSigningAlgorithm } from '../pki/signature-algorithm.ts';
import type { AuthorityDirectory, IssuingAuthority } from './authority-directory.ts';
import { again, done, type ItemOutcome } from './batch.ts';
import { draftIntent, type IntentDraft, redraftIntent, serialBytes, storedSubjectOf } from './build-intent.ts';
import { type CrlShards, crlUrlOf } from './crl-shards.ts';
import type { CustodyGate } from './custody-gate.ts';
import { assertNever } from './errors.ts';
import { evaluateStored, isLapsed } from './evaluate-stored.ts';
import type { IssuanceError, IssuanceRecord } from './issuance-record.ts';
import type { AdvanceOutcome, Clock, IssuanceLedger, SigningBackend, SubmitOutcome, Transition } from './ports.ts';
import { verifyIssued } from './verify-issued.ts';

/** Told what needs a person's eyes; each becomes an entry in the log, and later an alarm. */
export interface SignerReport {
  itemFailed(issuanceId: string, cause: unknown): void;
  custodyStopped(caId: string, findings: readonly CustodyFinding[]): void;
  custodyUnknown(caId: string, cause: unknown): void;
  misissued(issuanceId: string, faults: readonly string[]): void;
}

export interface IssueCertificatePorts {
  readonly hierarchy: Hierarchy;
  readonly ledger: IssuanceLedger;
  readonly authorities: AuthorityDirectory;
  /** The backend of a CA; undefined when this signer has none for it. */
  readonly backendOf: (issuer: IssuingAuthority) => SigningBackend | undefined;
  readonly custody: CustodyGate;
  readonly crlShards: CrlShards;
  /** A signer with a key that vouches for nothing, of the family of the algorithm. */
  readonly throwaway: (algorithm: CaSigningAlgorithm) => ThrowawaySigner;
  readonly random: (bytes: number) => Uint8Array;
  readonly clock: Clock;
  readonly report: SignerReport;
}

/**
 * A token is used again only this long after its intent: ACM PCA honours it for five minutes from the first submit, and
 * the rest is margin for clocks and transport.
 */
export const tokenReuseMsMax = 240_000;

type Outcomes = Map<string, ItemOutcome>;

/** One CA's share of a batch. */
interface Group {
  readonly issuer: IssuingAuthority;
  readonly backend: SigningBackend;
  readonly records: IssuanceRecord[];
}

/** What is to be signed, and the intent it is signed by, which the ledger holds. */
interface Order {
  readonly record: IssuanceRecord;
  readonly prepared: PreparedIssuance;
}

/**
 * Signs a batch of approved issuances, and takes up again those that an earlier attempt left `intended` or `submitted`.
 * The order is the guarantee: evaluated again from the ledger, custody of the key checked, linted with a throwaway key,
 * `intended` durable, signed, what came back verified, `issued`. An id that is unknown or settled is acknowledged.
 */
export async function issueCertificates(
  ports: IssueCertificatePorts,
  issuanceIds: readonly string[],
): Promise<readonly ItemOutcome[]> {
  const ids = [...new Set(issuanceIds)];
  const outcomes: Outcomes = new Map(ids.map((id) => [id, done(id)]));
  const records = (await ports.ledger.getMany(ids)).filter((record) => record !== undefined);
  const groups = await groupByAuthority(ports, records, outcomes);
  await Promise.all(
    groups.map(async (group) => {
      try {
        await issueForAuthority(ports, group, outcomes);
      } catch (cause) {
        // The ledger or the backend failed as a whole. Where each issuance stands is in the ledger; deliver again.
        for (const { issuanceId } of group.records) {
          ports.report.itemFailed(issuanceId, cause);
          outcomes.set(issuanceId, again(issuanceId, 'signer-failed'));
        }
      }
    }),
  );
  return issuanceIds.map((id) => outcomes.get(id) ?? done(id));
}

async function groupByAuthority(
  ports: IssueCertificatePorts,
  records: readonly IssuanceRecord[],
  outcomes: Outcomes,
): Promise<readonly Group[]> {
  const groups = new Map<string, Group>();
  for (const record of records) {
    if (record.state !== 'approved' && record.state !== 'intended' && record.state !== 'submitted') continue;
    const key = `${record.caId}#${record.generation}`;
    let group = groups.get(key);
    if (group === undefined) {
      const issuer = await ports.authorities.generation(record.caId, record.generation);
      const backend = issuer === undefined ? undefined : ports.backendOf(issuer);
      if (issuer === undefined || backend === undefined) {
        outcomes.set(record.issuanceId, again(record.issuanceId, 'backend-unavailable'));
        continue;
      }
      group = { issuer, backend, records: [] };
      groups.set(key, group);
    }
    group.records.push(record);
  }
  return [...groups.values()];
}

async function issueForAuthority(ports: IssueCertificatePorts, group: Group, outcomes: Outcomes): Promise<void> {
  if (!(await custodyHolds(ports, group, outcomes))) return;
  const inState = (state: IssuanceRecord['state']) => group.records.filter((record) => record.state === state);
  const fresh = await intend(ports, group, inState('approved'), outcomes);
  const resumed = resume(ports, group, inState('intended'), outcomes);
  const submitted = await submit(ports, group, [...fresh, ...resumed], outcomes);
  const waiting = inState('submitted').map((record) => ({ record, ticket: record.ticket ?? '' }));
  await collect(ports, group, [...submitted, ...waiting], outcomes);
}

async function custodyHolds(ports: IssueCertificatePorts, group: Group, outcomes: Outcomes): Promise<boolean> {
  const verdict = await ports.custody.check(group.issuer, group.backend);
  if (verdict.kind === 'holds') return true;
  if (verdict.kind === 'stopped') ports.report.custodyStopped(group.issuer.caId, verdict.findings);
  else ports.report.custodyUnknown(group.issuer.caId, verdict.cause);
  const code = verdict.kind === 'stopped' ? 'custody-stopped' : 'custody-unknown';
  for (const { issuanceId } of group.records) outcomes.set(issuanceId, again(issuanceId, code));
  return false;
}

// ------------------------------------------------------------------------------------------------ approved → intended

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
  const { request, decision } = await evaluateStored(ports.hierarchy, ports.authorities, record, at);
  if (decision.kind === 'permit') return { kind: 'draft', record, request, template: decision.template };
  const { violations } = decision;
  const { policyVersion } = ports.hierarchy;
  return { kind: 'move', move: { to: 'rejected', issuanceId, from: 'approved', at, policyVersion, violations } };
}

async function intend(
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
  drafts.forEach(({ record, request, template }, index) => {
    const draft = draftFor(ports, group.issuer, record, request, template, at, shards[index]);
    const result = prepare(ports, group.issuer, record, draft);
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
    // Another signer has it: that one's message, or the reconciler, sees it through.
    case 'conflict':
      return false;
    case 'frozen':
    case 'serial-taken':
      outcomes.set(issuanceId, again(issuanceId, answer.kind));
      return false;
    case 'held':
    case 'key-of-another-owner':
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
    authority,
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
function resume(
  ports: IssueCertificatePorts,
  group: Group,
  records: readonly IssuanceRecord[],
  outcomes: Outcomes,
): readonly Order[] {
  const orders: Order[] = [];
  for (const record of records) {
    const { intent, issuanceId } = record;
    if (intent === undefined) throw new Error(`issuance ${issuanceId} is intended without an intent`);
    // Past the window the token no longer protects: never sign blindly, the reconciler settles it.
    if (intent.kind === 'template' && ports.clock() - intent.at > tokenReuseMsMax) continue;
    const { publicKey } = parseCertificationRequest(record.csrDer);
    const result = prepare(ports, group.issuer, record, redraftIntent(intent, record.profile, group.issuer, publicKey));
    if (result.kind === 'refused') {
      ports.report.itemFailed(issuanceId, new Error(lintError(result.findings, intent.at).message));
      outcomes.set(issuanceId, again(issuanceId, 'lint-failed'));
      continue;
    }
    // The ledger holds this very intent: redeeming it here is what `advance` did the first time.
    redeem(result.prepared);
    orders.push({ record, prepared: result.prepared });
  }
  return orders;
}

// ------------------------------------------------------------------------------------- intended → submitted or issued

interface Waiting {
  readonly record: IssuanceRecord;
  readonly ticket: string;
}

async function submit(
  ports: IssueCertificatePorts,
  group: Group,
  orders: readonly Order[],
  outcomes: Outcomes,
): Promise<readonly Waiting[]> {
  if (orders.length === 0) return [];
  const answers = await group.backend.submit(orders.map(({ prepared }) => prepared));
  const at = ports.clock();
  const attempts: { readonly issuanceId: string; readonly error: IssuanceError }[] = [];
  const transitions: Transition[] = [];
  const waiting: Waiting[] = [];
  await Promise.all(
    orders.map(async ({ record, prepared }, index) => {
      const { issuanceId } = record;
      const answer = answers[index]!;
      if (answer.issuanceId !== issuanceId) throw new Error('the backend answered out of order');
      switch (answer.kind) {
        case 'signed':
          transitions.push(
            await settle(
              ports,
              group.issuer,
              { ...record, intent: prepared.intent },
              'intended',
              answer.certificateDer,
              at,
            ),
          );
          return;
        case 'submitted':
          transitions.push({ to: 'submitted', issuanceId, from: 'intended', at, ticket: answer.ticket });
          waiting.push({ record: { ...record, intent: prepared.intent }, ticket: answer.ticket });
          return;
        case 'refused':
          transitions.push({ to: 'failed', issuanceId, from: 'intended', at, error: errorOf(answer, at) });
          return;
        case 'retry':
        case 'unavailable':
          attempts.push({ issuanceId, error: errorOf(answer, at) });
          outcomes.set(issuanceId, again(issuanceId, answer.code));
          return;
        default:
          assertNever(answer);
      }
    }),
  );
  await Promise.all([
    transitions.length === 0 ? undefined : ports.ledger.advance(transitions),
    attempts.length === 0 ? undefined : ports.ledger.noteAttempts(attempts),
  ]);
  return waiting;
}

function errorOf(answer: Extract<SubmitOutcome, { code: string }>, at: EpochMs): IssuanceError {
  return { code: answer.code, message: answer.message, at };
}

// ------------------------------------------------------------------------------------------------ submitted → issued

async function collect(
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
  await Promise.all(
    waiting.map(async ({ record }, index) => {
      const { issuanceId } = record;
      const answer = answers[index]!;
      if (answer.issuanceId !== issuanceId) throw new Error('the backend answered out of order');
      switch (answer.kind) {
        case 'issued':
          transitions.push(await settle(ports, group.issuer, record, 'submitted', answer.certificateDer, at));
          return;
        case 'failed':
          transitions.push({
            to: 'failed',
            issuanceId,
            from: 'submitted',
            at,
            error: { code: answer.code, message: answer.message, at },
          });
          return;
        case 'pending':
          outcomes.set(issuanceId, again(issuanceId, 'pending'));
          return;
        default:
          assertNever(answer);
      }
    }),
  );
  if (transitions.length > 0) await ports.ledger.advance(transitions);
}

/** Verifies what came back and says where the issuance goes: `issued`, or `misissued`, kept and alarmed. */
async function settle(
  ports: IssueCertificatePorts,
  issuer: IssuingAuthority,
  record: IssuanceRecord,
  from: 'intended' | 'submitted',
  certificateDer: Uint8Array,
  at: EpochMs,
): Promise<Transition> {
  const { issuanceId, intent } = record;
  if (intent === undefined) throw new Error(`issuance ${issuanceId} came back without an intent`);
  const verdict = await verifyIssued(certificateDer, intent, storedSubjectOf(intent, record.profile, issuer));
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
