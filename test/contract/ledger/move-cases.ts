import { expect, it } from 'vitest';
import { isRedeemed } from '../../../shared/lints/prepared-issuance.ts';
import { disposable } from '../../support/disposable.ts';
import {
  dayMs,
  guideTo,
  ledgerTime,
  lostAnswer,
  moves,
  newCertificate,
  unique,
} from '../../support/ledger-fixtures.ts';
import { makePrepared, newSerial } from '../../support/make-prepared.ts';
import type { LedgerCases } from '../ledger-suite.ts';

/** `advance` and `noteAttempts`: what each move writes, and that of two moves from one state one is made. */
export function moveCases(cases: LedgerCases): void {
  decisionCases(cases);
  intentCases(cases);
  fenceAndSerialCases(cases);
  outcomeCases(cases);
  settlementCases(cases);
  concurrencyCases(cases);
}

function decisionCases({ open }: LedgerCases): void {
  it('writes what an approval decides (approved-record)', async () => {
    await using h = disposable(await open());
    const { issuanceId } = await guideTo('received', h);
    const move = moves.approve(issuanceId, { caId: 'workloads', generation: 2, droppedExtensions: ['ocspNoCheck'] });
    expect(await h.ledger.advance([move])).toEqual([{ kind: 'moved' }]);
    expect(await h.ledger.get(issuanceId)).toMatchObject({
      state: 'approved',
      stateAt: move.at,
      policyVersion: 'fedcba9876543210',
      caId: 'workloads',
      generation: 2,
      droppedExtensions: ['ocspNoCheck'],
    });
  });

  it('writes every reason of a refusal (rejected-record)', async () => {
    await using h = disposable(await open());
    const { issuanceId } = await guideTo('received', h);
    const violations = ['names-missing', 'ca-requested'].map((code) => ({
      code: code as 'names-missing',
      field: 'subjectAltName',
      message: 'a reason with "quotes" and \u00fc',
      reference: 'RFC 5280',
    }));
    await h.ledger.advance([moves.reject(issuanceId, { violations })]);
    expect(await h.ledger.get(issuanceId)).toMatchObject({ state: 'rejected', violations });
  });

  it('lapses (lapsed-record)', async () => {
    await using h = disposable(await open());
    const { issuanceId } = await guideTo('approved', h);
    expect(await h.ledger.advance([moves.lapse(issuanceId)])).toEqual([{ kind: 'moved' }]);
    expect((await h.ledger.get(issuanceId))?.state).toBe('lapsed');
  });

  it('counts attempts without moving (attempts)', async () => {
    await using h = disposable(await open());
    const { issuanceId } = await guideTo('intended', h);
    const before = await h.ledger.get(issuanceId);
    const other = { ...lostAnswer, code: 'throttled' };
    await h.ledger.noteAttempts([{ issuanceId, error: lostAnswer }]);
    await h.ledger.noteAttempts([{ issuanceId, error: other }]);
    expect(await h.ledger.get(issuanceId)).toEqual({ ...before, attempts: 2, lastError: other });
  });
}

