/**
 * How long a rotation takes: until half, 95 % and all of the devices hold a certificate of the successor. Each device comes when
 * it comes, and is served as fast as its backend issues. The estimate is what a rotation would have taken, had it begun at the
 * same hour of past weeks (hindcast.ts): half of those took no longer than p50, nine in ten no longer than p90.
 */
import type { EpochMs } from '../pki/epoch.ts';
import type { ContactSample } from './contacts.ts';
import { binCount, binOf, type Run, reachedAtMs, servedOf } from './delays.ts';
import { type FleetHistory, fleetHistory, type Returns, silentIntervalsMax, startsMax } from './hindcast.ts';

export interface RotatedFleet {
  readonly name: string;
  /** Certificates of it that are valid. */
  readonly outstanding: number;
  readonly devices: readonly ContactSample[];
  /** True when `devices` is all of its devices. */
  readonly complete: boolean;
}

/** Fleets whose certificates one backend issues. */
export interface RotationGroup {
  readonly backend: string;
  readonly issuePerSecond: number;
  readonly fleets: readonly RotatedFleet[];
  /** Price of so many certificates in one month, USD. */
  readonly certificatesUsd: (count: number) => number;
}

export interface RotationInput {
  readonly at: EpochMs;
  readonly groups: readonly RotationGroup[];
  /** Valid certificates of fleets that are not among the groups'. */
  readonly outstandingElsewhere: number;
  readonly revokePerSecond: number | undefined;
  readonly pricesAsOf: string;
  /** What the caller took for granted to come to its figures. */
  readonly assumptions: readonly string[];
}

export interface Span {
  readonly p50: number;
  readonly p90: number;
}

export interface RotationEstimate {
  readonly successor: string | undefined;
  readonly limitedBy: 'device-check-in' | 'issue-rate' | 'unknown';
  readonly issuePerSecond: number;
  readonly revokePerSecond: number | undefined;
  /** Seconds until so many per cent of the devices are replaced; undefined: never without hands, or not known. */
  readonly replacedAfterSeconds: Readonly<Record<'50' | '95' | '100', Span | undefined>>;
  /** Seconds to revoke every outstanding certificate; contains nothing when the CA's key is stolen. */
  readonly revokedAfterSeconds: number | undefined;
  /** Devices with a valid certificate, about. */
  readonly devices: number;
  readonly unreachable: { readonly count: number; readonly basis: string };
  readonly cost: {
    readonly currency: 'USD';
    /** Were all of it billed in one month. */
    readonly issuance: number;
    /** What comes on top at most for each further month that it goes on in: prices by the month begin anew. */
    readonly perFurtherMonth: number;
    readonly pricesAsOf: string;
  };
  /** Starts in the past that the estimate rests on. */
  readonly hindcasts: number;
  readonly assumptions: readonly string[];
}

interface Weighed {
  readonly history: FleetHistory;
  /** Devices now. */
  readonly devices: number;
  readonly sampled: number;
}

/** 90 % of a normal distribution lie below its mean and so many standard deviations. */
const z90 = 1.2816;

/** Pure: the same input gives the same estimate. */
export function estimateRotation(input: RotationInput): RotationEstimate {
  const { at, groups } = input;
  const weighed = groups.map((group) => group.fleets.map((fleet) => weigh(fleet, at)));
  const all = weighed.flat();
  const devices = all.reduce((sum, fleet) => sum + fleet.devices, 0);
  const unreachable = all.reduce((sum, fleet) => sum + unreachableOf(fleet), 0);
  const runs = runsOf(weighed);
  const rates = groups.map(({ issuePerSecond }) => issuePerSecond);
  const outstanding = groups.flatMap(({ fleets }) => fleets).reduce((sum, fleet) => sum + fleet.outstanding, 0);
  const scale = outstanding === 0 ? 1 : (outstanding + input.outstandingElsewhere) / outstanding;
  const limited = runsServed(
    runs,
    rates.map((rate) => rate / scale),
    devices,
  );
  const margin = (share: number) => z90 * Math.sqrt(share * (1 - share) * varianceFactor(all, devices));
  const to95 = timesTo(limited, 0.95, margin(0.95));
  const unlimited = runsServed(
    runs,
    rates.map(() => Number.POSITIVE_INFINITY),
    devices,
  );
  return {
    successor: undefined,
    limitedBy: limitOf(to95, timesTo(unlimited, 0.95, 0)),
    issuePerSecond: rates.reduce((sum, rate) => sum + rate, 0),
    revokePerSecond: input.revokePerSecond,
    replacedAfterSeconds: {
      '50': seconds(timesTo(limited, 0.5, margin(0.5))),
      '95': seconds(to95),
      '100': unreachable >= 0.5 ? undefined : seconds(timesTo(limited, 1 - 0.5 / Math.max(1, devices), 0)),
    },
    revokedAfterSeconds:
      input.revokePerSecond === undefined
        ? undefined
        : Math.ceil((outstanding + input.outstandingElsewhere) / input.revokePerSecond),
    devices: Math.round(devices * scale),
    unreachable: {
      count: Math.round(unreachable * scale),
      basis: `no contact for ${silentIntervalsMax} of their intervals`,
    },
    cost: costOf(input, runs, scale),
    hindcasts: runs.filter(({ observed }) => observed).length,
    assumptions: [...input.assumptions, ...assumptionsOf(all, input.outstandingElsewhere, outstanding)],
  };
}

