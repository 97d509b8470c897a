import type { Operator } from '../../issuance/issuance-record.ts';
import type { OperatorLog, OperatorLogEntry, OperatorStore } from '../../issuance/ports.ts';
import { invariant } from '../ledger/ledger-fault.ts';
import { readCountMax } from './bounds.ts';
import type { Table } from './calls.ts';
import { document, documentOf, text } from './items.ts';
import { listPartition } from './lists.ts';
import { keyItem, keys, listPartitions } from './table.ts';

/** An id or a digest that exists already throws `already-exists`. */
export function createDynamoOperators(table: Table): OperatorStore {
  return {
    async create(operator) {
      const condition = { expression: 'attribute_not_exists(PK)' };
      const { kind } = await table.transact([
        {
          kind: 'put',
          item: { ...keyItem(keys.operatorOfDigest(operator.sha256)), doc: document(operator) },
          condition,
        },
        { kind: 'put', item: { ...keyItem(keys.operator(operator.id)), sha256: text(operator.sha256) }, condition },
      ]);
      invariant(kind === 'written', 'already-exists', `the operator ${operator.id}, or its digest, exists already`);
    },
    async findBySha256(sha256) {
      const item = await table.get(keys.operatorOfDigest(sha256));
      return item === undefined ? undefined : documentOf<Operator>(item, 'doc');
    },
  };
}

/**
 * Listed newest first, by the time of the entry; entries of one millisecond in no order. The sort key has the id of the
 * write, so that an append that is sent again after a lost answer is one entry, and none takes another's place.
 */
export function createDynamoOperatorLog(table: Table): OperatorLog {
  return {
    async append(entry) {
      await table.putMany([{ ...keyItem(keys.logEntry(entry.at, table.newWriteId())), doc: document(entry) }]);
    },
    async list(countMax) {
      const isCount = Number.isInteger(countMax) && countMax >= 1 && countMax <= readCountMax;
      invariant(isCount, 'out-of-bounds', `countMax ${countMax}`);
      const items = await listPartition(table, listPartitions.operatorLog, countMax, { newestFirst: true });
      return items.map((item) => documentOf<OperatorLogEntry>(item, 'doc'));
    },
  };
}
