import type { EpochMs } from '../pki/epoch.ts';
import { arrivedBy, type Run } from './delays.ts';
import type { RotationGroup } from './rotation.ts';

/** Months that a bill is split into; what comes later is in the last one. */
const monthsMax = 12;

/**
 * What the certificates of the successor cost: prices are by the month, so that a rotation which takes several begins their
 * tiers anew. `devices`: those of each group that are expected to come; `scale`: certificates of fleets that are not in the groups.
 */
export function rotationCost(
  at: EpochMs,
  scale: number,
  groups: readonly RotationGroup[],
  runs: readonly Run[],
  devices: readonly number[],
): number {
  const ends = monthEnds(at);
  let usd = 0;
  groups.forEach(({ certificatesUsd }, group) => {
    const total = devices[group]!;
    let before = 0;
    for (const [index, end] of ends.entries()) {
      const by = index === ends.length - 1 ? total : Math.min(total, arrivedBy(runs, group, end - at));
      usd += certificatesUsd(Math.round(Math.max(0, by - before) * scale));
      before = Math.max(before, by);
    }
  });
  return Math.round(usd * 100) / 100;
}

function monthEnds(at: EpochMs): readonly EpochMs[] {
  const date = new Date(at);
  return Array.from({ length: monthsMax }, (_, index) =>
    Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + index + 1, 1),
  );
}
