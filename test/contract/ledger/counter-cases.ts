import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { IssuanceRecord } from '../../../shared/issuance/issuance-record.ts';
import { type IssuanceState, isEdge } from '../../../shared/issuance/issuance-state.ts';
import type { CounterRow, Transition } from '../../../shared/issuance/ports.ts';
import { disposable } from '../../support/disposable.ts';
import { dayMs, type Guided, guideTo, ledgerTime, moves } from '../../support/ledger-fixtures.ts';
import { makePrepared } from '../../support/make-prepared.ts';
import type { LedgerCases, LedgerHarness } from '../ledger-suite.ts';

const hourMs = 3_600_000;

/** The counters of the blast radius. The value of the dimension `total` is the empty string. */
export function counterCases(cases: LedgerCases): void {
  exampleCases(cases);
  revocationCases(cases);
  propertyCase(cases);
}

function exampleCases({ open, eventually }: LedgerCases): void {
  it('counts an issued certificate once in each dimension, in its bucket of notAfter (counters-issued)', async () => {
    await using h = disposable(await open());
    const issuance = { owner: 'plant-9', fleet: 'presses', profile: 'service', keyType: 'RSA-2048', caId: 'workloads' };
    const notAfter = Date.parse('2027-02-21T12:34:56Z');
    const { issuance: made } = await guideTo('issued', h, { issuance, certificate: { notAfter } });
    const row = { bucketStart: Date.parse('2027-02-21T00:00:00Z'), bucketMs: dayMs, issued: 1, revoked: 0 };
    await eventually(async () =>
      expect(byText(await h.ledger.counters('workloads'))).toEqual(
        byText([
          { dimension: 'total', value: '', ...row },
          { dimension: 'owner', value: 'plant-9', ...row },
          { dimension: 'fleet', value: 'presses', ...row },
          { dimension: 'profile', value: 'service', ...row },
          { dimension: 'keyType', value: 'RSA-2048', ...row },
          { dimension: 'credential', value: made.credentialId, ...row },
        ]),
      ),
    );
    expect(await h.ledger.counters('devices')).toEqual([]);
  });

  it('has hourly buckets for lifetimes up to seven days, daily ones beyond, aligned to UTC (bucket-size)', async () => {
    await using h = disposable(await open());
    const notAfter = Date.parse('2026-12-01T10:59:59Z');
    for (const lifetimeMs of [hourMs, 7 * dayMs, 7 * dayMs + 1_000]) {
      await guideTo('issued', h, { certificate: { notBefore: notAfter - lifetimeMs, notAfter } });
    }
    await eventually(async () => {
      const totals = (await h.ledger.counters('devices')).filter(({ dimension }) => dimension === 'total');
      expect(byText(totals)).toEqual(
        byText([
          {
            dimension: 'total',
            value: '',
            bucketStart: Date.parse('2026-12-01T10:00:00Z'),
            bucketMs: hourMs,
            issued: 2,
            revoked: 0,
          },
          {
            dimension: 'total',
            value: '',
            bucketStart: Date.parse('2026-12-01T00:00:00Z'),
            bucketMs: dayMs,
            issued: 1,
            revoked: 0,
          },
        ]),
      );
    });
  });
}

function revocationCases({ open, eventually }: LedgerCases): void {
  it('counts a revocation in the bucket of the certificate (counters-revoked)', async () => {
    await using h = disposable(await open());
    const { issuanceId } = await guideTo('issued', h);
    await guideTo('issued', h);
    await h.ledger.advance([moves.revoke(issuanceId)]);
    expect(await h.ledger.advance([moves.revoke(issuanceId)])).toEqual([{ kind: 'conflict', actual: 'revoked' }]);
    await eventually(async () => {
      const rows = await h.ledger.counters('devices');
      expect(rows).toHaveLength(7);
      const figures = rows.filter(({ dimension }) => dimension !== 'credential');
      expect(figures.map(({ issued, revoked }) => [issued, revoked])).toEqual(Array(5).fill([2, 1]));
    });
  });

  it('counts nothing that is not issued (misissued-not-counted)', async () => {
    await using h = disposable(await open());
    for (const state of ['intended', 'submitted', 'orphan-suspected', 'failed', 'misissued'] as const)
      await guideTo(state, h);
    expect(await h.ledger.counters('devices')).toEqual([]);
  });
}

