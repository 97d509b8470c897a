import { expect, it } from 'vitest';
import { disposable } from '../../support/disposable.ts';
import {
  digestOf,
  type Guided,
  guideTo,
  ledgerTime,
  minuteMs,
  moves,
  newCredential,
  newIssuance,
} from '../../support/ledger-fixtures.ts';
import type { LedgerCases } from '../ledger-suite.ts';

/** Reads by id, the reconciler's and the operator's reads, and CRL slots. */
export function readCases(cases: LedgerCases): void {
  idCases(cases);
  reconcilerCases(cases);
  countCases(cases);
}

function idCases({ open }: LedgerCases): void {
  it('answers undefined for what is not there, however the id looks (absent)', async () => {
    await using h = disposable(await open());
    for (const id of [
      '',
      'x',
      '.',
      '..1',
      `${'A'.repeat(43)}.1`,
      `${'A'.repeat(43)}.0`,
      `${'A'.repeat(43)}.1e3`,
      "' OR 1=1 --",
    ]) {
      expect(await h.ledger.get(id)).toBeUndefined();
      expect(await h.ledger.current(id)).toBeUndefined();
      expect(await h.ledger.advance([moves.approve(id)])).toEqual([{ kind: 'conflict', actual: undefined }]);
    }
  });

  it('answers many in the order asked, with gaps and repeats (get-many)', async () => {
    await using h = disposable(await open());
    const [a, b] = [await guideTo('received', h), await guideTo('issued', h)];
    const asked = [b.issuanceId, `${'A'.repeat(43)}.1`, a.issuanceId, b.issuanceId];
    expect((await h.ledger.getMany(asked)).map((record) => record?.issuanceId)).toEqual([
      b.issuanceId,
      undefined,
      a.issuanceId,
      b.issuanceId,
    ]);
  });

  it('knows each ordinal of a request, and the highest as the current one (current)', async () => {
    await using h = disposable(await open());
    const credential = newCredential();
    await h.credentials.create(credential);
    const first = newIssuance(credential);
    for (let ordinal = 1; ordinal <= 11; ordinal++) await h.ledger.receive({ ...first, ordinal });
    expect((await h.ledger.current(first.requestId))?.issuanceId).toBe(`${first.requestId}.11`);
    expect((await h.ledger.get(`${first.requestId}.2`))?.ordinal).toBe(2);
  });
}

function reconcilerCases({ open, eventually }: LedgerCases): void {
  it('lists the stale of a state, oldest first, none younger, no more than asked (stale)', async () => {
    await using h = disposable(await open());
    const at = [5, 1, 3, 2, 4].map((minute) => ledgerTime + minute * minuteMs);
    const guided: Guided[] = [];
    for (const receivedAt of at) guided.push(await guideTo('received', h, { issuance: { receivedAt } }));
    await guideTo('approved', h, { issuance: { receivedAt: ledgerTime } });
    const id = (index: number) => guided[index]!.issuanceId;
    const stale = async (minute: number, countMax: number) =>
      (await h.ledger.stale('received', ledgerTime + minute * minuteMs, countMax)).map(({ issuanceId }) => issuanceId);
    await eventually(async () => expect(await stale(9, 100)).toEqual([id(1), id(3), id(2), id(4), id(0)]));
    expect(await stale(4, 100)).toEqual([id(1), id(3), id(2)]);
    expect(await stale(9, 2)).toEqual([id(1), id(3)]);
    expect(await stale(1, 100)).toEqual([]);
    expect((await h.ledger.stale('received', ledgerTime + 9 * minuteMs, 1))[0]).toEqual({
      issuanceId: id(1),
      caId: 'devices',
      state: 'received',
      stateAt: at[1],
    });
  });

  it('lists an issuance under the state it is in, and no other (stale-state)', async () => {
    await using h = disposable(await open());
    const late = ledgerTime + 60 * minuteMs;
    const watched = ['received', 'approved', 'intended', 'submitted', 'orphan-suspected'] as const;
    const ids = new Map<string, string>();
    for (const state of watched) ids.set(state, (await guideTo(state, h)).issuanceId);
    for (const state of ['issued', 'rejected', 'failed', 'lapsed', 'revoked'] as const) await guideTo(state, h);
    for (const state of watched) {
      await eventually(async () =>
        expect((await h.ledger.stale(state, late, 100)).map(({ issuanceId }) => issuanceId)).toEqual([ids.get(state)]),
      );
    }
  });

  it('refuses to list without bound, or what is settled (stale-bounds)', async () => {
    await using h = disposable(await open());
    for (const countMax of [0, -1, 10_001])
      await expect(h.ledger.stale('received', ledgerTime, countMax)).rejects.toThrow();
    await expect(h.ledger.stale('issued', ledgerTime, 10)).rejects.toThrow();
  });
}

function countCases({ open, eventually }: LedgerCases): void {
  it('counts what a CA has not settled, by state (unsettled)', async () => {
    await using h = disposable(await open());
    for (const state of [
      'received',
      'received',
      'approved',
      'intended',
      'submitted',
      'orphan-suspected',
      'misissued',
      'issued',
      'failed',
    ] as const) {
      await guideTo(state, h);
    }
    await guideTo('intended', h, { issuance: { caId: 'workloads' } });
    const none = { received: 0, approved: 0, intended: 0, submitted: 0, 'orphan-suspected': 0, misissued: 0 };
    const one = { approved: 1, intended: 1, submitted: 1, 'orphan-suspected': 1, misissued: 1 };
    await eventually(async () => expect(await h.ledger.unsettled('devices')).toEqual({ ...one, received: 2 }));
    await eventually(async () => expect(await h.ledger.unsettled('workloads')).toEqual({ ...none, intended: 1 }));
    expect(await h.ledger.unsettled('nowhere')).toEqual(none);
  });

  it('leases each CRL slot of a CA generation once, from 0 (crl-slots)', async () => {
    await using h = disposable(await open());
    expect(await h.ledger.leaseCrlSlots('devices', 1, 100)).toBe(0);
    expect(await h.ledger.leaseCrlSlots('devices', 1, 7)).toBe(100);
    expect(await h.ledger.leaseCrlSlots('devices', 2, 1)).toBe(0);
    const leases = await Promise.all(Array.from({ length: 8 }, () => h.ledger.leaseCrlSlots('devices', 1, 10)));
    expect(leases.sort((a, b) => a - b)).toEqual(Array.from({ length: 8 }, (_, i) => 107 + 10 * i));
    await expect(h.ledger.leaseCrlSlots('devices', 1, 0)).rejects.toThrow();
  });

  it('keeps names and texts as they are, whatever is in them (text-kept)', async () => {
    await using h = disposable(await open());
    const odd = 'it\'s "quoted", \u0000, \ud83d\udd11, ümlaut, %_, C#1';
    const issuance = { owner: odd, fleet: odd, names: [`dns:${digestOf(odd)}`, `other:${odd}`] };
    const { issuanceId } = await guideTo('approved', h, { issuance });
    expect(await h.ledger.get(issuanceId)).toMatchObject(issuance);
    expect((await h.ledger.holders(issuance.names, '')).names.map(({ name, owner }) => [name, owner])).toEqual(
      issuance.names.map((name) => [name, odd]),
    );
  });
}