function intentCases({ open }: LedgerCases): void {
  it('stores a tbs intent to the byte, its serial and its shard, and redeems it (intended-tbs)', async () => {
    await using h = disposable(await open());
    const { issuanceId } = await guideTo('approved', h);
    const prepared = makePrepared(issuanceId, 'devices');
    expect(isRedeemed(prepared)).toBe(false);
    expect(await h.ledger.advance([moves.intend(prepared, 7)])).toEqual([{ kind: 'moved' }]);
    expect(isRedeemed(prepared)).toBe(true);
    const record = await h.ledger.get(issuanceId);
    expect(record).toMatchObject({ state: 'intended', stateAt: ledgerTime + 2, crlShard: 7 });
    expect(plain(record?.intent)).toEqual(plain(prepared.intent));
    expect(record?.serial).toBe(prepared.intent.kind === 'tbs' ? prepared.intent.serial : '');
  });

  it('stores a template intent, which has no serial yet (intended-template)', async () => {
    await using h = disposable(await open());
    const { issuanceId } = await guideTo('approved', h);
    const prepared = makePrepared(issuanceId, 'devices', { kind: 'template' });
    await h.ledger.advance([moves.intend(prepared)]);
    const record = await h.ledger.get(issuanceId);
    expect(plain(record?.intent)).toEqual(plain(prepared.intent));
    expect(record).not.toHaveProperty('serial');
    expect(record).not.toHaveProperty('crlShard');
  });

  it('leaves an intent whose move was not made unredeemed, so that nothing signs it (redeem-after-commit)', async () => {
    await using h = disposable(await open());
    const { issuanceId } = await guideTo('approved', h);
    await h.ledger.advance([moves.lapse(issuanceId)]);
    const prepared = makePrepared(issuanceId, 'devices');
    expect(await h.ledger.advance([moves.intend(prepared)])).toEqual([{ kind: 'conflict', actual: 'lapsed' }]);
    expect(isRedeemed(prepared)).toBe(false);
  });

  it('throws for an intent that was redeemed before (redeemed-once)', async () => {
    await using h = disposable(await open());
    const { issuanceId } = await guideTo('approved', h);
    const prepared = makePrepared(issuanceId, 'devices');
    await h.ledger.advance([moves.intend(prepared)]);
    await expect(h.ledger.advance([moves.intend(prepared)])).rejects.toThrow();
    expect((await h.ledger.get(issuanceId))?.state).toBe('intended');
  });

  it('throws for an intent that another call is redeeming (redeemed-once, concurrently)', async () => {
    await using h = disposable(await open());
    const { issuanceId } = await guideTo('approved', h);
    const prepared = makePrepared(issuanceId, 'devices');
    const settled = await Promise.allSettled([1, 2].map(() => h.ledger.advance([moves.intend(prepared)])));
    expect(settled.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
  });
}

function fenceAndSerialCases({ open }: LedgerCases): void {
  it('reads the freeze fence (frozen)', async () => {
    await using h = disposable(await open());
    const caId = unique('ca');
    const { issuanceId } = await guideTo('approved', h, { issuance: { caId } });
    const prepared = makePrepared(issuanceId, caId);
    await h.authorities.setFrozen(caId, true, ledgerTime, 'operator-1');
    expect(await h.ledger.advance([moves.intend(prepared)])).toEqual([{ kind: 'frozen' }]);
    expect(isRedeemed(prepared)).toBe(false);
    expect((await h.ledger.get(issuanceId))?.state).toBe('approved');
    await h.authorities.setFrozen(caId, false, ledgerTime, 'operator-2');
    expect(await h.ledger.advance([moves.intend(prepared)])).toEqual([{ kind: 'moved' }]);
  });

  it('gives a serial of one issuer once (serial-unique-per-issuer)', async () => {
    await using h = disposable(await open());
    const serial = newSerial();
    await guideTo('intended', h, { prepared: { serial } });
    const { issuanceId } = await guideTo('approved', h);
    const again = makePrepared(issuanceId, 'devices', { serial });
    expect(await h.ledger.advance([moves.intend(again)])).toEqual([{ kind: 'serial-taken' }]);
    expect(isRedeemed(again)).toBe(false);
    expect((await h.ledger.get(issuanceId))?.state).toBe('approved');
    // Another issuer may have the same one.
    const other = await guideTo('intended', h, { issuance: { caId: 'workloads' }, prepared: { serial } });
    expect((await h.ledger.get(other.issuanceId))?.serial).toBe(serial);
  });
}

function outcomeCases({ open }: LedgerCases): void {
  it('goes by a ticket to a certificate whose serial the CA picked (submitted, issued)', async () => {
    await using h = disposable(await open());
    const { issuanceId } = await guideTo('approved', h);
    await h.ledger.advance([moves.intend(makePrepared(issuanceId, 'devices', { kind: 'template' }))]);
    await h.ledger.advance([moves.submit(issuanceId, 'arn:1')]);
    expect(await h.ledger.get(issuanceId)).toMatchObject({ state: 'submitted', ticket: 'arn:1' });
    const certificate = newCertificate();
    expect(
      await h.ledger.advance([moves.issue(issuanceId, certificate, { from: 'submitted', adopted: false })]),
    ).toEqual([{ kind: 'moved' }]);
    const record = await h.ledger.get(issuanceId);
    const { serial, notBefore, notAfter, fingerprint } = certificate;
    expect(record).toMatchObject({
      state: 'issued',
      adopted: false,
      ticket: 'arn:1',
      serial,
      notBefore,
      notAfter,
      fingerprint,
    });
    expect(plain(record?.certificateDer)).toEqual(plain(certificate.der));
  });

  it('refuses a serial that the issuer has already, at issued too (serial-taken)', async () => {
    await using h = disposable(await open());
    const first = await guideTo('issued', h);
    const { issuanceId } = await guideTo('approved', h);
    await h.ledger.advance([moves.intend(makePrepared(issuanceId, 'devices', { kind: 'template' }))]);
    const twin = newCertificate({ serial: first.certificate.serial });
    expect(await h.ledger.advance([moves.issue(issuanceId, twin)])).toEqual([{ kind: 'serial-taken' }]);
    const record = await h.ledger.get(issuanceId);
    expect(record?.state).toBe('intended');
    expect(record).not.toHaveProperty('certificateDer');
  });

  it('throws for a certificate whose serial is not the intended one (serial-of-intent)', async () => {
    await using h = disposable(await open());
    const { issuanceId } = await guideTo('intended', h);
    await expect(h.ledger.advance([moves.issue(issuanceId, newCertificate())])).rejects.toThrow();
    expect((await h.ledger.get(issuanceId))?.state).toBe('intended');
  });
}

function settlementCases({ open }: LedgerCases): void {
  it('marks a certificate that was found at the CA after its answer was lost (adopted)', async () => {
    await using h = disposable(await open());
    const { issuanceId, certificate } = await guideTo('orphan-suspected', h);
    const move = moves.issue(issuanceId, certificate, { from: 'orphan-suspected', ticket: 'arn:2', adopted: true });
    expect(await h.ledger.advance([move])).toEqual([{ kind: 'moved' }]);
    expect(await h.ledger.get(issuanceId)).toMatchObject({ state: 'issued', ticket: 'arn:2', adopted: true });
  });

  it('forgets the intent of a suspected orphan that is proven absent, and never gives its serial again (new-intent)', async () => {
    await using h = disposable(await open());
    const { issuanceId, certificate } = await guideTo('orphan-suspected', h);
    expect(await h.ledger.advance([moves.approve(issuanceId, { from: 'orphan-suspected' })])).toEqual([
      { kind: 'moved' },
    ]);
    const record = await h.ledger.get(issuanceId);
    expect(record?.state).toBe('approved');
    for (const field of ['intent', 'serial', 'ticket']) expect(record).not.toHaveProperty(field);
    const same = makePrepared(issuanceId, 'devices', { serial: certificate.serial });
    expect(await h.ledger.advance([moves.intend(same)])).toEqual([{ kind: 'serial-taken' }]);
    expect(await h.ledger.advance([moves.intend(makePrepared(issuanceId, 'devices'))])).toEqual([{ kind: 'moved' }]);
  });

  it('keeps what was misissued, and why (misissued-record)', async () => {
    await using h = disposable(await open());
    const { issuanceId } = await guideTo('misissued', h);
    const record = await h.ledger.get(issuanceId);
    expect(record).toMatchObject({ state: 'misissued', lastError: { code: 'not-as-intended' } });
    expect(record?.certificateDer?.length).toBeGreaterThan(0);
  });

  it('writes when and why a certificate was revoked (revoked-record)', async () => {
    await using h = disposable(await open());
    const { issuanceId, certificate } = await guideTo('issued', h);
    await h.ledger.advance([moves.revoke(issuanceId, 'cessationOfOperation')]);
    expect(await h.ledger.get(issuanceId)).toMatchObject({
      state: 'revoked',
      revokedAt: ledgerTime + 5,
      revocationReason: 'cessationOfOperation',
      fingerprint: certificate.fingerprint,
    });
  });
}

function concurrencyCases({ open }: LedgerCases): void {
  it('makes one of two moves from one state, whoever asks (linearizable)', async () => {
    await using h = disposable(await open());
    const { issuanceId } = await guideTo('received', h);
    const asked = [moves.approve(issuanceId), moves.reject(issuanceId), moves.approve(issuanceId)];
    const outcomes = (await Promise.all(asked.map((move) => h.ledger.advance([move])))).flat();
    const actual = (await h.ledger.get(issuanceId))?.state;
    expect(outcomes.filter(({ kind }) => kind === 'moved')).toHaveLength(1);
    expect(outcomes.filter(({ kind }) => kind === 'conflict')).toEqual(Array(2).fill({ kind: 'conflict', actual }));
  });

  it('redeems one of two intents for one issuance (one-intent)', async () => {
    await using h = disposable(await open());
    const { issuanceId } = await guideTo('approved', h);
    const rivals = [makePrepared(issuanceId, 'devices'), makePrepared(issuanceId, 'devices')];
    const outcomes = (await Promise.all(rivals.map((one) => h.ledger.advance([moves.intend(one)])))).flat();
    expect(rivals.map(isRedeemed)).toEqual(outcomes.map(({ kind }) => kind === 'moved'));
    const winner = rivals.find(isRedeemed);
    expect(plain((await h.ledger.get(issuanceId))?.intent)).toEqual(plain(winner?.intent));
  });

  it('answers a batch in the order asked, each move by itself (batch-order)', async () => {
    await using h = disposable(await open());
    const [a, b, c] = [await guideTo('received', h), await guideTo('issued', h), await guideTo('received', h)];
    const outcomes = await h.ledger.advance([
      moves.approve(a.issuanceId),
      moves.approve(b.issuanceId),
      moves.reject(`${a.issuance.requestId}.9`),
      moves.reject(c.issuanceId),
    ]);
    expect(outcomes).toEqual([
      { kind: 'moved' },
      { kind: 'conflict', actual: 'issued' },
      { kind: 'conflict', actual: undefined },
      { kind: 'moved' },
    ]);
    expect((await h.ledger.get(c.issuanceId))?.state).toBe('rejected');
  });

  it('takes an empty batch (batch-empty)', async () => {
    await using h = disposable(await open());
    expect(await h.ledger.advance([])).toEqual([]);
    await h.ledger.noteAttempts([]);
    expect(await h.ledger.getMany([])).toEqual([]);
  });

  it('moves a hundred issuances in one call (batch-size)', async () => {
    await using h = disposable(await open());
    const guided = await Promise.all(
      Array.from({ length: 100 }, () => guideTo('received', h, { issuance: { receivedAt: ledgerTime - dayMs } })),
    );
    const outcomes = await h.ledger.advance(guided.map(({ issuanceId }) => moves.approve(issuanceId)));
    expect(outcomes).toEqual(Array(100).fill({ kind: 'moved' }));
  });
}

/** Bytes as hex, so that a Buffer and a Uint8Array of the same bytes are the same. */
function plain(value: unknown): unknown {
  return JSON.parse(
    JSON.stringify(value, (_key, one) => (one instanceof Uint8Array ? Buffer.from(one).toString('hex') : one)) ??
      'null',
  );
}
