/**
 * Fleets of devices that come back as devices do: by day, once a week, from sleep, around the clock, some never again. What the
 * estimator of a rotation is given is what a ledger would have kept of their contacts; what they will do is known here alone.
 */
import { type ContactSample, contactsMax, sampledDevicesMax } from '../../shared/inventory/contacts.ts';
import { costUsd, publishedPrices } from '../../shared/inventory/prices.ts';
import type { RotationInput } from '../../shared/inventory/rotation.ts';
import { devicesReadMax } from '../../shared/issuance/estimate-rotation.ts';

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
/** As far back as the ledger of the simulation goes. */
const historyMs = 140 * dayMs;
/** When a rotation is over, for the simulation. */
const futureMs = 120 * dayMs;
const certificatePrice = 'acm-pca-general-purpose-certificate';

/** Uniform in [0, 1), the same for the same three numbers. */
function draw(a: number, b: number, c: number): number {
  let x = Math.imul(a ^ 0x9e3779b9, 0x85ebca6b) ^ Math.imul(b + 0x7f4a7c15, 0xc2b2ae35) ^ Math.imul(c + 1, 0x27d4eb2f);
  x ^= x >>> 15;
  x = Math.imul(x, 0x2c1b3c6d);
  x ^= x >>> 12;
  x = Math.imul(x, 0x297a2d39);
  x ^= x >>> 15;
  return (x >>> 0) / 2 ** 32;
}

const exponential = (u: number, mean: number) => -Math.log(1 - u) * mean;

type Kind = 'diurnal' | 'weekly' | 'sleepy' | 'steady';

interface Fleet {
  readonly seed: number;
  readonly kind: Kind;
  readonly size: number;
  /** Nominal time between two contacts. */
  readonly intervalMs: number;
  readonly lifetimeMs: number;
  /** Mean life of a device. */
  readonly lifeMs: number;
  /** Share of contacts that fail on a common day. */
  readonly missed: number;
  /** Share of the contacts of a working day that there are on a Saturday or Sunday. */
  readonly weekend: number;
}

interface Device {
  readonly seed: number;
  readonly bornAt: number;
  readonly diesAt: number;
}

export interface SimulatedRotation {
  readonly input: RotationInput;
  readonly truth: {
    readonly seconds: Readonly<Record<'50' | '95', number | undefined>>;
    /** Of the certificates issued, in one month. */
    readonly cost: number;
    readonly replaced: number;
    readonly devices: number;
    /** Devices with a valid certificate that have died, and had been silent for three nominal intervals. */
    readonly deadAndSilent: number;
  };
}

const begin = Date.parse('2026-03-02T00:00:00Z');

/** A rotation of `devicesCount` devices that begins at a moment of its own. The seed decides everything. */
export function simulateRotation(seed: number, devicesCount: number): SimulatedRotation {
  const at = begin + historyMs + Math.floor(draw(seed, 1, 1) * 28 * dayMs);
  const fleets = fleetsOf(seed, devicesCount);
  const perSecond = [22.5, 50, 200][Math.floor(draw(seed, 2, 1) * 3)]!;
  const arrivals: number[] = [];
  let devices = 0;
  let deadAndSilent = 0;
  const observed = fleets.map((fleet, index) => {
    const found = simulateFleet(fleet, at, seed, Math.floor(devicesReadMax / fleets.length));
    for (const arrival of found.arrivals) arrivals.push(arrival);
    devices += found.devices;
    deadAndSilent += found.deadAndSilent;
    return { name: `fleet-${index}`, outstanding: found.outstanding, devices: found.sample, complete: found.complete };
  });
  const served = serve(arrivals, perSecond, at);
  const timeTo = (share: number) => {
    const last = served[Math.ceil(share * devices) - 1];
    return last === undefined ? undefined : (last - at) / 1000;
  };
  return {
    input: {
      at,
      groups: [
        {
          backend: 'devices',
          issuePerSecond: perSecond,
          fleets: observed,
          certificatesUsd: (count) => costUsd(publishedPrices, certificatePrice, count),
        },
      ],
      outstandingElsewhere: 0,
      revokePerSecond: 20,
      pricesAsOf: '2026-11-01',
      assumptions: [],
    },
    truth: {
      seconds: { '50': timeTo(0.5), '95': timeTo(0.95) },
      cost: costUsd(publishedPrices, certificatePrice, served.length),
      replaced: served.length,
      devices,
      deadAndSilent,
    },
  };
}

