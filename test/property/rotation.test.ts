import { describe, expect, it } from 'vitest';
import { type ContactSample, contactsMax } from '../../shared/inventory/contacts.ts';
import { estimateRotation, type RotationInput } from '../../shared/inventory/rotation.ts';
import { simulateRotation } from '../support/fleet-simulator.ts';
import { tryRotations } from '../support/rotation-trial.ts';

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
const at = Date.parse('2026-11-23T12:00:00Z');

/** `count` devices that come every `intervalMs`, evenly spread over it, for `times` contacts up to now. */
function regular(count: number, intervalMs: number, times: number, lifetimeMs = 4 * intervalMs): ContactSample[] {
  return Array.from({ length: count }, (_, index) => {
    const last = at - (intervalMs * (index + 0.5)) / count;
    const contacts = Array.from({ length: Math.min(times, contactsMax) }, (_, n) => last - n * intervalMs).reverse();
    return { contacts, notAfter: last + lifetimeMs };
  });
}

function inputOf(
  devices: readonly ContactSample[],
  changes: Partial<RotationInput['groups'][number]> = {},
): RotationInput {
  const fleet = { name: 'sensors', outstanding: devices.length, devices, complete: true };
  return {
    at,
    groups: [
      { backend: 'devices', issuePerSecond: 25, fleets: [fleet], certificatesUsd: (count) => count, ...changes },
    ],
    outstandingElsewhere: 0,
    revokePerSecond: 20,
    pricesAsOf: '2026-11-01',
    assumptions: [],
  };
}

describe('the estimate of a rotation', () => {
  it('is right about devices that come like clockwork', () => {
    const { replacedAfterSeconds, limitedBy, unreachable, devices } = estimateRotation(
      inputOf(regular(1_000, dayMs, 120)),
    );
    expect(devices).toBe(1_000);
    expect(unreachable.count).toBe(0);
    expect(limitedBy).toBe('device-check-in');
    expect(replacedAfterSeconds['50']!.p50 / 43_200).toBeCloseTo(1, 1);
    expect(replacedAfterSeconds['95']!.p50 / 82_080).toBeCloseTo(1, 1);
    expect(replacedAfterSeconds['100']!.p50 / 86_400).toBeCloseTo(1, 1);
  });

  it('is limited by what the backend issues where devices come faster', () => {
    const { replacedAfterSeconds, limitedBy } = estimateRotation(
      inputOf(regular(1_000, hourMs, 120), { issuePerSecond: 0.05 }),
    );
    expect(limitedBy).toBe('issue-rate');
    expect(replacedAfterSeconds['95']!.p50 / (950 / 0.05)).toBeCloseTo(1, 1);
  });

  it('counts as unreachable who was silent for three of its intervals, and then never says 100 %', () => {
    const devices = regular(1_000, dayMs, 120, 30 * dayMs).map((device, index) =>
      index % 50 === 0
        ? { contacts: device.contacts.map((one) => one - 10 * dayMs), notAfter: device.notAfter - 10 * dayMs }
        : device,
    );
    const { replacedAfterSeconds, unreachable } = estimateRotation(inputOf(devices));
    expect(unreachable).toEqual({ count: 20, basis: 'no contact for 3 of their intervals' });
    expect(replacedAfterSeconds['100']).toBeUndefined();
    expect(replacedAfterSeconds['95']).toBeDefined();
  });

  it('says never where too many are gone', () => {
    const gone = regular(100, dayMs, 60, 60 * dayMs).map((device) => ({
      contacts: device.contacts.map((one) => one - 40 * dayMs),
      notAfter: device.notAfter - 40 * dayMs,
    }));
    const { replacedAfterSeconds, unreachable } = estimateRotation(
      inputOf([...regular(900, dayMs, 120, 60 * dayMs), ...gone]),
    );
    expect(unreachable.count).toBe(100);
    expect(replacedAfterSeconds['95']).toBeUndefined();
    expect(replacedAfterSeconds['50']).toBeDefined();
  });

  it('takes devices that were never seen to come back to renew after two thirds of a lifetime, and says so', () => {
    const fresh = Array.from({ length: 100 }, () => ({ contacts: [at - dayMs], notAfter: at + 89 * dayMs }));
    const { replacedAfterSeconds, hindcasts, assumptions } = estimateRotation(inputOf(fresh));
    expect(hindcasts).toBe(0);
    expect(replacedAfterSeconds['50']!.p50 / (59 * 86_400)).toBeCloseTo(1, 1);
    expect(assumptions.join()).toContain('100.0 % of the devices were not seen to come back');
  });

  it('has no figures where it knows nothing', () => {
    const { replacedAfterSeconds, limitedBy } = estimateRotation(inputOf([]));
    expect(replacedAfterSeconds).toEqual({ '50': undefined, '95': undefined, '100': undefined });
    expect(limitedBy).toBe('unknown');
  });

  it('is the same for the same input (deterministic)', () => {
    const { input } = simulateRotation(7, 5_000);
    expect(estimateRotation(input)).toEqual(estimateRotation(input));
  });

  it('holds against fleets it does not see inside, by day, by week, from sleep (of 24 rotations of 10,000 devices)', () => {
    const trial = tryRotations(
      Array.from({ length: 24 }, (_, index) => 5_001 + index),
      10_000,
    );
    // npm run test:slow has 50 rotations of 100,000 devices, and the bounds that those have to keep.
    for (const { belowP50, belowP90 } of Object.values(trial.of)) {
      expect(belowP50).toBeGreaterThanOrEqual(6);
      expect(belowP50).toBeLessThanOrEqual(18);
      expect(belowP90).toBeGreaterThanOrEqual(18);
    }
    expect(trial.costErrorMax).toBeLessThanOrEqual(0.02);
    expect(trial.unreachableMissedMax).toBeLessThanOrEqual(0.1);
  });
});
