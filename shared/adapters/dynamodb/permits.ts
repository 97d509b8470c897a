import type { PermitBudget, PermitStore, StoredPermitBudget } from '../../issuance/permits.ts';
import { invariant } from '../ledger/ledger-fault.ts';
import type { Table } from './calls.ts';
import { document, documentOf, type Item, number, numberOf, text, textOf } from './items.ts';
import { keys } from './table.ts';

const budgetIdCharactersMax = 200;

/**
 * Permit budgets, one item each: an exchange is one UpdateItem whose failed condition answers the item that is there. The item
 * names its last write, so that an exchange that the SDK sent twice, the first answer being lost, knows itself again.
 */
export function createDynamoPermits(table: Table): PermitStore {
  return {
    async read(budgetId) {
      const item = await table.get(keys.permits(budgetId));
      return item === undefined ? undefined : storedOf(item);
    },
    async exchange(budgetId, expectedVersion, next) {
      const isId = budgetId.length >= 1 && budgetId.length <= budgetIdCharactersMax;
      invariant(isId, 'out-of-bounds', `a budget id of ${budgetId.length} characters`);
      const write = table.newWriteId();
      const version = expectedVersion + 1;
      const values = { ':version': number(version), ':doc': document(next), ':write': text(write) };
      const expected: Item = expectedVersion === 0 ? {} : { ':expected': number(expectedVersion) };
      const outcome = await table.update({
        kind: 'update',
        key: keys.permits(budgetId),
        set: {
          expression: 'SET version = :version, doc = :doc, writtenBy = :write',
          values: { ...values, ...expected },
        },
        condition: expectedVersion === 0 ? 'attribute_not_exists(PK)' : 'version = :expected',
      });
      if (outcome.kind === 'written') return { kind: 'stored', version };
      const { item } = outcome;
      if (item !== undefined && textOf(item, 'writtenBy') === write) return { kind: 'stored', version };
      return { kind: 'conflict', actual: item === undefined ? undefined : storedOf(item) };
    },
  };
}

function storedOf(item: Item): StoredPermitBudget {
  return { budget: documentOf<PermitBudget>(item, 'doc'), version: numberOf(item, 'version') };
}
