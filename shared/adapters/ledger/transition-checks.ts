import { isEdge } from '../../issuance/issuance-state.ts';
import type { Transition } from '../../issuance/ports.ts';
import { isRedeemed, type PreparedIssuance } from '../../lints/prepared-issuance.ts';
import { invariant } from './ledger-fault.ts';

/** Transitions of one call at most: the largest batch of an event source mapping (AWS Lambda, BatchSize). */
export const transitionsCountMax = 10_000;

export function issuanceIdOfTransition(transition: Transition): string {
  return transition.to === 'intended' ? transition.prepared.issuanceId : transition.issuanceId;
}

/**
 * Refuses a call that breaks an invariant before any of it is written: a move that is no edge of the table, an intent
 * that was redeemed before, or that the same call or another under way (`inFlight`) is redeeming already.
 */
export function checkTransitions(transitions: readonly Transition[], inFlight: ReadonlySet<PreparedIssuance>): void {
  invariant(
    transitions.length <= transitionsCountMax,
    'out-of-bounds',
    `${transitions.length} transitions in one call`,
  );
  const seen = new Set<PreparedIssuance>();
  for (const transition of transitions) {
    const { from, to } = transition;
    invariant(isEdge(from, to), 'illegal-edge', `${from} is not followed by ${to}`);
    if (to !== 'intended') continue;
    const { prepared } = transition;
    const free = !isRedeemed(prepared) && !inFlight.has(prepared) && !seen.has(prepared);
    invariant(free, 'prepared-redeemed', `the intent of ${prepared.issuanceId} was redeemed before`);
    seen.add(prepared);
  }
}
