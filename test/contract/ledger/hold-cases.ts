import { expect, it } from 'vitest';
import { disposable } from '../../support/disposable.ts';
import { digestOf, guideTo, ledgerTime, moves, unique } from '../../support/ledger-fixtures.ts';
import type { LedgerCases } from '../ledger-suite.ts';

/** Names held for (owner, key), and keys for owners, from the first approval on. */
export function holdCases(cases: LedgerCases): void {
  firstHoldCases(cases);
  holdTakeoverCases(cases);
}

function firstHoldCases({ open }: LedgerCases): void {
  it('holds every name of an approved issuance, and its key (hold)', async () => {
    await using h = disposable(await open());
    const names = [`dns:${unique('a')}.example`, `dns:${unique('b')}.example`];
    const { issuance } = await guideTo('approved', h, { issuance: { names } });
    const { owner, spkiSha256 } = issuance;
    expect(await h.ledger.holders([...names, 'dns:free.example'], spkiSha256)).toEqual({
      names: names.map((name) => ({ name, owner, spkiSha256, heldAt: ledgerTime + 1 })),
      keyOwner: owner,
      keyCompromised: false,
    });
    expect(await h.ledger.holders([], digestOf('another key'))).toEqual({ names: [], keyCompromised: false });
  });

  it('holds nothing for what was only received or was rejected (no-hold-without-approval)', async () => {
    await using h = disposable(await open());
    for (const state of ['received', 'rejected'] as const) {
      const { issuance } = await guideTo(state, h);
      const { names, keyOwner } = await h.ledger.holders(issuance.names, issuance.spkiSha256);
      expect([names, keyOwner]).toEqual([[], undefined]);
    }
  });

  it('names every name that another owner or another key holds, and holds none of the rest (held)', async () => {
    await using h = disposable(await open());
    const spkiSha256 = digestOf(unique('key'));
    const [byOwner, byKey, own, free] = ['owner', 'key', 'own', 'free'].map((one) => `dns:${unique(one)}.example`) as [
      string,
      string,
      string,
      string,
    ];
    await guideTo('approved', h, { issuance: { names: [byOwner], owner: 'plant-8' } });
    await guideTo('approved', h, { issuance: { names: [byKey] } });
    await guideTo('approved', h, { issuance: { names: [own], spkiSha256 } });
    const { issuanceId } = await guideTo('received', h, {
      issuance: { names: [free, byKey, own, byOwner], spkiSha256 },
    });
    expect(await h.ledger.advance([moves.approve(issuanceId)])).toEqual([{ kind: 'held', names: [byKey, byOwner] }]);
    expect((await h.ledger.get(issuanceId))?.state).toBe('received');
    expect((await h.ledger.holders([free], spkiSha256)).names).toEqual([]);
  });

  it('holds all of a hundred names, or none of them (hold-hundred)', async () => {
    await using h = disposable(await open());
    const prefix = unique('many');
    const names = Array.from({ length: 100 }, (_, n) => `dns:${prefix}-${n}.example`);
    const spkiSha256 = digestOf(prefix);
    // The last ones, which an adapter with a bound on its transactions may have to treat apart.
    for (const index of [97, 98, 99, 0]) {
      const taken = await guideTo('approved', h, { issuance: { names: [names[index]!], owner: 'plant-8' } });
      const rival = await guideTo('received', h, { issuance: { names, spkiSha256 } });
      const outcome = await h.ledger.advance([moves.approve(rival.issuanceId)]);
      expect(outcome).toEqual([{ kind: 'held', names: [names[index]] }]);
      expect((await h.ledger.holders(names, spkiSha256)).names.map(({ name }) => name)).toEqual(taken.issuance.names);
      await h.ledger.releaseName(names[index]!, ledgerTime);
    }
    const issued = await guideTo('issued', h, { issuance: { names, spkiSha256 } });
    expect((await h.ledger.holders(names, spkiSha256)).names.map(({ name }) => name)).toEqual(names);
    expect((await h.ledger.get(issued.issuanceId))?.names).toEqual(names);
  });

  it('lets the holder have its names again with the same key (hold-again)', async () => {
    await using h = disposable(await open());
    const shared = { names: [`dns:${unique('name')}.example`], spkiSha256: digestOf(unique('key')) };
    await guideTo('issued', h, { issuance: shared });
    await guideTo('issued', h, { issuance: { ...shared, profile: 'service' } });
    expect((await h.ledger.holders(shared.names, shared.spkiSha256)).names[0]?.heldAt).toBe(ledgerTime + 1);
  });

  it('refuses a key under another owner (key-of-another-owner)', async () => {
    await using h = disposable(await open());
    const spkiSha256 = digestOf(unique('key'));
    await guideTo('approved', h, { issuance: { spkiSha256 } });
    const { issuanceId, issuance } = await guideTo('received', h, { issuance: { spkiSha256, owner: 'plant-8' } });
    expect(await h.ledger.advance([moves.approve(issuanceId)])).toEqual([{ kind: 'key-of-another-owner' }]);
    expect((await h.ledger.holders(issuance.names, spkiSha256)).names).toEqual([]);
  });
}

