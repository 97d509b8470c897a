/**
 * Back-pressure. What is accepted is kept, so the place to refuse is before: an enrolment is refused while what waits
 * for its backend would take longer than a minute to sign. Each backend is judged by itself: one that is down fills its
 * own queue and closes its own door.
 */
import type { EpochMs } from '../pki/epoch.ts';
import type { Clock, QueueDepth, WorkQueue } from './ports.ts';

/** What waits may take this long to clear: beyond, a device is better off coming back than waiting in line. */
export const clearMsMax = 60_000;
/** Rates are those of the last minute, in buckets of a second. */
const windowMs = 60_000;
const bucketMs = 1_000;
/** The prior counts like this much time of observation: a first second of truth outweighs a sixth of it. */
const priorMs = 5_000;
/**
 * A queue that holds fewer than a batch says nothing of the rate: one poison message that is retried would else look like
 * a backend that completes nothing.
 */
const busyDepthMin = 10;
/** A queue that had work for this long and completed none of it stands still. */
const stalledMs = 30_000;
/** How often one is let through to a backend that stands still, so that there is something to see when it moves again. */
const probeEveryMs = 5_000;
const retryAfterMsMin = 1_000;
const retryAfterMsMax = 600_000;
/** Where nothing completes, a rate says nothing of when it will: as often as one asks after a backend that is not there. */
const stalledRetryAfterMs = 30_000;

interface Bucket {
  readonly from: EpochMs;
  completed: number;
  busyMs: number;
}

/** What a queue gets done. Memory is bounded by the buckets of the window. */
export interface RateMeter {
  /** A reading of the queue: how much waits, and how much was completed ever, where the queue tells. */
  observe(at: EpochMs, depth: number, completedTotal: number | undefined): void;
  /** Completions a second while there was work, with the prior; and whether work has stood still. */
  rate(at: EpochMs): Rate;
}

export interface Rate {
  readonly perSecond: number;
  readonly stalled: boolean;
}

/**
 * Completions are counted over time in which the queue had work. Over any other time their number is a lower bound, and
 * counts where it tells more than is known. `priorPerSecond` is the configured quota, believed until something is seen.
 */
export function createRateMeter(priorPerSecond: number): RateMeter {
  let buckets: Bucket[] = [];
  let rated: { readonly second: number; readonly value: Rate } | undefined;
  let last: { readonly at: EpochMs; readonly depth: number; readonly completedTotal: number | undefined } | undefined;

  function inside(at: EpochMs): Bucket[] {
    return buckets.filter(({ from }) => from > at - windowMs && from <= at);
  }

  function add(at: EpochMs, busyMs: number, completed: number): void {
    const from = Math.floor(at / bucketMs) * bucketMs;
    buckets = inside(at);
    let bucket = buckets.at(-1);
    if (bucket?.from !== from) {
      bucket = { from, completed: 0, busyMs: 0 };
      buckets.push(bucket);
    }
    bucket.completed += completed;
    bucket.busyMs += busyMs;
    rated = undefined;
  }

  /** Asked with every request; changes with an observation, and when a second of the window has gone. */
  function rate(at: EpochMs): Rate {
    const second = Math.floor(at / bucketMs);
    if (rated?.second !== second) rated = { second, value: computeRate(at) };
    return rated.value;
  }

  function computeRate(at: EpochMs): Rate {
    let completed = 0;
    let busyMs = 0;
    for (const bucket of inside(at)) {
      completed += bucket.completed;
      busyMs += bucket.busyMs;
    }
    const believed = (priorPerSecond * priorMs) / 1000;
    return {
      perSecond: ((believed + completed) / (priorMs + busyMs)) * 1000,
      stalled: completed === 0 && busyMs >= stalledMs,
    };
  }

  return {
    observe(at, depth, completedTotal) {
      const before = last;
      last = { at, depth, completedTotal };
      if (before?.completedTotal === undefined || completedTotal === undefined) return;
      const completed = completedTotal - before.completedTotal;
      const elapsedMs = at - before.at;
      // A clock that was set back, or a process that began anew: nothing follows from the difference.
      if (elapsedMs <= 0 || elapsedMs > windowMs || completed < 0) return;
      const hadWork = Math.min(before.depth, depth) >= busyDepthMin;
      if (hadWork || (completed / elapsedMs) * 1000 > rate(at).perSecond) add(at, elapsedMs, completed);
    },
    rate,
  };
}

