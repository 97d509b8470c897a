/**
 * The sample fleet: devices with keys of their own that enrol over HTTP like any client of the service. It knows the
 * service's address, a credential and the root; nothing of the service's insides.
 */
import { randomBytes } from 'node:crypto';
import { setTimeout as sleepFor } from 'node:timers/promises';
import { type Enroller, type EnrolmentEnd, enrol, type Patience, patienceDefault } from '../../../cli/enrolment.ts';
import { createHttpClient } from '../../../cli/http-client.ts';
import { type ChainVerifier, createChainVerifier, sanKey } from './chain-verification.ts';
import { type PreparedDevice, prepareDevice } from './device-request.ts';
import { planFleet } from './fleet-plan.ts';
import { type FleetProfile, type FleetResult, type ResultRow, summarize } from './fleet-result.ts';
import { mapConcurrently } from './pool.ts';

export type FleetPhase = 'keys' | 'enrol' | 'verify';
export interface FleetProgress {
  readonly phase: FleetPhase;
  readonly done: number;
  readonly total: number;
  readonly issued: number;
  readonly rejected: number;
  readonly failed: number;
}

/** What a fleet and a folder of requests have in common. */
export interface ClientOptions {
  readonly baseUrl: string;
  /** Secret of an enrolment credential. */
  readonly deviceSecret: string;
  /** Trust anchors, PEM, handed over apart from the answers. */
  readonly trustAnchorsPem: string;
  readonly profiles: readonly FleetProfile[];
  /** Enrolments under way at a time, 16 by default. */
  readonly concurrency?: number;
  /** `Prefer: wait` of each POST in seconds, 10 by default; 0 polls by Retry-After from the start. */
  readonly preferWaitSeconds?: number;
  readonly patience?: Patience;
  /** Certificates (PEM) that an https server is checked against. */
  readonly tlsAnchorsPem?: string;
  readonly onProgress?: (progress: FleetProgress) => void;
  readonly signal?: AbortSignal;
  /** Wall clock in epoch milliseconds. */
  readonly now?: () => number;
  /** Monotonic milliseconds. */
  readonly monotonic?: () => number;
  readonly sleep?: (ms: number, signal?: AbortSignal) => Promise<void>;
}

export interface FleetOptions extends ClientOptions {
  readonly devices: number;
  /** The whole fleet enrols with this profile; without it, it spreads over all that are ready. */
  readonly profileOnly?: string;
  /** Makes names unique; random when absent. Letters, digits, hyphens. */
  readonly runId?: string;
  /** Names are made below it, `fleet.example` by default. */
  readonly domain?: string;
}

export const devicesMax = 100_000;
const concurrencyDefault = 16;
/** As many as the thread pool has threads: more would only wait. */
const keyConcurrency = 4;
/** The service holds an answer 10 s at most; beyond that and a margin it is not there. */
const requestMsMax = 30_000;
/** Certificates verified in a row, some 50 ms. */
const yieldEvery = 64;

/**
 * Makes the keys and requests (untimed), enrols every device, then verifies every certificate against the anchors.
 * Rejects only on an abort or a wrong argument; what goes wrong with a device is in its row.
 */