function propertyCase({ open, eventually }: LedgerCases): void {
  it('equals a full recount after any sequence of moves, made, refused and concurrent (counters-equal-recount)', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(wave, { minLength: 1, maxLength: 6 }), async (waves) => {
        await using h = disposable(await open());
        const guided: Guided[] = [];
        for (const steps of waves) {
          const started = await Promise.all(steps.map((step) => startOf(h, step)));
          guided.push(...started);
          await Promise.all(steps.map((step) => advanceSome(h, guided, step)));
        }
        const records = await h.ledger.getMany(guided.map(({ issuanceId }) => issuanceId));
        for (const caId of caIds) {
          await eventually(async () =>
            expect(byText(await h.ledger.counters(caId))).toEqual(byText(recount(caId, records))),
          );
        }
      }),
      { numRuns: 12, seed: 20_261_123 },
    );
  });
}

const caIds = ['devices', 'workloads'];
const lifetimesMs = [hourMs, dayMs, 7 * dayMs, 7 * dayMs + 1_000, 90 * dayMs];

const step = fc.record({
  caId: fc.constantFrom(...caIds),
  owner: fc.constantFrom('plant-7', 'plant-8'),
  fleet: fc.constantFrom('sensors', 'presses', ''),
  profile: fc.constantFrom('device', 'service'),
  keyType: fc.constantFrom('P-256', 'Ed25519'),
  lifetimeMs: fc.constantFrom(...lifetimesMs),
  start: fc.constantFrom<IssuanceState>('received', 'intended', 'issued', 'issued'),
  /** Moves tried on issuances already there: which one, and to what. */
  tries: fc.array(
    fc.record({
      which: fc.nat(),
      to: fc.constantFrom<IssuanceState>('approved', 'intended', 'issued', 'revoked', 'misissued', 'failed'),
    }),
    { maxLength: 4 },
  ),
});
const wave = fc.array(step, { minLength: 1, maxLength: 5 });
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

function startOf(h: LedgerHarness, { caId, owner, fleet, profile, keyType, lifetimeMs, start }: Step): Promise<Guided> {
  const issuance = { caId, owner, fleet, profile, keyType };
  return guideTo(start, h, { issuance, certificate: { notAfter: ledgerTime + lifetimeMs } });
}

/** Tries moves from where the issuances are, two callers at once, one of them with a serial that is taken. */
async function advanceSome(h: LedgerHarness, guided: readonly Guided[], { tries }: Step): Promise<void> {
  for (const { which, to } of tries) {
    const { issuanceId, certificate, issuance } = guided[which % guided.length]!;
    const from = (await h.ledger.get(issuanceId))!.state;
    if (!isEdge(from, to)) continue;
    const prepared = () => makePrepared(issuanceId, issuance.caId, { serial: certificate.serial });
    const move = (): Transition => {
      if (to === 'approved') return { ...moves.approve(issuanceId, { caId: issuance.caId }), from } as Transition;
      if (to === 'intended') return moves.intend(prepared());
      if (to === 'issued') return { ...moves.issue(issuanceId, certificate), from } as Transition;
      if (to === 'misissued') return { ...moves.misissue(issuanceId), from } as Transition;
      if (to === 'failed') return { ...moves.fail(issuanceId), from } as Transition;
      return moves.revoke(issuanceId);
    };
    await Promise.all([h.ledger.advance([move()]), h.ledger.advance([move(), move()])]);
  }
}

/** What the counters should be, from the records alone. */
function recount(caId: string, records: readonly (IssuanceRecord | undefined)[]): readonly CounterRow[] {
  const rows = new Map<string, CounterRow>();
  for (const record of records) {
    if (record === undefined || record.caId !== caId) continue;
    if (record.state !== 'issued' && record.state !== 'revoked') continue;
    const bucketMs = record.notAfter! - record.notBefore! <= 7 * dayMs ? hourMs : dayMs;
    const bucketStart = record.notAfter! - (record.notAfter! % bucketMs);
    const values = {
      total: '',
      owner: record.owner,
      fleet: record.fleet,
      profile: record.profile,
      keyType: record.keyType,
      credential: record.credentialId,
    };
    for (const [dimension, value] of Object.entries(values)) {
      const key = JSON.stringify([dimension, value, bucketMs, bucketStart]);
      const row = rows.get(key) ?? {
        dimension: dimension as CounterRow['dimension'],
        value,
        bucketStart,
        bucketMs,
        issued: 0,
        revoked: 0,
      };
      rows.set(key, { ...row, issued: row.issued + 1, revoked: row.revoked + (record.state === 'revoked' ? 1 : 0) });
    }
  }
  return [...rows.values()];
}

/** Counter rows in one order, whatever order they came in. */
function byText(rows: readonly CounterRow[]): readonly string[] {
  return rows
    .map(({ dimension, value, bucketStart, bucketMs, issued, revoked }) =>
      JSON.stringify([dimension, value, bucketMs, bucketStart, issued, revoked]),
    )
    .sort();
}