export type Admission =
  | { readonly kind: 'admit' }
  | { readonly kind: 'refuse'; readonly retryAfterMs: number; readonly clearMs: number; readonly perSecond: number };

/** Asked before an issuance is accepted, told after. */
export interface AdmissionControl {
  /** Whether a new issuance for this backend may be accepted now. Never rejects. */
  check(backend: string): Promise<Admission>;
  /** One was accepted: it counts before the next look at the queues sees it. */
  accepted(backend: string): void;
}

export interface AdmissionOptions {
  readonly enrolmentQueue: Pick<WorkQueue, 'depth'>;
  /** The signing queue of a backend; undefined when this deployment has no signer for it. */
  readonly signingQueue: (backend: string) => Pick<WorkQueue, 'depth'> | undefined;
  /** What a backend is believed to sign a second, until it is seen: for ACM PCA its quota. */
  readonly priorPerSecond: (backend: string) => number;
  /** The same for the validator. */
  readonly validatedPerSecondPrior: number;
  readonly clock: Clock;
  /** The queues are looked at no more often than this. */
  readonly depthAgeMsMax?: number;
}

const depthAgeMsMaxDefault = 250;

/** A queue as it was seen last. */
interface Watched {
  readonly meter: RateMeter;
  readonly read: () => Promise<QueueDepth>;
  depth: number;
  readAt: EpochMs | undefined;
  reading: Promise<void> | undefined;
}

function watch(queue: Pick<WorkQueue, 'depth'>, priorPerSecond: number): Watched {
  return {
    meter: createRateMeter(priorPerSecond),
    read: () => queue.depth(),
    depth: 0,
    readAt: undefined,
    reading: undefined,
  };
}

interface Door {
  readonly signing: Watched;
  /** Accepted and perhaps not seen on a queue yet. */
  acceptedSince: number;
  /** Turned away and told to come back: a line that stands outside, which moves as fast as the one inside. */
  turnedAway: number;
  turnedAwayAt: EpochMs;
  probedAt: EpochMs | undefined;
}

export function createAdmissionControl(options: AdmissionOptions): AdmissionControl {
  const { clock, depthAgeMsMax = depthAgeMsMaxDefault } = options;
  const enrolment = watch(options.enrolmentQueue, options.validatedPerSecondPrior);
  const doors = new Map<string, Door>();
  const arrivals = createShares();

  function doorOf(backend: string): Door | undefined {
    let door = doors.get(backend);
    if (door === undefined) {
      const queue = options.signingQueue(backend);
      if (queue === undefined) return undefined;
      const signing = watch(queue, options.priorPerSecond(backend));
      door = { signing, acceptedSince: 0, turnedAway: 0, turnedAwayAt: clock(), probedAt: undefined };
      doors.set(backend, door);
    }
    return door;
  }

  /** Looks again when the last look is too old; callers that meet share one. A depth that cannot be read is as it was. */
  async function refresh(watched: Watched, seen: () => void): Promise<void> {
    const now = clock();
    const { readAt } = watched;
    if (readAt !== undefined && now - readAt < depthAgeMsMax && now >= readAt) return;
    watched.reading ??= (async () => {
      try {
        const { visible, inFlight, acknowledgedTotal } = await watched.read();
        watched.depth = visible + inFlight;
        watched.meter.observe(now, watched.depth, acknowledgedTotal);
        seen();
      } catch {
        // The ledger, not the queue, decides whether an issuance can be accepted.
      } finally {
        watched.readAt = now;
        watched.reading = undefined;
      }
    })();
    await watched.reading;
  }

  return {
    async check(backend) {
      const door = doorOf(backend);
      if (door === undefined) return { kind: 'admit' };
      await refresh(enrolment, () => {
        for (const one of doors.values()) one.acceptedSince = 0;
      });
      await refresh(door.signing, () => undefined);
      return judge(door, enrolment, arrivals.of(backend, clock()), clock());
    },
    accepted(backend) {
      const door = doorOf(backend);
      if (door !== undefined) door.acceptedSince += 1;
      arrivals.add(backend, clock());
    },
  };
}

