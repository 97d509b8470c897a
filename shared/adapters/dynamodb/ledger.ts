import type { IssuanceLedger } from '../../issuance/ports.ts';
import { invariant } from '../ledger/ledger-fault.ts';
import { transitionsCountMax } from '../ledger/transition-checks.ts';
import { createAdvance } from './advance.ts';
import { createTable, type Table, type TableOptions } from './calls.ts';
import { readCounters } from './folded.ts';
import { createHolds } from './holds.ts';
import { number, numberOf, text } from './items.ts';
import { errorDocument } from './moves.ts';
import { createReceive } from './receive.ts';
import { createRecordReads } from './record-reads.ts';
import { mapBounded } from './retry.ts';
import { createSerialReads } from './serial-reads.ts';
import { keys } from './table.ts';
import { createUnsettledReads } from './unsettled-reads.ts';

/**
 * The ledger on DynamoDB. Whatever is written is durable when the call answers. Throws `LedgerFault` for what may never be,
 * `DynamoError` when DynamoDB is at fault, and the SDK's own error for a request that it will never take.
 */
export function createDynamoLedger(options: TableOptions): IssuanceLedger {
  const table = createTable(options);
  return {
    receive: createReceive(table),
    advance: createAdvance(table),
    noteAttempts: createNoteAttempts(table),
    counters: (caId) => readCounters(table, caId),
    leaseCrlSlots: createLeaseCrlSlots(table),
    ...createRecordReads(table),
    ...createHolds(table),
    ...createUnsettledReads(table),
    ...createSerialReads(table),
  };
}

/** An attempt is noted once, however often the SDK sends it: its id stands in the record. */
function createNoteAttempts(table: Table): IssuanceLedger['noteAttempts'] {
  return async (attempts) => {
    invariant(attempts.length <= transitionsCountMax, 'out-of-bounds', `${attempts.length} attempts in one call`);
    await mapBounded(attempts, table.inFlightMax, async ({ issuanceId, error }) => {
      const key = keys.record(issuanceId);
      if (key === undefined) return;
      await table.update({
        kind: 'update',
        key,
        set: {
          expression: 'SET att = att + :one, le = :error, aw = :write',
          values: { ':one': number(1), ':error': errorDocument(error), ':write': text(table.newWriteId()) },
        },
        condition: 'attribute_exists(PK) AND (attribute_not_exists(aw) OR aw <> :write)',
      });
    });
  };
}

/** A repeat of a write whose answer was lost leases anew: slots are lost, none is given twice. */
function createLeaseCrlSlots(table: Table): IssuanceLedger['leaseCrlSlots'] {
  return async (caId, generation, count) => {
    invariant(Number.isSafeInteger(count) && count >= 1, 'out-of-bounds', `${count} CRL slots`);
    const outcome = await table.update(
      {
        kind: 'update',
        key: keys.crlSlots(caId, generation),
        set: { expression: 'ADD slotNext :count', values: { ':count': number(count) } },
      },
      'UPDATED_NEW',
    );
    if (outcome.kind !== 'written' || outcome.attributes === undefined) throw new Error('no slots were answered');
    return numberOf(outcome.attributes, 'slotNext') - count;
  };
}
