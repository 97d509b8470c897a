import { describe, expect, it } from 'vitest';
import { isRedeemed } from '../../shared/lints/prepared-issuance.ts';
import { disposable } from '../support/disposable.ts';
import { type DynamoHarnessOptions, openDynamoHarness } from '../support/dynamodb-harness.ts';
import { type CommandCount, countCommands } from '../support/dynamodb-middleware.ts';
import {
  type Guided,
  guideTo,
  ledgerTime,
  moves,
  newCertificate,
  newCredential,
  newIssuance,
} from '../support/ledger-fixtures.ts';
import { makePrepared } from '../support/make-prepared.ts';

async function openCounted() {
  const counts: CommandCount[] = [];
  const onLedgerClient: NonNullable<DynamoHarnessOptions['onLedgerClient']> = (client) => {
    counts.push(countCommands(client));
  };
  const harness = disposable(await openDynamoHarness({ onLedgerClient }));
  return {
    harness,
    /** Commands since it was last asked. */
    taken() {
      const commands = Object.fromEntries(counts[0]!.commands);
      counts[0]!.commands.clear();
      return commands;
    },
  };
}

describe('a batch of a hundred', () => {
  it('takes few requests: one read, four transactions, eight writes of entries, seven for contacts (round-trips)', async () => {
    const { harness, taken } = await openCounted();
    await using h = harness;
    const guided = await Promise.all(Array.from({ length: 100 }, () => guideTo('received', h)));
    const ids = guided.map(({ issuanceId }) => issuanceId);
    taken();
    await h.ledger.advance(ids.map((id) => moves.approve(id)));
    expect(taken()).toEqual({ BatchGetItemCommand: 1, TransactWriteItemsCommand: 4 });
    const serials = guided.map(({ certificate }) => certificate.serial);
    await h.ledger.advance(
      ids.map((id, index) => moves.intend(makePrepared(id, 'devices', { serial: serials[index]! }))),
    );
    expect(taken()).toEqual({ BatchGetItemCommand: 1, TransactWriteItemsCommand: 4 });
    await h.ledger.advance(guided.map(({ issuanceId, certificate }) => moves.issue(issuanceId, certificate)));
    // Contacts: the fleet, its devices, four writes of them, and the number of those that are new.
    expect(taken()).toEqual({
      BatchGetItemCommand: 2,
      BatchWriteItemCommand: 12,
      GetItemCommand: 1,
      TransactWriteItemsCommand: 4,
      UpdateItemCommand: 1,
    });
    await h.ledger.getMany(ids);
    expect(taken()).toEqual({ BatchGetItemCommand: 4 });
    await Promise.all(guided.map(({ issuance }) => h.ledger.holders(issuance.names, issuance.spkiSha256)));
    expect(taken()).toEqual({ BatchGetItemCommand: 2 });
  });

  it('and four more of one fleet at once are all issued, and counted once each (contention)', async () => {
    await using h = disposable(await openDynamoHarness());
    const batches: (readonly Guided[])[] = [];
    for (let n = 0; n < 5; n++) {
      batches.push(await Promise.all(Array.from({ length: 40 }, () => guideTo('intended', h))));
    }
    const outcomes = await Promise.all(
      batches.map((batch) =>
        h.ledger.advance(batch.map(({ issuanceId, certificate }) => moves.issue(issuanceId, certificate))),
      ),
    );
    expect(outcomes.flat().every(({ kind }) => kind === 'moved')).toBe(true);
    const totals = (await h.ledger.counters('devices')).filter(({ dimension }) => dimension === 'total');
    expect(totals.map(({ issued }) => issued)).toEqual([200]);
  });

  it('of one name is approved for one key, the others held, in bounded rounds (one-name)', async () => {
    await using h = disposable(await openDynamoHarness());
    const names = ['dns:wanted-by-all.example'];
    const guided = await Promise.all(Array.from({ length: 20 }, () => guideTo('received', h, { issuance: { names } })));
    const outcomes = await h.ledger.advance(guided.map(({ issuanceId }) => moves.approve(issuanceId)));
    expect(outcomes.filter(({ kind }) => kind === 'moved')).toHaveLength(1);
    expect(outcomes.filter(({ kind }) => kind === 'held')).toHaveLength(19);
  });
});

it('lets no intent pass once the freeze is answered, whatever is under way (fence)', async () => {
  await using h = disposable(await openDynamoHarness());
  const guided = await Promise.all(Array.from({ length: 60 }, () => guideTo('approved', h)));
  const prepared = guided.map(({ issuanceId }) => makePrepared(issuanceId, 'devices'));
  let frozenAfter = Number.POSITIVE_INFINITY;
  const freeze = h.authorities.setFrozen('devices', true, ledgerTime, 'operator-1').then(() => {
    frozenAfter = performance.now();
  });
  const begun: number[] = [];
  const outcomes = [];
  for (const one of prepared) {
    begun.push(performance.now());
    outcomes.push(...(await h.ledger.advance([moves.intend(one)])));
  }
  await freeze;
  for (const [index, { kind }] of outcomes.entries()) {
    if (begun[index]! > frozenAfter) expect(kind).toBe('frozen');
    expect(isRedeemed(prepared[index]!)).toBe(kind === 'moved');
  }
  expect(outcomes.at(-1)?.kind).toBe('frozen');
});

it('keeps the largest issuance there may be, in items that DynamoDB takes (largest)', async () => {
  await using h = disposable(await openDynamoHarness());
  const credential = newCredential();
  await h.credentials.create(credential);
  const names = Array.from({ length: 100 }, (_, n) => `uri:${String(n).padEnd(600, '#')}`);
  const csrDer = new Uint8Array(32 * 1024).fill(7);
  const dns = Array.from({ length: 500 }, (_, n) => `${String(n).padStart(200, 'x')}.example`);
  const scope = { profiles: ['device'], names: { dns, spiffe: [], ip: [] } };
  const received = await h.ledger.receive(newIssuance(credential, { names, csrDer, scope }));
  if (received.kind !== 'received') throw new Error(received.kind);
  const { issuanceId } = received.record;
  const certificate = newCertificate({ der: new Uint8Array(100_000).fill(9) });
  const [approved] = await h.ledger.advance([moves.approve(issuanceId)]);
  const [intended] = await h.ledger.advance([
    moves.intend(makePrepared(issuanceId, 'devices', { serial: certificate.serial })),
  ]);
  const [issued] = await h.ledger.advance([moves.issue(issuanceId, certificate)]);
  expect([approved, intended, issued].map((one) => one?.kind)).toEqual(['moved', 'moved', 'moved']);
  const record = await h.ledger.get(issuanceId);
  expect(record).toMatchObject({ names, scope, state: 'issued' });
  expect(Buffer.compare(record!.csrDer, csrDer)).toBe(0);
  expect(Buffer.compare(record!.certificateDer!, certificate.der)).toBe(0);
  const violations = Array.from({ length: 300 }, (_, n) => ({
    code: 'name-out-of-scope' as const,
    field: 'subjectAltName',
    message: `${n} ${'m'.repeat(1_000)}`,
    reference: 'r',
  }));
  const other = await guideTo('received', h);
  expect(await h.ledger.advance([moves.reject(other.issuanceId, { violations })])).toEqual([{ kind: 'moved' }]);
  const kept = (await h.ledger.get(other.issuanceId))!.violations!;
  expect(kept).toEqual(violations.slice(0, kept.length));
  expect(kept.length).toBeGreaterThan(200);
});