/** Time until all that waits for a door is signed: through the validator first, then by its share through the signer. */
function judge(door: Door, enrolment: Watched, share: number, at: EpochMs): Admission {
  const { perSecond, stalled } = door.signing.meter.rate(at);
  const validated = enrolment.meter.rate(at).perSecond;
  const ahead = door.signing.depth + share * enrolment.depth + door.acceptedSince;
  const clearMs = Math.max(ahead / perSecond, (enrolment.depth + door.acceptedSince) / validated) * 1000;
  const elapsedMs = Math.max(0, at - door.turnedAwayAt);
  door.turnedAway = Math.max(0, door.turnedAway - (perSecond * elapsedMs) / 1000);
  door.turnedAwayAt = at;
  if (stalled && clearMs <= clearMsMax && (door.probedAt === undefined || at - door.probedAt >= probeEveryMs)) {
    door.probedAt = at;
    return { kind: 'admit' };
  }
  if (!stalled && clearMs <= clearMsMax) {
    door.turnedAway = 0;
    return { kind: 'admit' };
  }
  // Each is asked to come back when there is room for it: not all at once, when there is room for the first.
  door.turnedAway += 1;
  const overMs = Math.max(0, clearMs - clearMsMax) + (door.turnedAway / perSecond) * 1000;
  const leastMs = stalled ? stalledRetryAfterMs : retryAfterMsMin;
  return { kind: 'refuse', retryAfterMs: Math.min(retryAfterMsMax, Math.max(leastMs, overMs)), clearMs, perSecond };
}

/** Which part of what was accepted in the last minute was for each backend: what the enrolment queue is made of. */
function createShares() {
  let buckets: { readonly from: EpochMs; readonly counts: Map<string, number> }[] = [];
  /** The buckets summed, as of the second that `of` was asked about last. */
  let summed: { readonly from: EpochMs; readonly counts: Map<string, number>; all: number } | undefined;
  const inside = (at: EpochMs) => buckets.filter(({ from }) => from > at - windowMs && from <= at);

  function sums(at: EpochMs) {
    const from = Math.floor(at / bucketMs) * bucketMs;
    if (summed?.from === from) return summed;
    summed = { from, counts: new Map(), all: 0 };
    for (const { counts } of inside(at)) {
      for (const [name, count] of counts) {
        summed.all += count;
        summed.counts.set(name, (summed.counts.get(name) ?? 0) + count);
      }
    }
    return summed;
  }

  return {
    add(backend: string, at: EpochMs): void {
      const from = Math.floor(at / bucketMs) * bucketMs;
      let bucket = buckets.at(-1);
      if (bucket?.from !== from) {
        buckets = inside(at);
        bucket = { from, counts: new Map() };
        buckets.push(bucket);
      }
      bucket.counts.set(backend, (bucket.counts.get(backend) ?? 0) + 1);
      if (summed?.from !== from) return;
      summed.all += 1;
      summed.counts.set(backend, (summed.counts.get(backend) ?? 0) + 1);
    },
    /** From 0 to 1; 1 while nothing is known. */
    of(backend: string, at: EpochMs): number {
      const { all, counts } = sums(at);
      return all === 0 ? 1 : (counts.get(backend) ?? 0) / all;
    },
  };
}
