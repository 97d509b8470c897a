import { durationMs } from '../hierarchy/duration.ts';
import { findAuthority, findProfile, type Hierarchy } from '../hierarchy/hierarchy.ts';
import { type AlarmName, alarmOfFailure, type RaiseAlarm } from './alarms.ts';
import type { AuthorityDirectory } from './authority-directory.ts';
import type { Clock, DeadLetterStore, WorkQueue } from './ports.ts';

export interface InspectPorts {
  readonly hierarchy: Hierarchy;
  readonly authorities: AuthorityDirectory;
  /** Every queue that is served, by name. */
  readonly queues: ReadonlyMap<string, Pick<WorkQueue, 'depth'>>;
  readonly deadLetters: Pick<DeadLetterStore, 'counts'>;
  /** Bytes of the write-ahead log; undefined where the ledger has none. */
  readonly walBytes: (() => number) | undefined;
  readonly clock: Clock;
  readonly raise: RaiseAlarm;
}

/** The oldest message of a healthy queue is of this minute; the first retries of one that fails take two. */
const queueAgeMsMax = 300_000;
/** Four times what is kept of it after a checkpoint. */
const walBytesMax = 256 * 1024 * 1024;
const dayMs = 86_400_000;
/** Long enough for a ceremony to be planned and held. */
const caNoticeMs = 30 * dayMs;

/**
 * Looks at what no single request or batch sees: dead letters, the age of queues, the end of CAs, the write-ahead log.
 * Raises what it finds, at every run, for as long as it lasts. Each look is on its own: one that fails is raised too.
 */
export async function inspect(ports: InspectPorts): Promise<readonly AlarmName[]> {
  const raised: AlarmName[] = [];
  const raise: RaiseAlarm = (name, fields) => {
    raised.push(name);
    ports.raise(name, fields);
  };
  const looks = [lookAtDeadLetters, lookAtQueues, lookAtAuthorities, lookAtStorage];
  await Promise.all(
    looks.map(async (look) => {
      try {
        await look(ports, raise);
      } catch (cause) {
        raise(alarmOfFailure(cause, 'host-failed'), { look: look.name, error: cause });
      }
    }),
  );
  return raised;
}

async function lookAtDeadLetters({ deadLetters }: InspectPorts, raise: RaiseAlarm): Promise<void> {
  for (const [queue, count] of await deadLetters.counts()) raise('dead-letters', { queue, count });
}

async function lookAtQueues({ queues }: InspectPorts, raise: RaiseAlarm): Promise<void> {
  await Promise.all(
    [...queues].map(async ([queue, { depth }]) => {
      const { visible, inFlight, oldestAgeMs } = await depth();
      if ((oldestAgeMs ?? 0) > queueAgeMsMax) raise('queue-age', { queue, visible, inFlight, oldestAgeMs });
    }),
  );
}

/** A leaf that would outlive its issuer is refused: the last full one is issued a leaf's lifetime before the CA ends. */
async function lookAtAuthorities(ports: InspectPorts, raise: RaiseAlarm): Promise<void> {
  const at = ports.clock();
  const newest = new Map<string, number>();
  const all = await ports.authorities.all();
  for (const { caId, generation } of all) newest.set(caId, Math.max(generation, newest.get(caId) ?? 0));
  for (const { caId, generation, notAfter } of all) {
    if (newest.get(caId) !== generation) continue;
    const profiles = findAuthority(ports.hierarchy, caId)?.profiles ?? [];
    const lifetimes = profiles.map((name) => {
      const profile = findProfile(ports.hierarchy, name);
      return profile === undefined ? 0 : durationMs(profile.validity);
    });
    const lifetimeMsMax = Math.max(0, ...lifetimes);
    const daysLeft = Math.floor((notAfter - lifetimeMsMax - at) / dayMs);
    if (notAfter - lifetimeMsMax - at <= caNoticeMs) raise('ca-near-its-end', { caId, generation, notAfter, daysLeft });
  }
}

async function lookAtStorage({ walBytes }: InspectPorts, raise: RaiseAlarm): Promise<void> {
  const bytes = walBytes?.() ?? 0;
  if (bytes > walBytesMax) raise('wal-large', { walBytes: bytes });
}
