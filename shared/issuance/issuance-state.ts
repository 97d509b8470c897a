/**
 * The states of an issuance and the edges between them. Every adapter of the ledger refuses a move that is not an edge
 * of this table, and the checker of the fault simulation reads the same table.
 */

export const issuanceStates = [
  'received',
  'approved',
  'intended',
  'submitted',
  'orphan-suspected',
  'issued',
  'rejected',
  'failed',
  'lapsed',
  'misissued',
  'revoked',
] as const;

export type IssuanceState = (typeof issuanceStates)[number];

/** From each state, the states that may follow. `expired` is derived from notAfter and is no state. */
export const nextStates: Readonly<Record<IssuanceState, readonly IssuanceState[]>> = {
  received: ['approved', 'rejected', 'lapsed'],
  approved: ['intended', 'lapsed', 'rejected', 'failed'],
  intended: ['submitted', 'issued', 'failed', 'misissued', 'orphan-suspected'],
  submitted: ['issued', 'failed', 'misissued'],
  'orphan-suspected': ['issued', 'approved'],
  issued: ['revoked'],
  rejected: [],
  failed: [],
  lapsed: [],
  misissued: [],
  revoked: [],
};

/** True when `to` may follow `from`. */
export function isEdge(from: IssuanceState, to: IssuanceState): boolean {
  return nextStates[from].includes(to);
}

/** True while the pipeline still owes this issuance an outcome. */
export function isPending(state: IssuanceState): boolean {
  return (
    state === 'received' ||
    state === 'approved' ||
    state === 'intended' ||
    state === 'submitted' ||
    state === 'orphan-suspected'
  );
}

/** How long an issuance may stay in a state before the reconciler looks at it, in milliseconds. */
export const staleAfterMs: Readonly<Partial<Record<IssuanceState, number>>> = {
  received: 120_000,
  approved: 120_000,
  intended: 240_000,
  submitted: 60_000,
  'orphan-suspected': 30 * 60_000,
};
