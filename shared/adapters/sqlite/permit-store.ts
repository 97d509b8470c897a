import type { DatabaseSync } from 'node:sqlite';
import type { PermitBudget, PermitStore, StoredPermitBudget } from '../../issuance/permits.ts';
import { invariant } from '../ledger/ledger-fault.ts';
import type { CommitQueue } from './commit-queue.ts';

const budgetIdCharactersMax = 200;

/** Permit budgets, one row each. */
export function createPermitStore(database: DatabaseSync, commits: CommitQueue): PermitStore {
  const one = database.prepare('SELECT version, document FROM permit_budgets WHERE budget = ?');
  const add = database.prepare('INSERT INTO permit_budgets (budget, version, document) VALUES (?, 1, ?)');
  const change = database.prepare('UPDATE permit_budgets SET version = version + 1, document = ? WHERE budget = ?');

  function find(budgetId: string): StoredPermitBudget | undefined {
    const row = one.get(budgetId);
    if (row === undefined) return undefined;
    return { budget: JSON.parse(row.document as string) as PermitBudget, version: row.version as number };
  }

  return {
    read: async (budgetId) => find(budgetId),
    async exchange(budgetId, expectedVersion, next) {
      const isId = budgetId.length >= 1 && budgetId.length <= budgetIdCharactersMax;
      invariant(isId, 'out-of-bounds', `a budget id of ${budgetId.length} characters`);
      return commits.submit(() => {
        const actual = find(budgetId);
        if ((actual?.version ?? 0) !== expectedVersion) return { kind: 'conflict', actual };
        if (actual === undefined) add.run(budgetId, JSON.stringify(next));
        else change.run(JSON.stringify(next), budgetId);
        return { kind: 'stored', version: expectedVersion + 1 };
      });
    },
  };
}
