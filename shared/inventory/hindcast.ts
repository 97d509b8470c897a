/**
 * How one fleet would have come back, had a rotation begun in the past. For each start in the past, at the same hour of the
 * week as now, the contacts that the ledger keeps say which devices were out there and how long each took to come. Nothing is
 * assumed of why: nights, weekends, sleep and outages are in the contacts.
 */

import type { EpochMs } from '../pki/epoch.ts';
import { type ContactSample, contactsMax } from './contacts.ts';

const dayMs = 86_400_000;
const weekMs = 7 * dayMs;
/** Starts in the past at most. */
export const startsMax = 26;
/** Fewer say too little: then another way of choosing them is tried. */
const startsMin = 5;
/** A device is unreachable when it has made no contact for so many of its intervals. */
export const silentIntervalsMax = 3;
/** Intervals that a device's own is the mean of. */
const intervalsOfDevice = 8;
/**
 * Intervals after the enrolment of a fleet that say nothing of its later ways: devices that were enrolled at once have not spread, and
 * none of those that fell silent can be told from the others.
 */
const settlingIntervals = silentIntervalsMax + 1;
/** A certificate is renewed when a third of its lifetime is left; what is expected of a device that never was seen to come back. */
const renewedAtShare = 2 / 3;

export interface FleetSample {
  readonly devices: readonly ContactSample[];
}

/** A fleet as it was at one start: the devices then out there, and when they came. */
export interface Hindcast {
  /** Devices that counted as reachable then, and those that did not. */
  readonly reachable: Returns;
  readonly unreachable: Returns;
  /** Up to this delay everything that came is known. */
  readonly knownMs: number;
}

export interface Returns {
  readonly devices: number;
  /** Delays of those that came, milliseconds, in no order. */
  readonly delaysMs: readonly number[];
}

/** A fleet now. */
export interface FleetNow {
  /** Devices of the sample with a certificate that is valid. */
  readonly reachable: number;
  readonly unreachable: number;
  /** Valid certificates for each of them: one that was renewed before it expired is still valid. */
  readonly certificatesPerDevice: number;
}

export interface FleetHistory {
  readonly now: FleetNow;
  /** At each start, the most recent first. Empty when too little was seen. */
  readonly hindcasts: readonly Hindcast[];
  /** When each device with a valid certificate is to renew it, as a delay: what is left to say where there are no hindcasts. */
  readonly expected: Returns;
  /** Interval that 95 % of those observed are no longer than; undefined when none was observed. */
  readonly intervalMs95: number | undefined;
}

interface Device {
  readonly contacts: readonly EpochMs[];
  readonly lifetimeMs: number;
}

export function fleetHistory(sample: FleetSample, at: EpochMs): FleetHistory {
  const devices = sample.devices
    .filter(({ contacts }) => contacts.length > 0)
    .map(({ contacts, notAfter }): Device => ({ contacts, lifetimeMs: Math.max(0, notAfter - contacts.at(-1)!) }));
  const intervals = intervalsOf(devices);
  const typicalMs = intervals[intervals.length >> 1];
  const judged = devices.map((device) => ({ device, standing: standingOf(device, at, typicalMs) }));
  const valid = judged.filter(({ standing }) => standing !== undefined);
  const reachable = valid.filter(({ standing }) => standing!.reachable);
  const starts = startsOf(devices, at, typicalMs ?? 0);
  return {
    now: {
      reachable: reachable.length,
      unreachable: valid.length - reachable.length,
      certificatesPerDevice: certificatesPerDevice(
        valid.map(({ device }) => device),
        at,
      ),
    },
    hindcasts: starts.map((start) => hindcastAt(devices, start, at, typicalMs)),
    expected: {
      devices: reachable.length,
      delaysMs: reachable.map(({ device: { contacts, lifetimeMs } }) =>
        Math.max(0, contacts.at(-1)! + lifetimeMs * renewedAtShare - at),
      ),
    },
    intervalMs95: intervals[Math.floor(intervals.length * 0.95)],
  };
}

