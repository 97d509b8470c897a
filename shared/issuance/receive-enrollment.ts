import type { Hierarchy } from '../hierarchy/hierarchy.ts';
import { authorityOfProfile, findProfile } from '../hierarchy/hierarchy.ts';
import { evaluateRequest, type PolicyViolationCode } from '../hierarchy/policy.ts';
import type { CertificationRequest } from '../pki/certification-request.ts';
import { MalformedError } from '../pki/malformed.ts';
import { nameKey } from '../pki/names.ts';
import type { AdmissionControl } from './admission.ts';
import type { AuthorityDirectory } from './authority-directory.ts';
import { SealwrightError } from './errors.ts';
import { requestIdOf } from './ids.ts';
import type { EnrolmentCredential, IssuanceRecord, NewIssuance } from './issuance-record.ts';
import { closedReason } from './ordinals.ts';
import type { AuthorityRegistry, Clock, IssuanceLedger, WorkQueue } from './ports.ts';
import type { RequestReader } from './request-reader.ts';
import { scopeOf } from './scope.ts';

export interface ReceiveEnrollmentPorts {
  readonly hierarchy: Hierarchy;
  readonly ledger: IssuanceLedger;
  readonly registry: AuthorityRegistry;
  readonly authorities: AuthorityDirectory;
  readonly requests: RequestReader;
  readonly enrolmentQueue: WorkQueue;
  /** Kinds of backend this deployment has a signer for. */
  readonly backends: ReadonlySet<string>;
  /** Back-pressure; without it everything is admitted. */
  readonly admission?: AdmissionControl;
  readonly clock: Clock;
  /** Resolves when what the ledger has answered is durable; absent where every answer is. */
  readonly durable?: (() => Promise<void>) | undefined;
  /** Told when the queue did not take an id; the reconciler sends it again. */
  readonly onSendFailed: (issuanceId: string, cause: unknown) => void;
}

/** Judged before possession, since a key or an algorithm that is not allowed may not be verifiable at all. */
const refusedAtTheDoor: ReadonlySet<PolicyViolationCode> = new Set([
  'key-too-small',
  'key-too-large',
  'rsa-exponent-too-small',
  'rsa-roca',
  'ec-explicit-parameters',
  'ec-point-compressed',
  'key-type-not-allowed',
  'signature-algorithm-not-allowed',
  'challenge-password',
] satisfies PolicyViolationCode[]);

/** Writers that meet on one request id give way after this many rounds; each round one of them wins. */
const roundsMax = 8;
const backendRetryAfterMs = 30_000;

/**
 * Takes a certification request into the ledger (`received`) and sends its id to the validator. The same caller posting
 * the same bytes again gets the issuance that is open, whatever its state.
 *
 * Throws `MalformedError` (400) for what is no valid request, `SealwrightError` for a refusal at the door: unknown
 * profile (404), a profile the credential does not reach (403), a key or signature algorithm that is not allowed or a
 * challengePassword (422, nothing stored), no CA behind the profile (503), a count used up (422), too much that waits for
 * the backend already (503; never for an issuance that was accepted before).
 */
export async function receiveEnrollment(
  ports: ReceiveEnrollmentPorts,
  caller: EnrolmentCredential,
  profileName: string,
  csrDer: Uint8Array,
): Promise<IssuanceRecord> {
  const { hierarchy } = ports;
  const profile = findProfile(hierarchy, profileName);
  if (profile === undefined) throw new SealwrightError('profile-unknown');
  if (!caller.profiles.includes(profile.name)) throw new SealwrightError('profile-not-allowed');

  const read = ports.requests.read(csrDer);
  const { csrSha256, request } = read;
  const scope = scopeOf(caller);
  const at = ports.clock();
  const decision = evaluateRequest(hierarchy, profile, request, scope, at);
  if (decision.kind === 'deny' && decision.violations.some((violation) => refusedAtTheDoor.has(violation.code))) {
    throw new SealwrightError('policy-refused', { violations: decision.violations });
  }
  if (!(await ports.requests.provesPossession(read))) {
    throw new MalformedError('possession-not-proven', 'the signature does not verify under the public key');
  }

  const authority = authorityOfProfile(hierarchy, profile.name);
  const issuer = authority === undefined ? undefined : await ports.authorities.newest(authority.id);
  if (authority === undefined || issuer === undefined || !ports.backends.has(issuer.backend)) {
    throw new SealwrightError('backend-unavailable', { retryAfterMs: backendRetryAfterMs });
  }
  const issuance: Omit<NewIssuance, 'ordinal'> = {
    requestId: requestIdOf(caller.principal, profile.name, csrSha256),
    principal: caller.principal,
    credentialId: caller.id,
    owner: caller.owner,
    fleet: caller.fleet,
    scope,
    profile: profile.name,
    policyVersion: hierarchy.policyVersion,
    caId: authority.id,
    generation: issuer.generation,
    // The object the reader knows its bytes by.
    csrDer: request.der,
    csrSha256,
    spkiSha256: request.publicKey.sha256,
    keyType: request.publicKey.keyType,
    names: namesOf(request),
    receivedAt: at,
  };
  return takeOrdinal(ports, issuance, issuer.backend);
}