/** The bill of one month for those that come at all, by the runs that go back furthest. */
function costOf(input: RotationInput, runs: readonly Run[], scale: number): RotationEstimate['cost'] {
  const furthest = runs.slice(-Math.max(1, Math.ceil(runs.length / 2)));
  let issuance = 0;
  let perFurtherMonth = 0;
  input.groups.forEach(({ certificatesUsd }, group) => {
    const coming = furthest.map(({ arriving }) => arriving[group]!.reduce((sum, count) => sum + count, 0));
    const count = Math.round((coming.reduce((sum, one) => sum + one, 0) / furthest.length) * scale);
    issuance += certificatesUsd(count);
    perFurtherMonth += Math.max(0, 2 * certificatesUsd(Math.round(count / 2)) - certificatesUsd(count));
  });
  const cents = (usd: number) => Math.round(usd * 100) / 100;
  return {
    currency: 'USD',
    issuance: cents(issuance),
    perFurtherMonth: cents(perFurtherMonth),
    pricesAsOf: input.pricesAsOf,
  };
}

function weigh(fleet: RotatedFleet, at: EpochMs): Weighed {
  const history = fleetHistory(fleet, at);
  const sampled = history.now.reachable + history.now.unreachable;
  const devices =
    fleet.complete && sampled > 0 ? sampled : fleet.outstanding / Math.max(1, history.now.certificatesPerDevice);
  return { history, devices, sampled };
}

function unreachableOf({ history, devices, sampled }: Weighed): number {
  return sampled === 0 ? 0 : (devices * history.now.unreachable) / sampled;
}

function runsOf(groups: readonly (readonly Weighed[])[]): readonly Run[] {
  const count = groups.flat().reduce((most, { history }) => Math.max(most, history.hindcasts.length), 1);
  return Array.from({ length: Math.min(count, startsMax) }, (_, index) => runAt(groups, index));
}

function runAt(groups: readonly (readonly Weighed[])[], index: number): Run {
  let knownMs = Number.POSITIVE_INFINITY;
  let observed = false;
  const arriving = groups.map((fleets) => {
    const bins = new Float64Array(binCount);
    for (const fleet of fleets) {
      const { hindcasts, intervalMs95, now, expected } = fleet.history;
      // A fleet with fewer starts than others takes its own again: at the same hour of the day, where it has days.
      const hindcast = hindcasts[index % Math.max(1, hindcasts.length)];
      if (hindcast === undefined || hindcast.reachable.devices === 0) {
        addReturns(bins, expected, fleet.devices - unreachableOf(fleet));
        continue;
      }
      observed = true;
      const share = (part: number) => (fleet.devices * part) / Math.max(1, now.reachable + now.unreachable);
      addReturns(bins, hindcast.reachable, share(now.reachable));
      addReturns(bins, hindcast.unreachable, share(now.unreachable));
      // After some of its intervals a fleet has come, as far as it comes at all.
      if (hindcast.knownMs < 4 * (intervalMs95 ?? 0)) knownMs = Math.min(knownMs, hindcast.knownMs);
    }
    return bins;
  });
  return { arriving, knownMs, observed };
}

/** Each device of the sample stands for `weight` / their number. */
function addReturns(bins: Float64Array, { devices, delaysMs }: Returns, weight: number): void {
  if (devices === 0) return;
  const each = weight / devices;
  for (const delayMs of delaysMs) bins[Math.min(binOf(delayMs), binCount - 1)]! += each;
}

interface Times {
  readonly p50Ms: number | undefined;
  readonly p90Ms: number | undefined;
}

/** A run with what is served up to the end of each bin, as a share of all devices. */
interface ServedRun {
  readonly shares: Float64Array;
  readonly knownMs: number;
}

function runsServed(runs: readonly Run[], rates: readonly number[], devices: number): readonly ServedRun[] {
  return runs.map(({ arriving, knownMs }) => {
    const shares = sumOf(arriving.map((bins, group) => servedOf(bins, rates[group]!)));
    for (let bin = 0; bin < shares.length; bin++) shares[bin]! /= Math.max(1, devices);
    return { shares, knownMs };
  });
}