/** The last intervals of each device, all of them ascending. */
function intervalsOf(devices: readonly Device[]): Float64Array {
  const found: number[] = [];
  for (const { contacts } of devices)
    for (let index = Math.max(1, contacts.length - intervalsOfDevice); index < contacts.length; index++)
      found.push(contacts[index]! - contacts[index - 1]!);
  return Float64Array.from(found).sort();
}

/** Index of the last contact at or before an instant; -1 when there is none. */
function lastBefore(contacts: readonly EpochMs[], at: EpochMs): number {
  let low = 0;
  let high = contacts.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (contacts[middle]! <= at) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** Undefined for a device that was not there, or whose certificate had expired. */
function standingOf(
  { contacts, lifetimeMs }: Device,
  at: EpochMs,
  typicalMs: number | undefined,
): { readonly index: number; readonly reachable: boolean } | undefined {
  const index = lastBefore(contacts, at);
  if (index < 0) return undefined;
  const silentMs = at - contacts[index]!;
  if (silentMs > lifetimeMs) return undefined;
  const from = Math.max(0, index - intervalsOfDevice);
  const intervalMs =
    index > from ? (contacts[index]! - contacts[from]!) / (index - from) : (typicalMs ?? lifetimeMs * renewedAtShare);
  return { index, reachable: silentMs <= silentIntervalsMax * intervalMs };
}

function hindcastAt(devices: readonly Device[], start: EpochMs, at: EpochMs, typicalMs: number | undefined): Hindcast {
  const found = {
    reachable: { devices: 0, delaysMs: [] as number[] },
    unreachable: { devices: 0, delaysMs: [] as number[] },
  };
  for (const device of devices) {
    const standing = standingOf(device, start, typicalMs);
    if (standing === undefined) continue;
    const returns = standing.reachable ? found.reachable : found.unreachable;
    returns.devices += 1;
    const next = device.contacts[standing.index + 1];
    if (next !== undefined) returns.delaysMs.push(next - start);
  }
  return { ...found, knownMs: at - start };
}

/**
 * Starts in the past: at the same hour of the week, else of the day, else spread over what is known. Where a device's kept
 * contacts do not reach back to, or before half of the devices were there, nothing is known.
 */
function startsOf(devices: readonly Device[], at: EpochMs, typicalMs: number): readonly EpochMs[] {
  if (devices.length === 0) return [];
  const firsts = devices.map(({ contacts }) => contacts[0]!).sort((a, b) => a - b);
  const cut = devices
    .filter(({ contacts }) => contacts.length === contactsMax)
    .map(({ contacts }) => contacts[0]!)
    .sort((a, b) => a - b);
  // A few that come all the time would else leave no history of the others.
  const cutAt = cut[cut.length - 1 - Math.floor(devices.length / 20)] ?? Number.NEGATIVE_INFINITY;
  const spanMs = at - Math.max(firsts[firsts.length >> 1]!, cutAt) - settlingIntervals * typicalMs;
  for (const stepMs of [weekMs, dayMs]) {
    const count = Math.min(startsMax, Math.floor(spanMs / stepMs));
    if (count >= startsMin) return Array.from({ length: count }, (_, index) => at - (index + 1) * stepMs);
  }
  const repeated = devices.filter(({ contacts }) => contacts.length > 1).length;
  if (spanMs <= 0 || repeated * 2 < devices.length) return [];
  const stepMs = spanMs / (2 * startsMin);
  return Array.from({ length: 2 * startsMin - 1 }, (_, index) => at - (index + 1) * stepMs);
}

function certificatesPerDevice(devices: readonly Device[], at: EpochMs): number {
  if (devices.length === 0) return 1;
  const valid = devices.reduce(
    (sum, { contacts, lifetimeMs }) => sum + (lastBefore(contacts, at) - lastBefore(contacts, at - lifetimeMs - 1)),
    0,
  );
  return valid / devices.length;
}
