import type { IssuanceRecord } from '../../issuance/issuance-record.ts';
import { oldestOut } from '../../pki/oldest-first.ts';

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
  /** After a transaction was lost: the rows are what they were before. */
  clear(): void;
}

const recordsMax = 2_048;
const csrBytesMax = 4_096;

export function createRecordMemory(): RecordMemory {
  const records = new Map<string, Remembered>();
  const oldestRecordOut = oldestOut(records);
  return {
    get: (issuanceId) => records.get(issuanceId),
    put(remembered) {
      const { csrDer, issuanceId } = remembered.record;
      if (csrDer.length > csrBytesMax) return;
      records.set(issuanceId, remembered);
      if (records.size > recordsMax) oldestRecordOut();
    },
    clear: () => records.clear(),
  };
}
