import { estimateRotation } from '../../shared/inventory/rotation.ts';
import { simulateRotation } from './fleet-simulator.ts';

type Percent = '50' | '95';

export interface TrialFigures {
  /** Rotations that took less than p50, and than p90. */
  readonly belowP50: number;
  readonly belowP90: number;
  /** p90 / p50 of each rotation, ascending. */
  readonly ratios: readonly number[];
}

export interface Trial {
  readonly of: Readonly<Record<Percent, TrialFigures>>;
  /** Largest error of a bill, and of the number of devices, as a share of the truth. */
  readonly costErrorMax: number;
  readonly devicesErrorMax: number;
  /** Devices that died and were silent for long, and were not told to be unreachable, as a share of them. */
  readonly unreachableMissedMax: number;
}

/** Estimates one rotation for each seed, then lets it happen. */
export function tryRotations(seeds: readonly number[], devicesCount: number): Trial {
  const found = { '50': figures(), '95': figures() };
  let costErrorMax = 0;
  let devicesErrorMax = 0;
  let unreachableMissedMax = 0;
  for (const seed of seeds) {
    const { input, truth } = simulateRotation(seed, devicesCount);
    const estimate = estimateRotation(input);
    for (const percent of ['50', '95'] as const) {
      const span = estimate.replacedAfterSeconds[percent];
      const seconds = truth.seconds[percent];
      if (span === undefined || seconds === undefined) continue;
      if (seconds < span.p50) found[percent].belowP50 += 1;
      if (seconds < span.p90) found[percent].belowP90 += 1;
      found[percent].ratios.push(span.p90 / span.p50);
    }
    costErrorMax = Math.max(costErrorMax, Math.abs(estimate.cost.issuance / truth.cost - 1));
    devicesErrorMax = Math.max(devicesErrorMax, Math.abs(estimate.devices / truth.devices - 1));
    const missed = 1 - estimate.unreachable.count / Math.max(1, truth.deadAndSilent);
    unreachableMissedMax = Math.max(unreachableMissedMax, missed);
  }
  for (const { ratios } of Object.values(found)) ratios.sort((a, b) => a - b);
  return { of: found, costErrorMax, devicesErrorMax, unreachableMissedMax };
}

function figures() {
  return { belowP50: 0, belowP90: 0, ratios: [] as number[] };
}
