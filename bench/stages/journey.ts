import { randomBytes } from 'node:crypto';
import { createBackends } from '../../functions/signer/backends.ts';
import { createThrowawaySignatures } from '../../shared/adapters/software/throwaway.ts';
import { type CertificateTemplate, evaluateRequest } from '../../shared/hierarchy/policy.ts';
import { draftIntent, serialBytes } from '../../shared/issuance/build-intent.ts';
import { crlUrlOf } from '../../shared/issuance/crl-shards.ts';
import { issuanceIdOf, requestIdOf } from '../../shared/issuance/ids.ts';
import type { NewIssuance } from '../../shared/issuance/issuance-record.ts';
import type { AdvanceOutcome, SigningBackend, Transition } from '../../shared/issuance/ports.ts';
import { scopeOf } from '../../shared/issuance/scope.ts';
import { verifyIssued } from '../../shared/issuance/verify-issued.ts';
import { lintAndPrepare, type PreparedIssuance, redeem } from '../../shared/lints/prepared-issuance.ts';
import { type CertificationRequest, parseCertificationRequest } from '../../shared/pki/certification-request.ts';
import { sha256Hex } from '../../shared/pki/hash.ts';
import { nameKey } from '../../shared/pki/names.ts';
import { verifyPossession } from '../../shared/pki/possession.ts';
import type { PreparedRequest } from '../client/requests.ts';
import { measureWarm } from './measure.ts';
import type { Stage } from './stage.ts';
import type { MeasuredAuthority, StageWorld } from './world.ts';

/** As many as a load has connections, and as a batch of a function has messages. */
const concurrency = 16;
const batchSize = 10;

/** A request on its way, with everything that is known of it. */
export interface Traveller {
  readonly request: CertificationRequest;
  readonly issuance: NewIssuance;
  readonly issuanceId: string;
  readonly template: CertificateTemplate;
  readonly prepared: PreparedIssuance;
}

export interface JourneyStages {
  readonly stages: readonly Stage[];
  /** Ids of what was issued, in the order of the requests. */
  readonly issued: readonly string[];
}

/**
 * Sends requests through every step up to `issued`, all of them through one before the next, so that each is measured by
 * itself: on the real ledger, with the real backend. The requests end up as issued records of the stack.
 */
export async function measureJourney(
  world: StageWorld,
  under: MeasuredAuthority,
  requests: readonly PreparedRequest[],
  warmUp: number,
): Promise<JourneyStages> {
  const { ledger, hierarchy } = world.stack;
  const scope = scopeOf(world.credential);
  const at = Date.now();
  const parsed = await measureWarm(requests, warmUp, 1, ({ csrDer }) => parseCertificationRequest(csrDer));
  const possession = await measureWarm(parsed.answers, warmUp, concurrency, verifyPossession);
  if (possession.answers.includes(false)) throw new Error('a request of the bench does not prove possession');
  const policy = await measureWarm(parsed.answers, warmUp, 1, (request) =>
    evaluateRequest(hierarchy, under.profile, request, scope, at, under.issuer.notAfter),
  );
  const templates = policy.answers.map((decision) => {
    if (decision.kind === 'deny') throw new Error(JSON.stringify(decision.violations));
    return decision.template;
  });

  const issuances = parsed.answers.map((request) => newIssuance(world, under, request, at));
  const lint = await measureWarm([...issuances.keys()], warmUp, 1, (index) =>
    prepare(world, under, parsed.answers[index]!, issuances[index]!, templates[index]!, at),
  );
  const receive = await measureWarm(issuances, warmUp, concurrency, (issuance) => ledger.receive(issuance));
  if (receive.answers.some(({ kind }) => kind !== 'received')) throw new Error('the ledger did not take a request');
  const move = async (moves: readonly Transition[]) => {
    const moved = await measureWarm(moves, warmUp, concurrency, async (one) => (await ledger.advance([one]))[0]!);
    expectMoved(moved.answers);
    return moved.measurement.cpuUs;
  };
  const approve = await move(issuances.map((issuance) => approved(world, under, issuance, at)));
  const intend = await move(
    lint.answers.map((prepared) => ({ to: 'intended', from: 'approved', at, prepared, crlShard: 0 })),
  );
  const signature = await measureSignature(world, under, lint.answers, warmUp);
  const certificates = signature.certificates.map((der, index) => ({ der, intent: lint.answers[index]!.intent }));
  const verify = await measureWarm(certificates, warmUp, concurrency, ({ der, intent }) =>
    verifyIssued(der, intent, under.profile.name, under.issuer),
  );
  const issue = await move(
    verify.answers.map((outcome, index) => {
      if (outcome.kind !== 'verified') throw new Error(outcome.faults.join('; '));
      const { issuanceId } = lint.answers[index]!;
      return { to: 'issued', issuanceId, from: 'intended', at, certificate: outcome.certificate };
    }),
  );
  const stage = (name: string, timesPerCertificate: number, cpuUsPerCall: number): Stage => {
    return { stage: name, timesPerCertificate, cpuUsPerCall };
  };
  return {
    stages: [
      // Before the ledger, by the validator, and by the signer: each derives what it needs again.
      stage('parse the request', 3, parsed.measurement.cpuUs),
      stage('proof of possession', 3, possession.measurement.cpuUs),
      stage('policy', 3, policy.measurement.cpuUs),
      stage('draft, lints', 1, lint.measurement.cpuUs),
      signature.stage,
      stage('verify what was issued', 1, verify.measurement.cpuUs),
      stage('ledger: receive', 1, receive.measurement.cpuUs),
      stage('ledger: approve', 1, approve),
      stage('ledger: intend', 1, intend),
      stage('ledger: issue', 1, issue),
    ],
    issued: lint.answers.map(({ issuanceId }) => issuanceId),
  };
}

