import {
  createLeasedPacingBudget,
  type LeasedPacingOptions,
  type PacingBudget,
} from '../../shared/adapters/acm-pca/pacing.ts';
import type { PermitStore, StoredPermitBudget } from '../../shared/issuance/permits.ts';

/** A budget of one process, by the same arithmetic, where no other signer shares the quota. */
export function createPacingBudget(options: Pick<LeasedPacingOptions, 'clock' | 'sleep' | 'rates'>): PacingBudget {
  const budgets = new Map<string, StoredPermitBudget>();
  const store: PermitStore = {
    read: async (budgetId) => budgets.get(budgetId),
    async exchange(budgetId, expectedVersion, budget) {
      const actual = budgets.get(budgetId);
      if ((actual?.version ?? 0) !== expectedVersion) return { kind: 'conflict', actual };
      const version = expectedVersion + 1;
      budgets.set(budgetId, { budget, version });
      return { kind: 'stored', version };
    },
  };
  return createLeasedPacingBudget({ ...options, store, budgetId: 'process', shareForOthers: 0 });
}
