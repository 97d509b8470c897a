import { expect, it } from 'vitest';
import { type IssuanceState, isEdge, issuanceStates } from '../../../shared/issuance/issuance-state.ts';
import type { Transition } from '../../../shared/issuance/ports.ts';
import { isRedeemed } from '../../../shared/lints/prepared-issuance.ts';
import { disposable } from '../../support/disposable.ts';
import { guideTo, lostAnswer, moves, newCertificate } from '../../support/ledger-fixtures.ts';
import { makePrepared } from '../../support/make-prepared.ts';
import type { LedgerCases } from '../ledger-suite.ts';

/** The table of `nextStates`, both ways: what is no edge throws, and no move is made from where the issuance is not. */
export function edgeCases({ open }: LedgerCases): void {
  it('throws for a move that is no edge, and writes nothing of its call (illegal-edge)', async () => {
    await using h = disposable(await open());
    const { issuanceId } = await guideTo('received', h);
    for (const from of issuanceStates) {
      for (const to of issuanceStates.filter((one) => one !== 'received' && !isEdge(from, one))) {
        const illegal = moveOf(issuanceId, from, to);
        await expect(h.ledger.advance([moves.approve(issuanceId), illegal]), `${from} to ${to}`).rejects.toThrow();
        if (illegal.to === 'intended') expect(isRedeemed(illegal.prepared)).toBe(false);
      }
    }
    expect((await h.ledger.get(issuanceId))?.state).toBe('received');
  });

  it('answers where the issuance is to a move from where it is not (conflict-actual)', async () => {
    await using h = disposable(await open());
    for (const actual of issuanceStates) {
      const { issuanceId } = await guideTo(actual, h);
      const elsewhere = issuanceStates.flatMap((from) =>
        issuanceStates.filter((to) => from !== actual && isEdge(from, to)).map((to) => moveOf(issuanceId, from, to)),
      );
      const before = await h.ledger.get(issuanceId);
      const outcomes = await h.ledger.advance(elsewhere);
      expect(outcomes).toEqual(elsewhere.map(() => ({ kind: 'conflict', actual })));
      expect(await h.ledger.get(issuanceId)).toEqual(before);
    }
  });

  it('makes every move that is an edge (edges)', async () => {
    await using h = disposable(await open());
    for (const from of issuanceStates) {
      for (const to of issuanceStates.filter((one) => isEdge(from, one))) {
        const { issuanceId, certificate } = await guideTo(from, h);
        const move = moveOf(issuanceId, from, to, certificate);
        expect(await h.ledger.advance([move]), `${from} to ${to}`).toEqual([{ kind: 'moved' }]);
        expect(await h.ledger.get(issuanceId)).toMatchObject({ state: to, stateAt: move.at });
      }
    }
  });
}

/** A move between any two states, whatever the type checker would say of it. */
function moveOf(
  issuanceId: string,
  from: IssuanceState,
  to: IssuanceState,
  certificate = newCertificate(),
): Transition {
  const shapes: Readonly<Record<Exclude<IssuanceState, 'received'>, () => Transition>> = {
    approved: () => moves.approve(issuanceId),
    rejected: () => moves.reject(issuanceId),
    lapsed: () => moves.lapse(issuanceId),
    intended: () => moves.intend(makePrepared(issuanceId, 'devices')),
    submitted: () => moves.submit(issuanceId),
    issued: () => moves.issue(issuanceId, certificate),
    misissued: () => moves.misissue(issuanceId),
    failed: () => moves.fail(issuanceId),
    'orphan-suspected': () => ({ ...moves.suspect(issuanceId), error: lostAnswer }) as Transition,
    revoked: () => moves.revoke(issuanceId),
  };
  if (to === 'received') throw new Error('an issuance is received once');
  return { ...shapes[to](), from } as Transition;
}