function fleetsOf(seed: number, devicesCount: number): readonly Fleet[] {
  const count = 3 + Math.floor(draw(seed, 3, 1) * 6);
  const weights = Array.from({ length: count }, (_, index) => 0.2 + draw(seed, 4, index));
  const whole = weights.reduce((sum, weight) => sum + weight, 0);
  return weights.map((weight, index): Fleet => {
    const of = (what: number) => draw(seed, 100 + index, what);
    // The first ones make sure that each kind is there.
    const kinds: readonly Kind[] = ['diurnal', 'weekly', 'sleepy', 'steady'];
    const kind = kinds[index < 3 ? index : Math.floor(of(1) * kinds.length)]!;
    const intervalMs = {
      diurnal: dayMs,
      weekly: 7 * dayMs,
      sleepy: (1.5 + 3 * of(2)) * dayMs,
      steady: (6 + 8 * of(2)) * hourMs,
    }[kind];
    const lifetimeMs = (4 + 2 * of(3)) * intervalMs;
    return {
      seed: Math.floor(of(4) * 2 ** 31),
      kind,
      size: Math.round((devicesCount * weight) / whole),
      intervalMs,
      lifetimeMs,
      lifeMs: lifetimeMs / (0.003 + 0.017 * of(5)),
      missed: 0.02 + 0.06 * of(6),
      weekend: of(7) < 0.5 ? 1 : 0.3,
    };
  });
}

/** Share of contacts that fail on a day: some days are worse, of one fleet or, rarely, of all. */
function missedOn(fleet: Fleet, seed: number, day: number): number {
  const own = draw(fleet.seed, day, 11);
  const all = draw(seed, day, 12);
  const bad = (own < 0.03 ? 0.35 : 0) + (all < 0.015 ? 0.2 : 0);
  return Math.min(0.95, fleet.missed * (0.4 + 1.2 * draw(fleet.seed, day, 13)) + bad);
}

function isWeekend(at: number): boolean {
  const day = new Date(at).getUTCDay();
  return day === 0 || day === 6;
}

function fails(fleet: Fleet, seed: number, device: Device, at: number, nth: number): boolean {
  const missed = missedOn(fleet, seed, Math.floor(at / dayMs));
  const kept = (1 - missed) * (fleet.kind !== 'steady' && fleet.kind !== 'weekly' && isWeekend(at) ? fleet.weekend : 1);
  return draw(device.seed, nth, 21) >= kept;
}

/** Contacts in (from, to], ascending. A device is there from its birth, when it is enrolled, to its death. */
function* contactsOf(fleet: Fleet, seed: number, device: Device, from: number, to: number): Generator<number> {
  if (device.bornAt > from && device.bornAt <= to) yield device.bornAt;
  const end = Math.min(to, device.diesAt);
  const start = Math.max(from, device.bornAt);
  if (fleet.kind === 'sleepy') yield* sleepyContacts(fleet, seed, device, start, end);
  else yield* slottedContacts(fleet, seed, device, start, end);
}

function* slottedContacts(fleet: Fleet, seed: number, device: Device, from: number, to: number): Generator<number> {
  const { intervalMs, kind } = fleet;
  const hour = Math.min(21, Math.max(5, 12 + 7 * (draw(device.seed, 1, 31) + draw(device.seed, 2, 31) - 1)));
  const phaseMs = {
    diurnal: hour * hourMs,
    weekly: Math.floor(draw(device.seed, 3, 31) * (fleet.weekend === 1 ? 7 : 5)) * dayMs + hour * hourMs,
    steady: draw(device.seed, 3, 31) * intervalMs,
  }[kind as Exclude<Kind, 'sleepy'>];
  const jitterMs = Math.min(3 * hourMs, intervalMs / 4);
  // 1970-01-05 was a Monday.
  const origin = 4 * dayMs + phaseMs;
  for (let slot = Math.floor((from - origin) / intervalMs) - 1; ; slot++) {
    const at = origin + slot * intervalMs + (draw(device.seed, slot, 32) - 0.5) * jitterMs;
    if (at > to) return;
    if (at > from && !fails(fleet, seed, device, at, slot)) yield at;
  }
}

