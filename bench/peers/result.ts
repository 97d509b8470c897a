import type { LoadSummary } from '../client/messages.ts';
import { rounded, type Spread, spreadOf } from '../spread.ts';
import { type ComparisonName, comparisons, type Durability, type SideName } from './side.ts';

/** What `npm run bench:peers -- --json` prints; `result.schema.json` is its schema. */
export interface PeersResult {
  /** Our rate over the peer's in the same round; only of what was measured. */
  readonly ratios: Readonly<Partial<Record<ComparisonName, Spread>>>;
  /** CPU of all processes of the server, median of the rounds; without those of which the kernel said nothing. */
  readonly cpuMsPerCertificate: Readonly<Partial<Record<SideName, number>>>;
  /** Median of the rounds. */
  readonly certificatesPerSecond: Readonly<Partial<Record<SideName, number>>>;
}

/** A timed part of one side. */
export interface SideRun {
  readonly side: SideName;
  /** From 1. */
  readonly round: number;
  readonly load: LoadSummary;
  readonly verified: number;
  readonly faults: Readonly<Record<string, number>>;
  /** In the state of the stopped server, without those of the warm-up. */
  readonly recorded: number;
  readonly durability: Durability;
}

export const rateOf = ({ load }: SideRun): number => load.certificates / load.seconds;

/** Undefined where the kernel does not say. */
export function cpuMsOf({ load }: SideRun): number | undefined {
  if (load.usage.length === 0) return undefined;
  return load.usage.reduce((sum, { cpuMs }) => sum + cpuMs, 0) / Math.max(1, load.certificates);
}

/** What neither the server nor the client did, as a share of the machine; undefined where the kernel does not say. */
export function otherWorkOf({ load }: SideRun): number | undefined {
  if (load.machine === undefined || load.usage.length === 0) return undefined;
  const ours = load.usage.reduce((sum, { cpuMs }) => sum + cpuMs, load.clientCpuMs);
  return Math.max(0, load.machine.busyMs - ours) / load.machine.availableMs;
}

/** Beyond this share of the machine, other work has a say in the rates. */
const otherWorkMax = 0.1;

/** What to know before the rates are believed; undefined when the machine was as good as quiet, or nobody can say. */
export function disturbance(runs: readonly SideRun[]): string | undefined {
  const shares = runs.flatMap((run) => otherWorkOf(run) ?? []);
  const most = Math.max(0, ...shares);
  if (most <= otherWorkMax) return undefined;
  const disturbed = shares.filter((share) => share > otherWorkMax).length;
  const percent = Math.round(most * 100);
  return `other work had up to ${percent} % of the machine, in ${disturbed} of ${runs.length} runs: rates and ratios mean little`;
}

/** Why a run is not to be compared: empty when every answer was a certificate, verified and recorded on the disk. */
export function unsoundness({ durability, load, recorded, verified }: SideRun): readonly string[] {
  const { answered, certificates } = load;
  const faults: string[] = [];
  if (certificates === 0) faults.push('no certificate');
  if (answered !== certificates) faults.push(`${answered - certificates} answers without a certificate`);
  if (verified !== certificates) faults.push(`${verified} of ${certificates} verified`);
  if (recorded !== certificates) faults.push(`${recorded} recorded of ${certificates}`);
  if (!durability.isSynced) faults.push(`not seen to be durable: ${durability.settings}`);
  return faults;
}

/** `value` of our side over that of the peer, of each round that has both. */
export function pairedRatios(
  runs: readonly SideRun[],
  name: ComparisonName,
  value: (run: SideRun) => number | undefined,
): readonly number[] {
  const { ours, peer } = comparisons[name];
  return runs
    .filter(({ side }) => side === ours)
    .flatMap((run) => {
      const other = runs.find(({ round, side }) => side === peer && round === run.round);
      const one = value(run);
      const two = other === undefined ? undefined : value(other);
      return one === undefined || two === undefined || two === 0 ? [] : [one / two];
    });
}

export function peersResult(runs: readonly SideRun[]): PeersResult {
  const names = Object.keys(comparisons) as ComparisonName[];
  return {
    ratios: Object.fromEntries(
      names.flatMap((name) => {
        const spread = spreadOf(pairedRatios(runs, name, rateOf));
        return spread === undefined ? [] : [[name, roundedSpread(spread)]];
      }),
    ),
    cpuMsPerCertificate: mediansBySide(runs, cpuMsOf, 4),
    certificatesPerSecond: mediansBySide(runs, rateOf, 1),
  };
}

function roundedSpread({ max, median, min }: Spread): Spread {
  return { min: rounded(min, 3), median: rounded(median, 3), max: rounded(max, 3) };
}

function mediansBySide(
  runs: readonly SideRun[],
  value: (run: SideRun) => number | undefined,
  digits: number,
): Readonly<Partial<Record<SideName, number>>> {
  const sides = [...new Set(runs.map(({ side }) => side))];
  return Object.fromEntries(
    sides.flatMap((side) => {
      const spread = spreadOf(runs.flatMap((run) => (run.side === side ? (value(run) ?? []) : [])));
      return spread === undefined ? [] : [[side, rounded(spread.median, digits)]];
    }),
  );
}
