import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { Counted } from '../../inventory/counted.ts';
import type { IssuanceRecord } from '../../issuance/issuance-record.ts';
import type { AdvanceOutcome, Transition } from '../../issuance/ports.ts';
import { sha256Hex } from '../../pki/hash.ts';
import { invariant } from '../ledger/ledger-fault.ts';
import { recordAfter } from '../ledger/record-after.ts';
import { issuanceIdOfTransition } from '../ledger/transition-checks.ts';
import type { Counters } from './counters.ts';
import type { Drafts } from './drafts.ts';
import type { LateIndexes } from './late-indexes.ts';
import type { Remembered } from './record-memory.ts';

/** RFC 5280 5.3.1. The reason after which a key is refused for ever. */
const compromise = 'keyCompromise';

const moved: AdvanceOutcome = { kind: 'moved' };

type Move<To extends Transition['to']> = Extract<Transition, { to: To }>;
type Prepare = (sql: string) => StatementSync;
type Take<To extends Transition['to']> = (standing: Remembered, move: Move<To>) => AdvanceOutcome;

/**
 * Makes the function that makes one move within a transaction of the commit queue. What others may be after too (names, keys,
 * serials, a CA that is frozen) is looked at and taken at once; the issuance's own rows are left to `drafts`. It throws, or
 * answers anything but `moved`, before it has written anything.
 */
export function createMoves(
  database: DatabaseSync,
  counters: Counters,
  drafts: Drafts,
  late: LateIndexes,
): (transition: Transition) => AdvanceOutcome {
  const prepare: Prepare = (sql) => database.prepare(sql);
  const approve = createApprove(late);
  const intend = createIntend(prepare);
  const issue = createIssue(prepare, counters);
  const revoke = createRevoke(counters, late);

  function take(standing: Remembered, move: Transition): AdvanceOutcome {
    switch (move.to) {
      case 'approved':
        return approve(standing, move);
      case 'intended':
        return intend(standing, move);
      case 'issued':
        return issue(standing, move);
      case 'revoked':
        return revoke(standing, move);
      default:
        return moved;
    }
  }

  return (transition) => {
    const issuanceId = issuanceIdOfTransition(transition);
    const standing = drafts.find(issuanceId);
    if (standing?.record.state !== transition.from) return { kind: 'conflict', actual: standing?.record.state };
    const { at, from, to } = transition;
    const after = recordAfter(standing.record, transition);
    const detail = JSON.stringify(historyDetail(transition));
    const outcome = take(standing, transition);
    if (outcome.kind === 'moved') drafts.change(standing, after, { at, from, to, detail });
    return outcome;
  };
}

function createApprove(late: LateIndexes): Take<'approved'> {
  return ({ issuance, record }, { at }) => {
    const { names, owner, spkiSha256 } = record;
    const free: string[] = [];
    const held: string[] = [];
    for (const name of names) {
      const holder = late.holdOf(name);
      if (holder === undefined) free.push(name);
      else if (holder.owner !== owner || holder.spkiSha256 !== spkiSha256) held.push(name);
    }
    if (held.length > 0) return { kind: 'held', names: held };
    const key = late.keyOf(spkiSha256);
    if (key?.compromised === true) return { kind: 'key-compromised' };
    if (key !== undefined && key.owner !== owner) return { kind: 'key-of-another-owner' };

    late.approved(issuance, record, free, at);
    return moved;
  };
}

const takeSerialStatement = 'INSERT INTO serials (ca_id, serial, issuance) VALUES (?, ?, ?) ON CONFLICT DO NOTHING';

function createIntend(prepare: Prepare): Take<'intended'> {
  const frozenOf = prepare('SELECT frozen FROM authority_controls WHERE ca_id = ?');
  const takeSerial = prepare(takeSerialStatement);

  return ({ issuance, record: { caId } }, { prepared }) => {
    const { intent } = prepared;
    invariant(prepared.caId === caId, 'prepared-for-another-ca', `prepared for ${prepared.caId}, approved for ${caId}`);
    if (frozenOf.get(caId)?.frozen === 1) return { kind: 'frozen' };
    const isTaken = intent.kind === 'tbs' && takeSerial.run(caId, intent.serial, issuance).changes === 0;
    return isTaken ? { kind: 'serial-taken' } : moved;
  };
}

function createIssue(prepare: Prepare, counters: Counters): Take<'issued'> {
  const takeSerial = prepare(takeSerialStatement);

  return ({ issuance, record }, { certificate }) => {
    const { caId, serial } = record;
    invariant(
      serial === undefined || serial === certificate.serial,
      'serial-not-the-intended',
      'the certificate has another serial than its intent',
    );
    if (serial === undefined && takeSerial.run(caId, certificate.serial, issuance).changes === 0)
      return { kind: 'serial-taken' };
    counters.count('issued', countedOf(record, certificate.notBefore, certificate.notAfter));
    return moved;
  };
}

function createRevoke(counters: Counters, late: LateIndexes): Take<'revoked'> {
  return ({ record }, { at, reason }) => {
    const { notAfter, notBefore, owner, spkiSha256 } = record;
    counters.count('revoked', countedOf(record, notBefore!, notAfter!));
    if (reason === compromise) late.markCompromised(spkiSha256, owner, at);
    return moved;
  };
}

function countedOf(record: IssuanceRecord, notBefore: number, notAfter: number): Counted {
  const { caId, owner, fleet, profile, keyType, credentialId } = record;
  return { caId, owner, fleet, profile, keyType, credentialId, notBefore, notAfter };
}

/** What of a move is kept in the history: everything but bytes, which have their digest. */
function historyDetail(move: Transition): Readonly<Record<string, unknown>> {
  switch (move.to) {
    case 'intended': {
      const { intent, caId } = move.prepared;
      const { kind, notBefore, notAfter, at } = intent;
      const own =
        intent.kind === 'tbs'
          ? { serial: intent.serial, tbsSha256: sha256Hex(intent.tbsDer) }
          : { templateArn: intent.templateArn, idempotencyToken: intent.idempotencyToken };
      return { caId, intent: { kind, notBefore, notAfter, at, ...own }, crlShard: move.crlShard };
    }
    case 'issued': {
      const { serial, fingerprint, notBefore, notAfter } = move.certificate;
      return { serial, fingerprint, notBefore, notAfter, ticket: move.ticket, adopted: move.adopted };
    }
    case 'misissued':
      return { error: move.error, certificateSha256: sha256Hex(move.certificateDer) };
    default: {
      const { to: _to, from: _from, at: _at, issuanceId: _id, ...detail } = move;
      return detail;
    }
  }
}
