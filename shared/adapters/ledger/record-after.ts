import { assertNever } from '../../issuance/errors.ts';
import { issuanceIdOf } from '../../issuance/ids.ts';
import type { IssuanceRecord, NewIssuance } from '../../issuance/issuance-record.ts';
import type { Transition } from '../../issuance/ports.ts';

/** The record of a request that has just been taken, as a read answers it. */
export function receivedRecord(issuance: NewIssuance): IssuanceRecord {
  return {
    ...issuance,
    issuanceId: issuanceIdOf(issuance.requestId, issuance.ordinal),
    state: 'received',
    stateAt: issuance.receivedAt,
    attempts: 0,
    droppedExtensions: [],
  };
}

/** The record after a move, as a read answers it: a field that is absent is absent, not undefined. */
export function recordAfter(record: IssuanceRecord, move: Transition): IssuanceRecord {
  const moved = { ...record, state: move.to, stateAt: move.at };
  switch (move.to) {
    case 'approved': {
      // An intent that left no certificate is not taken up again: what it had is gone, but for its serial, which stays taken.
      const { crlShard: _crlShard, intent: _intent, serial: _serial, ticket: _ticket, ...rest } = moved;
      const { caId, droppedExtensions, generation, policyVersion } = move;
      return { ...rest, caId, droppedExtensions, generation, policyVersion };
    }
    case 'rejected':
      return { ...moved, policyVersion: move.policyVersion, violations: move.violations };
    case 'lapsed':
      return moved;
    case 'intended': {
      const { crlShard, prepared } = move;
      const { intent } = prepared;
      return {
        ...moved,
        intent,
        ...(intent.kind === 'tbs' ? { serial: intent.serial } : {}),
        ...(crlShard === undefined ? {} : { crlShard }),
      };
    }
    case 'submitted':
      return { ...moved, ticket: move.ticket };
    case 'issued': {
      const { adopted, certificate, ticket } = move;
      const { der: certificateDer, fingerprint, notAfter, notBefore, serial } = certificate;
      return {
        ...moved,
        certificateDer,
        fingerprint,
        notAfter,
        notBefore,
        serial,
        ...(ticket === undefined ? {} : { ticket }),
        ...(adopted === undefined ? {} : { adopted }),
      };
    }
    case 'misissued':
      return { ...moved, certificateDer: move.certificateDer, lastError: move.error };
    case 'failed':
    case 'orphan-suspected':
      return { ...moved, lastError: move.error };
    case 'revoked':
      return { ...moved, revokedAt: move.at, revocationReason: move.reason };
    default:
      return assertNever(move);
  }
}
