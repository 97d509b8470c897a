import { expect, it } from 'vitest';
import { issuanceIdOf } from '../../../shared/issuance/ids.ts';
import { disposable } from '../../support/disposable.ts';
import { dayMs, ledgerTime, newCredential, newIssuance } from '../../support/ledger-fixtures.ts';
import type { LedgerCases } from '../ledger-suite.ts';

/** `receive`: ordinals and the count of the credential, in one transaction. */
export function receiveCases(cases: LedgerCases): void {
  ordinalCases(cases);
  creditCases(cases);
}

function ordinalCases({ open }: LedgerCases): void {
  it('answers the record as it then reads it (received-record)', async () => {
    await using h = disposable(await open());
    const credential = newCredential();
    await h.credentials.create(credential);
    const issuance = newIssuance(credential, { names: ['dns:a.fleet.example', 'ip:10.0.0.1'], predecessor: 'x.1' });
    const outcome = await h.ledger.receive(issuance);
    const issuanceId = issuanceIdOf(issuance.requestId, 1);
    const expected = {
      ...issuance,
      issuanceId,
      state: 'received',
      stateAt: issuance.receivedAt,
      attempts: 0,
      droppedExtensions: [],
    };
    expect(outcome).toEqual({ kind: 'received', record: expected });
    expect(await h.ledger.get(issuanceId)).toEqual(expected);
    expect(await h.ledger.current(issuance.requestId)).toEqual(expected);
  });

  it('counts each issuance against its credential (used-counts-issuances)', async () => {
    await using h = disposable(await open());
    const credential = newCredential();
    await h.credentials.create(credential);
    for (let n = 0; n < 3; n++) await h.ledger.receive(newIssuance(credential));
    expect((await h.credentials.get(credential.id))?.used).toBe(3);
  });

  it('takes only the ordinal that follows the current one, and counts nothing for another (ordinal-follows)', async () => {
    await using h = disposable(await open());
    const credential = newCredential();
    await h.credentials.create(credential);
    const first = newIssuance(credential);
    expect(await h.ledger.receive({ ...first, ordinal: 2 })).toEqual({ kind: 'conflict' });
    expect((await h.ledger.receive(first)).kind).toBe('received');
    expect(await h.ledger.receive(first)).toEqual({ kind: 'conflict' });
    expect(await h.ledger.receive({ ...first, ordinal: 3 })).toEqual({ kind: 'conflict' });
    expect((await h.ledger.receive({ ...first, ordinal: 2 })).kind).toBe('received');
    expect((await h.ledger.current(first.requestId))?.ordinal).toBe(2);
    expect((await h.credentials.get(credential.id))?.used).toBe(2);
  });

  it('gives one ordinal to one of many writers that ask at once (ordinal-race)', async () => {
    await using h = disposable(await open());
    const credential = newCredential();
    await h.credentials.create(credential);
    const issuance = newIssuance(credential);
    const outcomes = await Promise.all(Array.from({ length: 8 }, () => h.ledger.receive(issuance)));
    expect(outcomes.map(({ kind }) => kind).sort()).toEqual([...Array(7).fill('conflict'), 'received']);
    expect((await h.credentials.get(credential.id))?.used).toBe(1);
  });
}

function creditCases({ open }: LedgerCases): void {
  it('stops at countMax when many ask at once (count-max-race)', async () => {
    await using h = disposable(await open());
    const credential = newCredential({ countMax: 5 });
    await h.credentials.create(credential);
    const issuances = Array.from({ length: 12 }, () => newIssuance(credential));
    const outcomes = await Promise.all(issuances.map((issuance) => h.ledger.receive(issuance)));
    expect(outcomes.filter(({ kind }) => kind === 'received')).toHaveLength(5);
    expect(outcomes.filter(({ kind }) => kind === 'credential-count-used-up')).toHaveLength(7);
    const stored = await h.ledger.getMany(issuances.map(({ requestId }) => issuanceIdOf(requestId, 1)));
    expect(stored.map((record) => record !== undefined)).toEqual(outcomes.map(({ kind }) => kind === 'received'));
    expect((await h.credentials.get(credential.id))?.used).toBe(5);
  });

  it('finds a revocation made since the credential was read (credential-revoked)', async () => {
    await using h = disposable(await open());
    const credential = newCredential({ countMax: 1 });
    await h.credentials.create(credential);
    await h.credentials.revoke(credential.id, ledgerTime + dayMs);
    const issuance = newIssuance(credential);
    expect(await h.ledger.receive(issuance)).toEqual({ kind: 'credential-revoked' });
    expect(await h.ledger.current(issuance.requestId)).toBeUndefined();
  });

  it('tells a repeat from a credential that is used up (conflict-before-count)', async () => {
    await using h = disposable(await open());
    const credential = newCredential({ countMax: 1 });
    await h.credentials.create(credential);
    const issuance = newIssuance(credential);
    await h.ledger.receive(issuance);
    expect(await h.ledger.receive(issuance)).toEqual({ kind: 'conflict' });
    expect(await h.ledger.receive(newIssuance(credential))).toEqual({ kind: 'credential-count-used-up' });
  });

  it('keeps apart requests and credentials that are received together (receive-isolation)', async () => {
    await using h = disposable(await open());
    const [good, full] = [newCredential(), newCredential({ countMax: 0 })];
    await h.credentials.create(good);
    await h.credentials.create(full);
    const outcomes = await Promise.all([good, full, good, full].map((one) => h.ledger.receive(newIssuance(one))));
    expect(outcomes.map(({ kind }) => kind)).toEqual([
      'received',
      'credential-count-used-up',
      'received',
      'credential-count-used-up',
    ]);
  });
}