/**
 * Quantiles over the runs. `margin` is what the sample of devices leaves open, as a share of the devices: it is the same devices in
 * every run, so that the runs' spread does not show it. The two have nothing to do with one another, and add up as errors do.
 */
function timesTo(runs: readonly ServedRun[], share: number, margin: number): Times {
  const over = (wanted: number) =>
    valuesKnown(runs.map(({ shares, knownMs }) => ({ atMs: reachedAtMs(shares, wanted), knownMs })));
  const plateau = medianOf(runs.map(({ shares }) => shares.at(-1) ?? 0));
  const values = over(share);
  const p50Ms = quantileOf(values, 0.5);
  const bySpread = quantileOf(values, 0.9);
  const bySample = quantileOf(over(Math.max(share, Math.min(share + margin, (share + plateau) / 2))), 0.5);
  if (p50Ms === undefined || bySpread === undefined || bySample === undefined) return { p50Ms, p90Ms: undefined };
  return { p50Ms, p90Ms: p50Ms + Math.hypot(bySpread - p50Ms, bySample - p50Ms) };
}

function sumOf(parts: readonly Float64Array[]): Float64Array {
  const [first, ...others] = parts;
  const sum = Float64Array.from(first ?? []);
  for (const part of others) for (let bin = 0; bin < sum.length; bin++) sum[bin]! += part[bin]!;
  return sum;
}

/** Sum over fleets of (their share of the devices)² / devices sampled; 0 where all of a fleet's devices are known. */
function varianceFactor(fleets: readonly Weighed[], devices: number): number {
  return fleets.reduce((sum, fleet) => {
    if (fleet.sampled === 0 || fleet.sampled >= fleet.devices) return sum;
    return sum + (fleet.devices / devices) ** 2 / fleet.sampled;
  }, 0);
}

/** A run that had not got so far when it ends in the present says only that it takes longer: it counts where that is news. */
function valuesKnown(
  found: readonly { readonly atMs: number | undefined; readonly knownMs: number }[],
): readonly number[] {
  const known = found.flatMap(({ atMs, knownMs }) => (atMs !== undefined && atMs <= knownMs ? [atMs] : []));
  const longest = known.reduce((most, one) => Math.max(most, one), 0);
  const longer = found.filter(({ atMs, knownMs }) => (atMs === undefined || atMs > knownMs) && knownMs > longest);
  return [...known, ...longer.map(() => Number.POSITIVE_INFINITY)];
}

/** The k-th smallest of n with k = rank (n + 1), between its neighbours: as many of further draws are expected below. */
function quantileOf(values: readonly number[], rank: number): number | undefined {
  if (values.length === 0) return undefined;
  const sorted = values.toSorted((a, b) => a - b);
  const place = Math.min(Math.max(rank * (sorted.length + 1) - 1, 0), sorted.length - 1);
  const [below, above] = [sorted[Math.floor(place)]!, sorted[Math.ceil(place)]!];
  const value = below === above ? below : below + (above - below) * (place - Math.floor(place));
  return Number.isFinite(value) ? value : undefined;
}

function medianOf(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;
}

function seconds({ p50Ms, p90Ms }: Times): Span | undefined {
  if (p50Ms === undefined || p90Ms === undefined) return undefined;
  return { p50: Math.round(p50Ms / 1000), p90: Math.round(Math.max(p50Ms, p90Ms) / 1000) };
}

function limitOf(limited: Times, unlimited: Times): RotationEstimate['limitedBy'] {
  if (limited.p50Ms === undefined || unlimited.p50Ms === undefined) return 'unknown';
  return limited.p50Ms > unlimited.p50Ms * 1.1 ? 'issue-rate' : 'device-check-in';
}

function assumptionsOf(fleets: readonly Weighed[], elsewhere: number, outstanding: number): readonly string[] {
  const devices = fleets.reduce((sum, fleet) => sum + fleet.devices, 0);
  const unseen = fleets.reduce((sum, fleet) => (fleet.history.hindcasts.length === 0 ? sum + fleet.devices : sum), 0);
  const percent = (part: number, whole: number) => `${((100 * part) / Math.max(1, whole)).toFixed(1)} %`;
  return [
    'devices come back as they came in the past weeks, and ask for the successor when they come',
    'all of it is billed in one month, which has no other certificates in it',
    ...(unseen > 0
      ? [
          `${percent(unseen, devices)} of the devices were not seen to come back yet: taken to renew after two thirds of a lifetime`,
        ]
      : []),
    ...(elsewhere > 0
      ? [
          `${percent(elsewhere, elsewhere + outstanding)} of the certificates are of smaller fleets: taken to be like the larger ones`,
        ]
      : []),
  ];
}