/** Keys of the names asked for, each once. */
function namesOf(request: CertificationRequest): readonly string[] {
  return [...new Set(request.names.map(nameKey))];
}

async function takeOrdinal(
  ports: ReceiveEnrollmentPorts,
  issuance: Omit<NewIssuance, 'ordinal'>,
  backend: string,
): Promise<IssuanceRecord> {
  for (let round = 0; round < roundsMax; round++) {
    const current = await ports.ledger.current(issuance.requestId);
    if (current !== undefined && !(await isClosed(ports, current, issuance))) return current;
    await refuseWhenTooDeep(ports, backend);
    const predecessor = current?.fingerprint === undefined ? current?.predecessor : current.issuanceId;
    const outcome = await ports.ledger.receive({
      ...issuance,
      ordinal: (current?.ordinal ?? 0) + 1,
      ...(predecessor === undefined ? {} : { predecessor }),
    });
    switch (outcome.kind) {
      case 'received':
        ports.admission?.accepted(backend);
        await send(ports, outcome.record.issuanceId);
        await ports.durable?.();
        return outcome.record;
      case 'credential-revoked':
        throw new SealwrightError('credential-invalid');
      case 'credential-count-used-up':
        throw new SealwrightError('policy-refused', {
          violations: [
            {
              code: 'credential-count-used-up',
              field: 'credential',
              message:
                'the credential has issued as many certificates as it may: ask for a new one, or a higher countMax',
              reference: 'credential.countMax',
            },
          ],
        });
      case 'conflict':
        continue;
    }
  }
  throw new SealwrightError('too-many-requests', {
    message: 'the ordinal of one request was contended',
    retryAfterMs: 1_000,
  });
}

/** Before anything is written: what is accepted is kept. */
async function refuseWhenTooDeep(ports: ReceiveEnrollmentPorts, backend: string): Promise<void> {
  const verdict = await ports.admission?.check(backend);
  if (verdict === undefined || verdict.kind === 'admit') return;
  const { retryAfterMs, clearMs, perSecond } = verdict;
  throw new SealwrightError('queue-too-deep', {
    message: `what waits for ${backend} takes ${Math.round(clearMs / 1000)} s at ${perSecond.toFixed(1)}/s`,
    retryAfterMs,
  });
}

async function isClosed(
  ports: ReceiveEnrollmentPorts,
  current: IssuanceRecord,
  next: Omit<NewIssuance, 'ordinal'>,
): Promise<boolean> {
  // The reads behind the context cost: only those that the state asks for are made.
  const pendingOrIssued = current.state !== 'rejected' && current.generation !== next.generation;
  const context = {
    at: next.receivedAt,
    policyVersion: next.policyVersion,
    credentialId: next.credentialId,
    generation: next.generation,
    caFrozen: pendingOrIssued && (await ports.registry.isFrozen(current.caId)),
    refusedNamesStillHeld: current.state !== 'rejected' || (await refusedNamesStillHeld(ports, current)),
  };
  return closedReason(current, context) !== undefined;
}

async function refusedNamesStillHeld(ports: ReceiveEnrollmentPorts, record: IssuanceRecord): Promise<boolean> {
  const refusedForHolds = record.violations?.some((violation) => violation.code === 'name-held') ?? false;
  if (!refusedForHolds) return true;
  const holders = await ports.ledger.holders(record.names, record.spkiSha256);
  return holders.names.some((hold) => hold.owner !== record.owner || hold.spkiSha256 !== record.spkiSha256);
}

/** The ledger has the request already: an id that the queue does not take now is sent again by the reconciler. */
async function send(ports: ReceiveEnrollmentPorts, issuanceId: string): Promise<void> {
  try {
    await ports.enrolmentQueue.send([issuanceId]);
  } catch (cause) {
    ports.onSendFailed(issuanceId, cause);
  }
}