function holdTakeoverCases({ open }: LedgerCases): void {
  it('gives a name to one of two keys that ask at once (hold-race)', async () => {
    await using h = disposable(await open());
    const names = [`dns:${unique('name')}.example`];
    const rivals = [
      await guideTo('received', h, { issuance: { names } }),
      await guideTo('received', h, { issuance: { names } }),
    ];
    const outcomes = (await Promise.all(rivals.map((one) => h.ledger.advance([moves.approve(one.issuanceId)])))).flat();
    expect(outcomes.map(({ kind }) => kind).sort()).toEqual(['held', 'moved']);
    const winner = rivals[outcomes.findIndex(({ kind }) => kind === 'moved')];
    expect((await h.ledger.holders(names, '')).names[0]?.spkiSha256).toBe(winner?.issuance.spkiSha256);
  });

  it('sees the holds of an earlier move of the same call (hold-in-batch)', async () => {
    await using h = disposable(await open());
    const names = [`dns:${unique('name')}.example`];
    const a = await guideTo('received', h, { issuance: { names } });
    const b = await guideTo('received', h, { issuance: { names } });
    const outcomes = await h.ledger.advance([a, b].map(({ issuanceId }) => moves.approve(issuanceId)));
    expect(outcomes.map(({ kind }) => kind).sort()).toEqual(['held', 'moved']);
  });

  it('releases a name once, for the next key to hold (release)', async () => {
    await using h = disposable(await open());
    const names = [`dns:${unique('name')}.example`];
    await guideTo('issued', h, { issuance: { names } });
    const next = await guideTo('received', h, { issuance: { names } });
    expect(await h.ledger.releaseName(names[0]!, ledgerTime)).toBe(true);
    expect(await h.ledger.releaseName(names[0]!, ledgerTime)).toBe(false);
    expect(await h.ledger.advance([moves.approve(next.issuanceId)])).toEqual([{ kind: 'moved' }]);
    expect((await h.ledger.holders(names, '')).names[0]?.spkiSha256).toBe(next.issuance.spkiSha256);
  });

  it('remembers a compromised key for ever, and approves nothing more for it (key-compromised)', async () => {
    await using h = disposable(await open());
    const spkiSha256 = digestOf(unique('key'));
    const late = await guideTo('received', h, { issuance: { spkiSha256 } });
    const { issuanceId } = await guideTo('issued', h, { issuance: { spkiSha256 } });
    expect((await h.ledger.holders([], spkiSha256)).keyCompromised).toBe(false);
    await h.ledger.advance([moves.revoke(issuanceId, 'keyCompromise')]);
    expect((await h.ledger.holders([], spkiSha256)).keyCompromised).toBe(true);
    expect((await h.ledger.advance([moves.approve(late.issuanceId)]))[0]?.kind).not.toBe('moved');
  });

  it('takes any other revocation as no compromise (revoked-not-compromised)', async () => {
    await using h = disposable(await open());
    const { issuance } = await guideTo('revoked', h);
    expect((await h.ledger.holders([], issuance.spkiSha256)).keyCompromised).toBe(false);
  });
}
