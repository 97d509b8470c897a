import { describe, expect, it } from 'vitest';
import type { IssuanceRecord } from '../../shared/issuance/issuance-record.ts';
import {
  type IssuanceState,
  isEdge,
  isPending,
  issuanceStates,
  nextStates,
} from '../../shared/issuance/issuance-state.ts';
import { closedReason, type OrdinalContext, renewalWindowStart } from '../../shared/issuance/ordinals.ts';

const at = Date.UTC(2026, 10, 23);
const dayMs = 86_400_000;

const context: OrdinalContext = {
  at,
  policyVersion: 'p1',
  credentialId: 'c1',
  generation: 1,
  caFrozen: false,
  refusedNamesStillHeld: true,
};

function recordIn(state: IssuanceState, changes: Partial<IssuanceRecord> = {}): IssuanceRecord {
  const validity = state === 'issued' ? { notBefore: at - 10 * dayMs, notAfter: at + 80 * dayMs } : {};
  return { state, policyVersion: 'p1', credentialId: 'c1', generation: 1, ...validity, ...changes } as IssuanceRecord;
}

describe('why the same POST opens the next ordinal [data-model.md]', () => {
  const rows: readonly (readonly [string, IssuanceRecord, Partial<OrdinalContext>, string | undefined])[] = [
    ...issuanceStates
      .filter(isPending)
      .map((state) => [`${state}, nothing changed`, recordIn(state), {}, undefined] as const),
    ...issuanceStates
      .filter(isPending)
      .map(
        (state) =>
          [
            `${state}, policy and credential changed`,
            recordIn(state),
            { policyVersion: 'p2', credentialId: 'c2' },
            undefined,
          ] as const,
      ),
    ...issuanceStates
      .filter(isPending)
      .map((state) => [`${state}, CA frozen`, recordIn(state), { caFrozen: true }, undefined] as const),
    ...issuanceStates
      .filter(isPending)
      .map(
        (state) =>
          [
            `${state}, CA frozen and replaced`,
            recordIn(state),
            { caFrozen: true, generation: 2 },
            'ca-frozen',
          ] as const,
      ),
    ...issuanceStates
      .filter(isPending)
      .map((state) => [`${state}, CA replaced`, recordIn(state), { generation: 2 }, undefined] as const),
    ...(['failed', 'lapsed', 'misissued', 'revoked'] as const).map(
      (state) => [state, recordIn(state), {}, state] as const,
    ),
    ['rejected, nothing changed', recordIn('rejected'), {}, undefined],
    ['rejected, another policy', recordIn('rejected'), { policyVersion: 'p2' }, 'policy-changed'],
    ['rejected, another credential', recordIn('rejected'), { credentialId: 'c2' }, 'credential-changed'],
    ['rejected, its names free', recordIn('rejected'), { refusedNamesStillHeld: false }, 'name-released'],
    ['rejected, CA frozen and replaced', recordIn('rejected'), { caFrozen: true, generation: 2 }, undefined],
    ['issued, fresh', recordIn('issued'), {}, undefined],
    [
      'issued, policy and credential changed',
      recordIn('issued'),
      { policyVersion: 'p2', credentialId: 'c2' },
      undefined,
    ],
    ['issued, CA frozen', recordIn('issued'), { caFrozen: true }, undefined],
    ['issued, CA frozen and replaced', recordIn('issued'), { caFrozen: true, generation: 2 }, 'ca-frozen'],
    ['issued, CA replaced', recordIn('issued'), { generation: 2 }, undefined],
    ['issued, a moment before its last third', recordIn('issued'), { at: at + 50 * dayMs - 1 }, undefined],
    ['issued, in its last third', recordIn('issued'), { at: at + 50 * dayMs }, 'renewal-window'],
    ['issued, at notAfter', recordIn('issued'), { at: at + 80 * dayMs }, 'renewal-window'],
    ['issued, after notAfter', recordIn('issued'), { at: at + 80 * dayMs + 1 }, 'expired'],
  ];

  it.each(rows)('%s', (_, record, changes, reason) => {
    expect(closedReason(record, { ...context, ...changes })).toBe(reason);
  });

  it('an issued record without a validity is a broken invariant', () => {
    const { notAfter: _, ...record } = recordIn('issued');
    expect(() => closedReason(record, context)).toThrow('validity');
  });

  it('the renewal window is the last third', () => {
    expect(renewalWindowStart(0, 300)).toBe(200);
  });
});

describe('the states', () => {
  it('that are pending all lead to an outcome', () => {
    const settles = (state: IssuanceState, seen: readonly IssuanceState[] = []): boolean =>
      !isPending(state) || (!seen.includes(state) && nextStates[state].some((next) => settles(next, [...seen, state])));
    for (const state of issuanceStates) expect(settles(state), state).toBe(true);
  });

  it('that are settled lead nowhere, but that a certificate is revoked', () => {
    for (const state of issuanceStates.filter((one) => !isPending(one)))
      expect(nextStates[state]).toEqual(state === 'issued' ? ['revoked'] : []);
  });

  it('never lead from an intent back to where it could be made anew without proof of absence', () => {
    expect(isEdge('intended', 'approved')).toBe(false);
    expect(isEdge('submitted', 'approved')).toBe(false);
    expect(isEdge('submitted', 'intended')).toBe(false);
    expect(isEdge('intended', 'lapsed')).toBe(false);
    expect(isEdge('orphan-suspected', 'approved')).toBe(true);
  });
});