export async function runFleet(options: FleetOptions): Promise<FleetResult> {
  if (!Number.isSafeInteger(options.devices) || options.devices < 0 || options.devices > devicesMax) {
    throw new RangeError(`devices must be a number from 0 to ${devicesMax}`);
  }
  const verify = createChainVerifier(options.trustAnchorsPem);
  const plan = planFleet({
    devices: options.devices,
    profiles: options.profiles,
    runId: options.runId ?? randomBytes(4).toString('hex'),
    domain: options.domain ?? 'fleet.example',
    ...(options.profileOnly === undefined ? {} : { profileOnly: options.profileOnly }),
  });
  if (plan.devices.length < options.devices) return nothingReady(options, plan.notes);
  const tally = { issued: 0, rejected: 0, failed: 0 };
  const report = (phase: FleetPhase) => (done: number) =>
    options.onProgress?.({ phase, done, total: plan.devices.length, ...tally });
  const prepared = await mapConcurrently(
    plan.devices,
    keyConcurrency,
    (device) => {
      options.signal?.throwIfAborted();
      return prepareDevice(device);
    },
    report('keys'),
  );
  const { ends, elapsedMs } = await withEnroller(options, async (enroller) => {
    const enrolled = report('enrol');
    return mapConcurrently(
      prepared,
      options.concurrency ?? concurrencyDefault,
      async (device) => {
        const end = await enrol(enroller, device.profile, {
          bytes: device.csrPem,
          contentType: 'application/x-pem-file',
        });
        tally[end.kind === 'certificate' ? 'issued' : end.kind === 'refused' ? 'rejected' : 'failed'] += 1;
        return end;
      },
      enrolled,
    );
  });
  const now = (options.now ?? Date.now)();
  const verified = report('verify');
  const rows: ResultRow[] = [];
  for (const [index, device] of prepared.entries()) {
    rows.push(deviceRow(device, ends[index]!, verify, now));
    verified(rows.length);
    // The service may live in this process: it answers in between.
    if (rows.length % yieldEvery === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  return summarize('fleet', rows, options.profiles, elapsedMs, plan.notes);
}

/** Runs `work` with an HTTP client of its own and says how long it took. */
export async function withEnroller<T>(
  options: ClientOptions,
  work: (enroller: Enroller) => Promise<T>,
): Promise<{ readonly ends: T; readonly elapsedMs: number }> {
  const monotonic = options.monotonic ?? (() => performance.now());
  const client = createHttpClient({
    baseUrl: options.baseUrl,
    socketsMax: options.concurrency ?? concurrencyDefault,
    requestMsMax,
    ...(options.tlsAnchorsPem === undefined ? {} : { tlsAnchorsPem: options.tlsAnchorsPem }),
  });
  const startedAt = monotonic();
  try {
    const ends = await work({
      client,
      deviceSecret: options.deviceSecret,
      accept: 'pem',
      preferWaitSeconds: options.preferWaitSeconds ?? 10,
      patience: options.patience ?? patienceDefault,
      now: options.now ?? Date.now,
      monotonic,
      sleep: options.sleep ?? ((ms, signal) => sleepFor(ms, undefined, signal === undefined ? {} : { signal })),
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    });
    return { ends, elapsedMs: monotonic() - startedAt };
  } finally {
    client.close();
  }
}

function deviceRow(device: PreparedDevice, end: EnrolmentEnd, verify: ChainVerifier, now: number): ResultRow {
  const names = [sanKey({ type: device.nameKind === 'dns' ? 'dns' : 'url', value: device.name })];
  const fault = end.kind === 'certificate' ? verify(end.chainPem, { spkiDer: device.spkiDer, names }, now) : undefined;
  const row = rowOf(device.name, device.profile, end, fault);
  // A fleet asks for nothing its credential does not allow: anything but a certificate is unexpected.
  return { ...row, unexpected: row.outcome !== 'issued' };
}

/** A row without an opinion on what was expected. A certificate with a fault is a failure: it cannot be used. */
export function rowOf(subject: string, profile: string, end: EnrolmentEnd, fault: string | undefined): ResultRow {
  const id = end.issuanceId === undefined ? {} : { issuanceId: end.issuanceId };
  const base = { subject, profile, unexpected: false, ...id };
  if (end.kind !== 'certificate') {
    const outcome = end.kind === 'refused' ? 'rejected' : 'failed';
    return { ...base, outcome, status: end.status, code: end.code, reasons: end.reasons, verified: false };
  }
  const { latencyMs } = end;
  if (fault !== undefined) {
    return {
      ...base,
      outcome: 'failed',
      status: 200,
      code: 'certificate-not-verified',
      reasons: [fault],
      verified: false,
      latencyMs,
    };
  }
  return { ...base, outcome: 'issued', status: 200, code: '', reasons: [], verified: true, latencyMs };
}

function nothingReady(options: FleetOptions, notes: readonly string[]): FleetResult {
  const row: ResultRow = {
    subject: 'the whole fleet',
    profile: options.profileOnly ?? '',
    outcome: 'failed',
    status: 0,
    code: 'no-profile-ready',
    reasons: notes,
    unexpected: true,
    verified: false,
  };
  const result = summarize('fleet', [row], options.profiles, 0, notes);
  return { ...result, submitted: options.devices, failed: options.devices, unexpected: options.devices };
}
