/**
 * Kills the embedded stack under load, again and again, and then holds what the ledger says against what clients were told
 * and what the CA has issued. Used by kill-service.ts and by the slow test lane.
 */
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { mapConcurrently } from '../../localstack/embedded/fleet/pool.ts';
import { sha256Hex } from '../../shared/pki/hash.ts';
import { spkiOf } from '../support/certification-requests.ts';
import {
  dns,
  type KillTarget,
  newEd25519,
  newP256,
  newStateDir,
  pemOf,
  type RunningProcesses,
  requestFor,
  StartError,
  signal,
  startProcesses,
  uri,
} from '../support/service.ts';
import { type Audit, auditState, unsettledOf } from './audit.ts';
import { auditSpyLog, type SpyAudit } from './spy-audit.ts';

export interface KillOptions {
  readonly rounds: number;
  readonly seed: number;
  readonly clients: number;
  /** Of each client between its POSTs; 0 builds up a backlog that the kill then meets. */
  readonly pauseMs: number;
  /** Kept when given. */
  readonly stateDir?: string;
  readonly pkcs11Module: string | undefined;
  /** Path of OpenSC's pkcs11-spy: every C_Sign is then counted outside our code and held against the intents. */
  readonly spyModule?: string | undefined;
  readonly report?: (line: string) => void;
}

export type RoundTarget = KillTarget | 'starting';

export interface Round {
  readonly round: number;
  readonly target: RoundTarget;
  /** When, after the load began or, for `starting`, after the process was made. */
  readonly afterMs: number;
  /** POSTs answered 202 in this round, and all POSTs that ended otherwise. */
  readonly accepted: number;
  readonly unanswered: number;
  /** Starts that were refused before one succeeded, and how long until it served. */
  readonly refusedStarts: number;
  readonly startMs: number;
}

/** An issuance that a client was told of. */
export interface Told {
  readonly spkiSha256: string;
  readonly profile: string;
  readonly expectRefusal: boolean;
}

export interface KillResult {
  readonly seed: number;
  readonly rounds: readonly Round[];
  readonly accepted: number;
  readonly settleSeconds: number;
  readonly audit: Audit;
  /** Undefined when nothing spied on the HSM. */
  readonly spied: SpyAudit | undefined;
  /** Statuses that no client should see. */
  readonly unexpected: readonly string[];
  readonly faults: readonly string[];
}

const targets: readonly RoundTarget[] = ['service', 'acm-pca', 'main', 'group', 'starting'];
const settleMsMax = 300_000;
const startMsMax = 90_000;

/** Mulberry32: small, seeded, good enough to pick moments. */
function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

interface World {
  readonly options: KillOptions;
  readonly stateDir: string;
  readonly random: () => number;
  readonly told: Map<string, Told>;
  readonly unexpected: string[];
  names: number;
}

export async function runKillRounds(options: KillOptions): Promise<KillResult> {
  const stateDir = options.stateDir ?? newStateDir();
  const random = randomOf(options.seed);
  const world: World = { options, stateDir, random, told: new Map(), unexpected: [], names: 0 };
  const rounds: Round[] = [];
  try {
    if (options.spyModule !== undefined) await setUpUnspied(world);
    for (let round = 1; round <= options.rounds; round++) {
      // The first set-up is killed too: a state folder that is half made has to be taken up by the next start.
      const target = round === 1 ? 'starting' : targets[Math.floor(random() * targets.length)]!;
      const done = target === 'starting' ? await killStart(world, round) : await killUnderLoad(world, round, target);
      rounds.push(done);
      options.report?.(lineOf(done));
    }
    return await settleAndAudit(world, rounds);
  } finally {
    if (options.stateDir === undefined) rmSync(stateDir, { recursive: true, force: true });
  }
}

