import { expect, it } from 'vitest';
import { issuanceStates } from '../../../shared/issuance/issuance-state.ts';
import { disposable } from '../../support/disposable.ts';
import {
  digestOf,
  guideTo,
  ledgerTime,
  lostAnswer,
  moves,
  newIssuance,
  unique,
} from '../../support/ledger-fixtures.ts';
import { makePrepared } from '../../support/make-prepared.ts';
import type { LedgerCases } from '../ledger-suite.ts';

/** What was answered is there for the next process. */
export function durabilityCases({ open, eventually }: LedgerCases): void {
  it('has every record in every state as it was (records-durable)', async () => {
    const first = await open();
    const ids = [];
    for (const state of issuanceStates) ids.push((await guideTo(state, first)).issuanceId);
    await first.ledger.noteAttempts([{ issuanceId: ids[0]!, error: lostAnswer }]);
    const before = await first.ledger.getMany(ids);
    const counters = await first.ledger.counters('devices');
    await using h = disposable(await first.reopen());
    expect(await h.ledger.getMany(ids)).toEqual(before);
    expect(await h.ledger.counters('devices')).toEqual(counters);
    await eventually(async () => expect(await h.ledger.stale('intended', ledgerTime + 60_000, 10)).toHaveLength(1));
  });

  it('goes on from there: ordinals, counts, serials, holds, slots, the fence (continues)', async () => {
    const first = await open();
    const spkiSha256 = digestOf(unique('key'));
    const names = [`dns:${unique('name')}.example`];
    const issued = await guideTo('issued', first, { issuance: { spkiSha256, names } });
    const credentialId = issued.issuance.credentialId;
    await first.ledger.leaseCrlSlots('devices', 1, 100);
    const { issuanceId } = await guideTo('approved', first);
    const rival = await guideTo('received', first, { issuance: { names } });

    await using h = disposable(await first.reopen());
    expect(await h.ledger.receive(issued.issuance)).toEqual({ kind: 'conflict' });
    const credential = await h.credentials.get(credentialId);
    expect(credential?.used).toBe(1);
    expect((await h.ledger.receive({ ...newIssuance(credential!), ordinal: 1 })).kind).toBe('received');
    expect(await h.ledger.advance([moves.approve(rival.issuanceId)])).toEqual([{ kind: 'held', names }]);
    expect(await h.ledger.leaseCrlSlots('devices', 1, 1)).toBe(100);
    const taken = makePrepared(issuanceId, 'devices', { serial: issued.certificate.serial });
    expect(await h.ledger.advance([moves.intend(taken)])).toEqual([{ kind: 'serial-taken' }]);
    await h.authorities.setFrozen('devices', true, ledgerTime, 'operator-1');

    await using next = disposable(await h.reopen());
    expect(await next.ledger.advance([moves.intend(makePrepared(issuanceId, 'devices'))])).toEqual([
      { kind: 'frozen' },
    ]);
  });
}