/** Gaps that forget how long they have been; nobody wakes before six in the morning. */
function* sleepyContacts(fleet: Fleet, seed: number, device: Device, from: number, to: number): Generator<number> {
  // Always from the same instant, so that whoever asks sees the same device.
  let at = begin - 30 * dayMs;
  for (let nth = 0; ; nth++) {
    at += 2 * hourMs + exponential(draw(device.seed, nth, 41), fleet.intervalMs - 2 * hourMs);
    const sinceMidnight = at % dayMs;
    if (sinceMidnight < 6 * hourMs) at += 6 * hourMs - sinceMidnight + draw(device.seed, nth, 42) * hourMs;
    if (at > to) return;
    if (at > from && !fails(fleet, seed, device, at, nth)) yield at;
  }
}

interface FleetOutcome {
  readonly outstanding: number;
  readonly devices: number;
  readonly deadAndSilent: number;
  readonly arrivals: readonly number[];
  readonly sample: readonly ContactSample[];
  readonly complete: boolean;
}

function simulateFleet(fleet: Fleet, at: number, seed: number, readMax: number): FleetOutcome {
  const population = populationOf(fleet, at);
  const oneIn = rateOf(population.map(({ seed: one }) => draw(one, 5, 51)));
  const kept = population
    .map((device) => ({ device, place: draw(device.seed, 5, 51) }))
    .filter(({ place }) => place < 1 / oneIn)
    .sort((a, b) => a.place - b.place)
    .slice(0, readMax);
  const sample = kept.flatMap(({ device }) => sampled(fleet, seed, device, at));
  let outstanding = 0;
  let devices = 0;
  let deadAndSilent = 0;
  const arrivals: number[] = [];
  for (const device of population) {
    if (device.diesAt < at - fleet.lifetimeMs) continue;
    const recent = [...contactsOf(fleet, seed, device, at - fleet.lifetimeMs, at)];
    if (recent.length === 0) continue;
    outstanding += recent.length;
    devices += 1;
    if (device.diesAt <= at && at - recent.at(-1)! > 3 * fleet.intervalMs) deadAndSilent += 1;
    const next = contactsOf(fleet, seed, device, at, at + futureMs).next();
    if (!next.done) arrivals.push(next.value);
  }
  return { outstanding, devices, deadAndSilent, arrivals, sample, complete: oneIn === 1 && kept.length < readMax };
}

/** As the ledger halves what it keeps. */
function rateOf(places: readonly number[]): number {
  let oneIn = 1;
  while (places.filter((place) => place < 1 / oneIn).length > sampledDevicesMax) oneIn *= 2;
  return oneIn;
}

/** Those alive now, and those that died in the time the ledger goes back to; as many are born as die. */
function populationOf(fleet: Fleet, at: number): readonly Device[] {
  const devices: Device[] = [];
  const device = (index: number, bornAt: number, diesAt: number) => {
    const seed = Math.floor(draw(fleet.seed, index, 61) * 2 ** 31);
    devices.push({ seed, bornAt, diesAt });
  };
  for (let index = 0; index < fleet.size; index++)
    device(
      index,
      at - exponential(draw(fleet.seed, index, 62), fleet.lifeMs),
      at + exponential(draw(fleet.seed, index, 63), fleet.lifeMs),
    );
  const dead = Math.round((fleet.size * historyMs) / fleet.lifeMs);
  for (let index = fleet.size; index < fleet.size + dead; index++) {
    const diesAt = at - draw(fleet.seed, index, 64) * historyMs;
    device(index, diesAt - exponential(draw(fleet.seed, index, 62), fleet.lifeMs), diesAt);
  }
  return devices;
}

function sampled(fleet: Fleet, seed: number, device: Device, at: number): readonly ContactSample[] {
  const contacts = [...contactsOf(fleet, seed, device, at - historyMs - 1, at)].slice(-contactsMax);
  const last = contacts.at(-1);
  if (last === undefined) return [];
  return [{ contacts: contacts.map((one) => Math.floor(one / 1000) * 1000), notAfter: last + fleet.lifetimeMs }];
}

/** One after the other, in the order of their coming. */
function serve(arrivals: readonly number[], perSecond: number, from: number): Float64Array {
  const served = Float64Array.from(arrivals).sort();
  let before = from;
  for (let index = 0; index < served.length; index++) {
    before = Math.max(served[index]!, before + 1000 / perSecond);
    served[index] = before;
  }
  return served;
}
