import { authorityOfProfile, type Hierarchy } from '../hierarchy/hierarchy.ts';
import type { PolicyViolation } from '../hierarchy/policy.ts';
import type { EpochMs } from '../pki/epoch.ts';
import type { AuthorityDirectory } from './authority-directory.ts';
import { again, done, type ItemOutcome } from './batch.ts';
import { assertNever } from './errors.ts';
import { evaluateStored, isLapsed } from './evaluate-stored.ts';
import type { IssuanceRecord } from './issuance-record.ts';
import { noteDeferred } from './note-deferred.ts';
import type { AdvanceOutcome, Clock, Holders, IssuanceLedger, Transition, WorkQueue } from './ports.ts';
import type { RequestReader } from './request-reader.ts';

export interface ValidateEnrollmentPorts {
  readonly hierarchy: Hierarchy;
  readonly ledger: IssuanceLedger;
  readonly authorities: AuthorityDirectory;
  readonly requests: RequestReader;
  /** The signing queue of a kind of backend; undefined when this deployment has no signer for it. */
  readonly signingQueue: (backend: string) => WorkQueue | undefined;
  readonly clock: Clock;
  readonly onItemFailed: (issuanceId: string, cause: unknown) => void;
}

/** What sending on asks of a record. */
type Approved = Pick<IssuanceRecord, 'issuanceId' | 'profile' | 'caId'>;

type Move = Extract<Transition, { to: 'approved' | 'rejected' | 'lapsed' }>;

/**
 * Decides on received requests, a batch at a time: `approved`, with the names held for this owner and key, or
 * `rejected`, with every reason. A refusal is a success of the pipeline: its message is acknowledged. An id that is
 * unknown or settled is acknowledged too; one that is approved already is sent on again, since the send after an
 * earlier approval may have been lost.
 */
export async function validateEnrollments(
  ports: ValidateEnrollmentPorts,
  issuanceIds: readonly string[],
): Promise<readonly ItemOutcome[]> {
  const ids = [...new Set(issuanceIds)];
  const records = await ports.ledger.getMany(ids);
  const outcomes = new Map<string, ItemOutcome>();
  const toSend: Approved[] = [];
  const decided: { readonly record: IssuanceRecord; readonly move: Move }[] = [];

  await Promise.all(
    ids.map(async (issuanceId, index) => {
      const record = records[index];
      outcomes.set(issuanceId, done(issuanceId));
      if (record?.state === 'approved') toSend.push(record);
      if (record?.state !== 'received') return;
      try {
        decided.push({ record, move: await decide(ports, record, ports.clock()) });
      } catch (cause) {
        ports.onItemFailed(issuanceId, cause);
        outcomes.set(issuanceId, again(issuanceId, 'evaluation-failed'));
      }
    }),
  );

  const moves = await advanceAll(ports, decided);
  for (const { record, move, outcome } of moves) {
    if (outcome.kind === 'moved') {
      if (move.to === 'approved')
        toSend.push({ issuanceId: record.issuanceId, profile: record.profile, caId: move.caId });
    } else if (outcome.kind === 'conflict' && outcome.actual === 'approved') {
      toSend.push(record);
    }
  }
  await sendOn(ports, toSend, outcomes);
  await noteDeferred(ports, outcomes, ids);
  return issuanceIds.map((issuanceId) => outcomes.get(issuanceId) ?? done(issuanceId));
}

async function decide(ports: ValidateEnrollmentPorts, record: IssuanceRecord, at: EpochMs): Promise<Move> {
  const { issuanceId } = record;
  if (isLapsed(ports.hierarchy, record, at)) return { to: 'lapsed', issuanceId, from: 'received', at };
  const { decision } = await evaluateStored(ports, record, at);
  const holders = await ports.ledger.holders(record.names, record.spkiSha256);
  const violations = [...(decision.kind === 'deny' ? decision.violations : []), ...holdViolations(record, holders)];
  if (violations.length > 0 || decision.kind === 'deny') return rejected(ports, record, at, violations);
  const issuer = await ports.authorities.newest(decision.caId);
  return {
    to: 'approved',
    issuanceId,
    from: 'received',
    at,
    policyVersion: ports.hierarchy.policyVersion,
    caId: decision.caId,
    generation: issuer?.generation ?? record.generation,
    droppedExtensions: decision.template.droppedExtensions,
  };
}