function lineOf({ round, target, afterMs, accepted, unanswered, refusedStarts, startMs }: Round): string {
  const start = `started in ${startMs} ms${refusedStarts === 0 ? '' : ` after ${refusedStarts} refusals`}`;
  return `round ${String(round).padStart(2)}  SIGKILL ${target.padEnd(8)} at ${String(afterMs).padStart(4)} ms  ${String(accepted).padStart(4)} accepted, ${unanswered} unanswered; ${start}`;
}

async function killStart(world: World, round: number): Promise<Round> {
  const afterMs = Math.floor(world.random() * 1_500);
  const begun = performance.now();
  try {
    const running = await startProcesses({
      ...startOptionsOf(world),
      onSpawned: (main) => setTimeout(() => signal(-main.pid!, 'SIGKILL'), afterMs),
    });
    await running.exited;
  } catch (cause) {
    if (!(cause instanceof StartError)) throw cause;
  }
  const startMs = Math.round(performance.now() - begun);
  return { round, target: 'starting', afterMs, accepted: 0, unanswered: 0, refusedStarts: 0, startMs };
}

function startOptionsOf({ stateDir, options }: World) {
  const { pkcs11Module, spyModule } = options;
  if (spyModule === undefined || pkcs11Module === undefined) return { stateDir, pkcs11Module, startMsMax };
  const env = { PKCS11SPY: pkcs11Module, PKCS11SPY_OUTPUT: spyLogOf(stateDir) };
  return { stateDir, pkcs11Module: spyModule, env, startMsMax };
}

function spyLogOf(stateDir: string): string {
  return join(stateDir, 'pkcs11-spy.log');
}

/** Makes the CAs first, so that what is spied on afterwards are a signer's calls only. */
async function setUpUnspied({ stateDir, options }: World): Promise<void> {
  const running = await startProcesses({ stateDir, pkcs11Module: options.pkcs11Module, startMsMax });
  await running.stop();
}

/** Starts on what the last round left. What was killed may still hold the state for a moment: that is said, and tried again. */
async function startAgain(world: World): Promise<{
  readonly running: RunningProcesses;
  readonly refusedStarts: number;
  readonly startMs: number;
}> {
  const begun = performance.now();
  for (let refusedStarts = 0; ; refusedStarts++) {
    try {
      const running = await startProcesses(startOptionsOf(world));
      return { running, refusedStarts, startMs: Math.round(performance.now() - begun) };
    } catch (cause) {
      if (!(cause instanceof StartError) || performance.now() - begun > startMsMax) throw cause;
      world.options.report?.(`  refused: ${cause.message.trim().split('\n').at(-1)}`);
      await sleep(500);
    }
  }
}

async function killUnderLoad(world: World, round: number, target: KillTarget): Promise<Round> {
  const { running, refusedStarts, startMs } = await startAgain(world);
  const before = world.told.size;
  const afterMs = 100 + Math.floor(world.random() * 2_400);
  const load = startLoad(world, running, round);
  await sleep(afterMs);
  running.kill(target);
  const unanswered = await load.stop();
  // Whoever loses its main process, or kills only that one, starts anew at once: the rest may still be going down.
  if (target !== 'main') await Promise.race([running.exited, sleep(30_000)]);
  return { round, target, afterMs, accepted: world.told.size - before, unanswered, refusedStarts, startMs };
}

function startLoad(world: World, running: RunningProcesses, round: number) {
  let stopped = false;
  let unanswered = 0;
  const client = async (index: number) => {
    for (let nth = index; !stopped; nth++) {
      try {
        await postOne(world, running, round, nth);
      } catch {
        unanswered += 1;
        // The service is gone: this client has seen it die.
        if (unanswered > world.options.clients * 3) return;
      }
      await sleep(world.options.pauseMs);
    }
  };
  const clients = Promise.all(Array.from({ length: world.options.clients }, (_, index) => client(index)));
  return {
    async stop() {
      await sleep(300);
      stopped = true;
      await clients;
      return unanswered;
    },
  };
}

