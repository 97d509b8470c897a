import type { IssuanceRecord } from '../../issuance/issuance-record.ts';
import type { Transition } from '../../issuance/ports.ts';

/** A record as a read would answer it, and the key of its row. */
export interface Remembered {
  readonly issuance: number;
  readonly record: IssuanceRecord;
}

/**
 * Records of issuances on their way through this process, kept in step with the rows by the only writer there is: each stage
 * reads what the one before wrote. What is not here is read from the tables. Bounded by count, and so in bytes, since records
 * of long requests are not kept.
 */
export interface RecordMemory {
  get(issuanceId: string): Remembered | undefined;
  /** Takes the place of what was known. */
  put(remembered: Remembered): void;
  forget(issuanceId: string): void;
  /** After a transaction was lost: the rows are what they were before. */
  clear(): void;
}

const recordsMax = 2_048;
const csrBytesMax = 4_096;

export function createRecordMemory(): RecordMemory {
  /** Oldest first. */
  const records = new Map<string, Remembered>();
  return {
    get: (issuanceId) => records.get(issuanceId),
    put(remembered) {
      const { csrDer, issuanceId } = remembered.record;
      if (csrDer.length > csrBytesMax) return;
      records.set(issuanceId, remembered);
      if (records.size <= recordsMax) return;
      const [oldest] = records.keys();
      records.delete(oldest!);
    },
    forget: (issuanceId) => void records.delete(issuanceId),
    clear: () => records.clear(),
  };
}

/** The record after a move that was made, as a read would answer it; undefined for moves off the straight way. */
export function recordAfter(record: IssuanceRecord, move: Transition): IssuanceRecord | undefined {
  if (move.to === 'approved' && move.from === 'received') {
    const { at, caId, droppedExtensions, generation, policyVersion } = move;
    return { ...record, state: move.to, stateAt: at, caId, droppedExtensions, generation, policyVersion };
  }
  if (move.to === 'intended') {
    const { at, crlShard, prepared } = move;
    const { intent } = prepared;
    return {
      ...record,
      state: move.to,
      stateAt: at,
      intent,
      ...(intent.kind === 'tbs' ? { serial: intent.serial } : {}),
      ...(crlShard === undefined ? {} : { crlShard }),
    };
  }
  if (move.to === 'issued' && move.from !== 'orphan-suspected') {
    const { at, certificate } = move;
    const { der: certificateDer, fingerprint, notAfter, notBefore, serial } = certificate;
    return {
      ...record,
      state: move.to,
      stateAt: at,
      certificateDer,
      fingerprint,
      notAfter,
      notBefore,
      serial,
      ...(move.ticket === undefined ? {} : { ticket: move.ticket }),
      ...(move.adopted === undefined ? {} : { adopted: move.adopted }),
    };
  }
  if (move.to === 'submitted') return { ...record, state: move.to, stateAt: move.at, ticket: move.ticket };
  return undefined;
}