function rejected(
  ports: ValidateEnrollmentPorts,
  record: IssuanceRecord,
  at: EpochMs,
  violations: readonly PolicyViolation[],
): Move {
  return {
    to: 'rejected',
    issuanceId: record.issuanceId,
    from: 'received',
    at,
    policyVersion: ports.hierarchy.policyVersion,
    violations,
  };
}

/** What the holders of names and key say against this request. */
function holdViolations(record: IssuanceRecord, holders: Holders): readonly PolicyViolation[] {
  const violations: PolicyViolation[] = [];
  for (const hold of holders.names) {
    if (hold.owner !== record.owner || hold.spkiSha256 !== record.spkiSha256)
      violations.push(nameHeld(hold.name, hold.owner !== record.owner));
  }
  if (holders.keyOwner !== undefined && holders.keyOwner !== record.owner) violations.push(keyOfAnotherOwner);
  if (holders.keyCompromised) {
    violations.push(keyCompromised);
  }
  return violations;
}

function nameHeld(name: string, byAnotherOwner: boolean): PolicyViolation {
  const holder = byAnotherOwner ? 'another owner' : 'another key';
  return {
    code: 'name-held',
    field: 'subjectAltName',
    // A name reaches a hold only after policy has checked its syntax, so it is safe to repeat.
    message: `${name} is held for ${holder}: renew with the current certificate, or have an operator release the name`,
    reference: 'docs/DESIGN.md, name holds',
  };
}

const keyOfAnotherOwner: PolicyViolation = {
  code: 'key-of-another-owner',
  field: 'publicKey',
  message: 'the key belongs to another owner: make a new one',
  reference: 'docs/DESIGN.md, name holds',
};

const keyCompromised: PolicyViolation = {
  code: 'key-compromised',
  field: 'publicKey',
  message: 'the key was revoked for compromise: make a new one',
  reference: 'RFC 5280 5.3.1 keyCompromise',
};

interface Moved {
  readonly record: IssuanceRecord;
  readonly move: Move;
  readonly outcome: AdvanceOutcome;
}

/** Advances, and turns holds that were taken between the read and the write into refusals. */
async function advanceAll(
  ports: ValidateEnrollmentPorts,
  decided: readonly { readonly record: IssuanceRecord; readonly move: Move }[],
): Promise<readonly Moved[]> {
  if (decided.length === 0) return [];
  const outcomes = await ports.ledger.advance(decided.map(({ move }) => move));
  const moves = decided.map(({ record, move }, index) => ({ record, move, outcome: outcomes[index]! }));
  const refusals: { readonly record: IssuanceRecord; readonly move: Move }[] = [];
  for (const { record, move, outcome } of moves) {
    const violations = raceViolations(outcome);
    if (violations.length > 0) refusals.push({ record, move: rejected(ports, record, move.at, violations) });
  }
  if (refusals.length > 0) await ports.ledger.advance(refusals.map(({ move }) => move));
  return moves;
}

function raceViolations(outcome: AdvanceOutcome): readonly PolicyViolation[] {
  switch (outcome.kind) {
    case 'held':
      return outcome.names.map((name) => nameHeld(name, false));
    case 'key-of-another-owner':
      return [keyOfAnotherOwner];
    case 'key-compromised':
      return [keyCompromised];
    case 'moved':
    case 'conflict':
    case 'frozen':
    case 'serial-taken':
      return [];
    default:
      return assertNever(outcome);
  }
}

async function sendOn(
  ports: ValidateEnrollmentPorts,
  records: readonly Approved[],
  outcomes: Map<string, ItemOutcome>,
): Promise<void> {
  const byBackend = new Map<string, string[]>();
  for (const record of records) {
    const backend =
      ports.hierarchy.authorities.find((authority) => authority.id === record.caId)?.backend ??
      authorityOfProfile(ports.hierarchy, record.profile)?.backend;
    if (backend === undefined) continue;
    const ids = byBackend.get(backend);
    if (ids === undefined) byBackend.set(backend, [record.issuanceId]);
    else ids.push(record.issuanceId);
  }
  await Promise.all(
    [...byBackend].map(async ([backend, ids]) => {
      try {
        const queue = ports.signingQueue(backend);
        if (queue === undefined) throw new Error(`no signing queue for ${backend}`);
        await queue.send(ids);
      } catch (cause) {
        // Approved and not sent on: the message stays, and its next delivery sends again.
        for (const id of ids) {
          ports.onItemFailed(id, cause);
          outcomes.set(id, again(id, 'send-failed'));
        }
      }
    }),
  );
}