const profiles = ['device', 'service', 'svid'] as const;

async function postOne(world: World, running: RunningProcesses, round: number, nth: number): Promise<void> {
  const profile = profiles[nth % profiles.length]!;
  world.names += 1;
  const expectRefusal = world.names % 20 === 0;
  const label = `kill-${round}-${world.names}`;
  const key = profile !== 'device' && world.names % 2 === 0 ? newEd25519() : newP256();
  const domain = expectRefusal ? 'elsewhere.example' : 'fleet.example';
  const name = profile === 'svid' ? uri(`spiffe://${domain}/${label}`) : dns(`${label}.${domain}`);
  const body = pemOf(requestFor([name], key));
  const told: Told = { spkiSha256: sha256Hex(spkiOf(key.publicKey)), profile, expectRefusal };
  const issuanceId = await post(world, running, profile, body);
  if (issuanceId === undefined) return;
  world.told.set(issuanceId, told);
  if (world.names % 10 !== 0) return;
  // The same POST again is the same issuance, whatever became of it since.
  const again = await post(world, running, profile, body);
  if (again !== undefined && again !== issuanceId)
    world.unexpected.push(`the same POST was ${issuanceId}, then ${again}`);
}

/** The issuance id of a 202, or of what is settled already; undefined for a refusal. */
async function post(
  world: World,
  running: RunningProcesses,
  profile: string,
  body: string,
): Promise<string | undefined> {
  const response = await fetch(`${running.url}/v1/enrollments?profile=${profile}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${running.tokens.device}`, 'content-type': 'application/pkcs10' },
    body,
    signal: AbortSignal.timeout(20_000),
  });
  const text = await response.text();
  if (response.status === 202 || response.status === 200)
    return (JSON.parse(text) as { readonly issuanceId: string }).issuanceId;
  // A refusal decided by the time of the repeat, or a dependency that was killed: neither promises anything.
  if (response.status !== 422 && response.status !== 503)
    world.unexpected.push(`${response.status} ${text.slice(0, 200)}`);
  return undefined;
}

async function settleAndAudit(world: World, rounds: readonly Round[]): Promise<KillResult> {
  const { running } = await startAgain(world);
  const begun = performance.now();
  const ledgerPath = join(world.stateDir, 'ledger.sqlite');
  while (performance.now() - begun < settleMsMax && unsettledOf(ledgerPath) > 0) await sleep(1_000);
  const settleSeconds = Math.round(performance.now() - begun) / 1_000;
  const faults = await answersFaults(world, running);
  await running.stop();
  const audit = await auditState(world.stateDir, world.told);
  const spied =
    world.options.spyModule === undefined ? undefined : await auditSpyLog(world.stateDir, spyLogOf(world.stateDir));
  return {
    seed: world.options.seed,
    rounds,
    accepted: world.told.size,
    settleSeconds,
    audit,
    spied,
    unexpected: world.unexpected,
    faults: [
      ...audit.faults,
      ...(spied?.faults ?? []),
      ...faults,
      ...world.unexpected,
      ...(existsSync(`${ledgerPath}.pid`) ? ['a clean stop left its process id'] : []),
    ],
  };
}

/** Every issuance that a client was told of, asked for over HTTP as that client would. */
async function answersFaults(world: World, running: RunningProcesses): Promise<readonly string[]> {
  const faults: string[] = [];
  await mapConcurrently([...world.told], 16, async ([issuanceId, told]) => {
    const response = await fetch(`${running.url}/v1/enrollments/${issuanceId}`, {
      headers: { authorization: `Bearer ${running.tokens.device}` },
    });
    await response.arrayBuffer();
    const wanted = told.expectRefusal ? 422 : 200;
    if (response.status !== wanted)
      faults.push(`${issuanceId} (${told.profile}) is answered ${response.status}, not ${wanted}`);
  });
  return faults;
}