/** Signatures of a CA alone, over intents that are in no ledger: for a backend that is not the one of the journey. */
export async function measureSignatureAlone(
  world: StageWorld,
  under: MeasuredAuthority,
  requests: readonly PreparedRequest[],
  warmUp: number,
): Promise<Stage> {
  const at = Date.now();
  const prepared = requests.map(({ csrDer }) => {
    const request = parseCertificationRequest(csrDer);
    const scope = scopeOf(world.credential);
    const decision = evaluateRequest(world.stack.hierarchy, under.profile, request, scope, at, under.issuer.notAfter);
    if (decision.kind === 'deny') throw new Error(JSON.stringify(decision.violations));
    const one = prepare(world, under, request, newIssuance(world, under, request, at), decision.template, at);
    redeem(one);
    return one;
  });
  return (await measureSignature(world, under, prepared, warmUp)).stage;
}

function newIssuance(
  { credential, stack }: StageWorld,
  { authority, issuer, profile }: MeasuredAuthority,
  request: CertificationRequest,
  at: number,
): NewIssuance {
  const csrSha256 = sha256Hex(request.der);
  return {
    requestId: requestIdOf(credential.principal, profile.name, csrSha256),
    ordinal: 1,
    principal: credential.principal,
    credentialId: credential.id,
    owner: credential.owner,
    fleet: credential.fleet,
    scope: scopeOf(credential),
    profile: profile.name,
    policyVersion: stack.hierarchy.policyVersion,
    caId: authority.id,
    generation: issuer.generation,
    csrDer: request.der,
    csrSha256,
    spkiSha256: request.publicKey.sha256,
    keyType: request.publicKey.keyType,
    names: request.names.map(nameKey),
    receivedAt: at,
  };
}

const throwaway = createThrowawaySignatures();

function prepare(
  { stack }: StageWorld,
  { authority, issuer }: MeasuredAuthority,
  request: CertificationRequest,
  issuance: NewIssuance,
  template: CertificateTemplate,
  at: number,
): PreparedIssuance {
  const issuanceId = issuanceIdOf(issuance.requestId, issuance.ordinal);
  const crlUrl = crlUrlOf(stack.hierarchy.crlBaseUrl, authority.id, issuer.generation, 0);
  const random = randomBytes(serialBytes);
  const { publicKey } = request;
  const draft = draftIntent({ issuanceId, authority, issuer, template, publicKey, at, random, crlUrl });
  const algorithm = authority.signingAlgorithm;
  const candidate = { issuanceId, caId: authority.id, csrDer: request.der, ...draft, algorithm };
  const outcome = lintAndPrepare(candidate, throwaway(algorithm));
  if (outcome.kind === 'refused') throw new Error(JSON.stringify(outcome.findings));
  return outcome.prepared;
}

function approved(
  { stack }: StageWorld,
  { authority, issuer }: MeasuredAuthority,
  { ordinal, requestId }: NewIssuance,
  at: number,
): Transition {
  return {
    to: 'approved',
    issuanceId: issuanceIdOf(requestId, ordinal),
    from: 'received',
    at,
    policyVersion: stack.hierarchy.policyVersion,
    caId: authority.id,
    generation: issuer.generation,
    droppedExtensions: [],
  };
}

function expectMoved(outcomes: readonly AdvanceOutcome[]): void {
  const other = outcomes.find(({ kind }) => kind !== 'moved');
  if (other !== undefined) throw new Error(`the ledger did not move: ${JSON.stringify(other)}`);
}

async function measureSignature(
  { stack }: StageWorld,
  { backend, issuer }: MeasuredAuthority,
  prepared: readonly PreparedIssuance[],
  warmUp: number,
): Promise<{ readonly stage: Stage; readonly certificates: readonly Uint8Array[] }> {
  const signer: SigningBackend | undefined = (await createBackends(stack))(issuer);
  if (signer === undefined) throw new Error(`no signer for ${backend}`);
  const batches: (readonly PreparedIssuance[])[] = [];
  for (let at = 0; at < prepared.length; at += batchSize) batches.push(prepared.slice(at, at + batchSize));
  const signed = await measureWarm(batches, Math.floor(warmUp / batchSize), 1, (batch) => signer.submit(batch));
  const certificates = signed.answers.flat().map((outcome) => {
    if (outcome.kind !== 'signed') throw new Error(`not signed: ${JSON.stringify(outcome)}`);
    return outcome.certificateDer;
  });
  const cpuUsPerCall = signed.measurement.cpuUs / batchSize;
  return { stage: { stage: `CA signature: ${backend}`, timesPerCertificate: 1, cpuUsPerCall, backend }, certificates };
}
