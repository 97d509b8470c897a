import { DatabaseSync } from 'node:sqlite';
import { describe, expect, it } from 'vitest';
import { openSqliteReader } from '../../shared/adapters/sqlite/reader.ts';
import { isEdge, issuanceStates } from '../../shared/issuance/issuance-state.ts';
import { disposable } from '../support/disposable.ts';
import { guideTo, ledgerTime, lostAnswer, moves } from '../support/ledger-fixtures.ts';
import { makePrepared } from '../support/make-prepared.ts';
import { openHarness } from '../support/sqlite-harness.ts';

describe('the reader of a state', () => {
  it('reads every issuance as the ledger does, while the service runs (issuances)', async () => {
    await using h = disposable(await openHarness('file'));
    const ids = [];
    for (const state of issuanceStates) ids.push((await guideTo(state, h)).issuanceId);
    const reader = openSqliteReader(h.path);
    expect([...reader.issuances()]).toEqual(await h.ledger.getMany(ids));
    expect(reader.get(ids[0]!)).toEqual(await h.ledger.get(ids[0]!));
    expect(reader.get('none')).toBeUndefined();
    reader.close();
  });

  it('sees what was committed after it was opened (live)', async () => {
    await using h = disposable(await openHarness('file'));
    const reader = openSqliteReader(h.path);
    const { issuanceId } = await guideTo('issued', h);
    expect(reader.get(issuanceId)?.state).toBe('issued');
    reader.close();
  });

  it('reads a state whose service has ended (at-rest)', async () => {
    const h = await openHarness('file');
    const { issuanceId } = await guideTo('issued', h);
    await using again = disposable(await h.reopen());
    await again.queue('work').send(['a.1', 'b.1']);
    const reader = openSqliteReader(again.path);
    expect(reader.get(issuanceId)?.state).toBe('issued');
    expect(reader.queueCounts()).toEqual({ work: 2 });
    reader.close();
  });

  it('finds what was issued by fingerprint, key and name (indexes)', async () => {
    await using h = disposable(await openHarness('file'));
    const { issuanceId, certificate, issuance } = await guideTo('issued', h);
    const pending = await guideTo('intended', h);
    const reader = openSqliteReader(h.path);
    for (const found of [
      reader.byFingerprint(certificate.fingerprint),
      reader.byKey(issuance.spkiSha256),
      reader.byName(issuance.names[0]!),
    ]) {
      expect(found.map((record) => record.issuanceId)).toEqual([issuanceId]);
    }
    expect([reader.byKey(pending.issuance.spkiSha256), reader.byName(pending.issuance.names[0]!)]).toEqual([[], []]);
    expect(reader.counters('devices')).toEqual(await h.ledger.counters('devices'));
    reader.close();
  });

  it('refuses what is no state of this program (state-foreign)', async () => {
    await using h = disposable(await openHarness('file'));
    const other = `${h.path}.other`;
    const database = new DatabaseSync(other);
    database.exec('CREATE TABLE recipes (title TEXT)');
    database.close();
    expect(() => openSqliteReader(other)).toThrow(expect.objectContaining({ code: 'state-foreign' }));
    expect(() => openSqliteReader(`${h.path}.none`)).toThrow(expect.objectContaining({ code: 'storage-failed' }));
  });
});

describe('the history of an issuance', () => {
  it('has every change of state in order, each an edge, and none for a move that was not made (history)', async () => {
    await using h = disposable(await openHarness('file'));
    const { issuanceId, certificate } = await guideTo('orphan-suspected', h);
    await h.ledger.noteAttempts([{ issuanceId, error: lostAnswer }]);
    await h.ledger.advance([moves.approve(issuanceId, { from: 'orphan-suspected' })]);
    await h.ledger.advance([moves.approve(issuanceId), moves.intend(makePrepared(issuanceId, 'devices'))]);
    const record = await h.ledger.get(issuanceId);
    await h.ledger.advance([moves.issue(issuanceId, { ...certificate, serial: record!.serial! })]);
    const reader = openSqliteReader(h.path);
    const changes = reader.history(issuanceId);
    const states = ['received', 'approved', 'intended', 'orphan-suspected', 'approved', 'intended', 'issued'];
    expect(changes.map(({ to }) => to)).toEqual(states);
    expect(changes.map(({ from }) => from)).toEqual([undefined, ...states.slice(0, -1)]);
    expect(changes.slice(1).every(({ from, to }) => isEdge(from!, to))).toBe(true);
    expect([...reader.histories()]).toEqual([{ issuanceId, changes }]);
    reader.close();
  });

  it('says who asked, what decided, which intent and which certificate (history-detail)', async () => {
    await using h = disposable(await openHarness('file'));
    const { issuanceId, issuance, certificate } = await guideTo('revoked', h);
    const reader = openSqliteReader(h.path);
    const [received, approved, intended, issued, revoked] = reader.history(issuanceId);
    expect(received).toMatchObject({
      at: ledgerTime,
      detail: { credentialId: issuance.credentialId, principal: issuance.principal },
    });
    expect(approved?.detail).toMatchObject({ policyVersion: 'fedcba9876543210', caId: 'devices' });
    expect(intended?.detail).toMatchObject({
      intent: { kind: 'tbs', serial: certificate.serial, tbsSha256: expect.stringMatching(/^[0-9a-f]{64}$/) },
    });
    expect(issued?.detail).toMatchObject({ fingerprint: certificate.fingerprint, serial: certificate.serial });
    expect(revoked?.detail).toEqual({ reason: 'superseded' });
    reader.close();
  });

  it('cannot be changed or cut short (append-only)', async () => {
    await using h = disposable(await openHarness('file'));
    await guideTo('issued', h);
    const database = new DatabaseSync(h.path);
    expect(() => database.exec("UPDATE history SET to_state = 'rejected'")).toThrow('append-only');
    expect(() => database.exec('DELETE FROM history')).toThrow('append-only');
    database.close();
  });
});
