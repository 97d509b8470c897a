import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { LoadSummary } from './client/messages.ts';
import { type Client, startClient } from './client.ts';
import { requestsMax } from './end-to-end.ts';
import { describeEnvironment, type Environment } from './environment.ts';
import { hierarchyVariant } from './hierarchy-variant.ts';
import { withTemporaryFolder, withUndo } from './interruption.ts';
import { cfsslSide } from './peers/cfssl.ts';
import { type PeersOptions, parsePeersOptions, peersUsage } from './peers/options.ts';
import { renderPeers } from './peers/report.ts';
import { disturbance, peersResult, type SideRun, unsoundness } from './peers/result.ts';
import { ourSide } from './peers/sealwright.ts';
import type { RunningSide, Side, SideName } from './peers/side.ts';
import { stepCaSide } from './peers/step-ca.ts';
import { makeTokenKey } from './peers/token-key.ts';
import { buildPeer, type PeerCommand, ToolchainError } from './peers/toolchain.ts';
import { renderEnvironment } from './report.ts';

/** Us and the peers in turn. Exit status 0 when every run was sound, 2 when something is missing on this machine. */
export async function run(args: readonly string[]): Promise<number> {
  const parsed = parsePeersOptions(args);
  if (parsed.kind === 'help') {
    process.stdout.write(peersUsage);
    return 0;
  }
  if (parsed.kind === 'usage') {
    process.stderr.write(`${parsed.faults.join('\n')}\n\n${peersUsage}`);
    return 2;
  }
  const { options } = parsed;
  try {
    return await withTemporaryFolder((dir) => measure(options, dir));
  } catch (cause) {
    if (!(cause instanceof ToolchainError)) throw cause;
    say(cause.message);
    return 2;
  }
}

async function measure(options: PeersOptions, dir: string): Promise<number> {
  const environment = describeEnvironment();
  requireDisk(environment, options);
  const sides = await buildSides(options, environment, dir);
  const client = startClient();
  const runs = await withUndo(client.stop, () => measureSides(options, sides, client, dir));
  const { connections, rounds, seconds, warmUp } = options;
  const report = [
    renderEnvironment(environment),
    `${rounds} rounds of ${seconds} s, ${connections} connections, warm-up ${warmUp} certificates\n`,
    `\n${renderPeers(sides, runs)}`,
  ].join('');
  if (options.json) {
    process.stderr.write(report);
    process.stdout.write(`${JSON.stringify(peersResult(runs))}\n`);
  } else {
    process.stdout.write(report);
  }
  const faults = runs.flatMap((one) =>
    unsoundness(one).map((fault) => `round ${one.round}, ${one.side}: NOT SOUND: ${fault}`),
  );
  for (const fault of faults) say(fault);
  const disturbed = disturbance(runs);
  if (disturbed !== undefined) say(disturbed);
  return faults.length === 0 ? 0 : 1;
}

function requireDisk({ disk }: Environment, { isTmpfsAccepted }: PeersOptions): void {
  if (disk.filesystem !== 'tmpfs') return;
  if (!isTmpfsAccepted)
    throw new ToolchainError(
      'the states would lie on tmpfs, where a sync costs nothing: set TMPDIR to a folder on a disk, or say --tmpfs',
    );
  say('THE STATES LIE ON TMPFS: a sync costs nothing, and the rates mean little');
}

async function buildSides(options: PeersOptions, environment: Environment, dir: string): Promise<readonly Side[]> {
  const { cacheDir, cpuProfileDir, hierarchyFile } = options;
  const hierarchyText = readFileSync(hierarchyFile, 'utf8');
  const peer = (name: PeerCommand) => buildPeer(name, cacheDir, say);
  const ours = { hierarchyText, sqlite: environment.sqlite, cpuProfileDir };
  const makers: Readonly<Record<SideName, () => Promise<Side>>> = {
    stepca: async () => stepCaSide(await peer('step-ca')),
    stepcaPkcs11: async () => {
      const { hierarchy } = hierarchyVariant(hierarchyText, () => false);
      return stepCaSide(await peer('step-ca'), await makeTokenKey(dir, requirePkcs11Module(), hierarchy));
    },
    cfsslSqlite: async () => cfsslSide(await peer('cfssl')),
    'sealwright-software': async () =>
      ourSide({ ...ours, name: 'sealwright-software', backend: 'software', isTls: true }),
    'sealwright-software-http': async () =>
      ourSide({ ...ours, name: 'sealwright-software-http', backend: 'software', isTls: false }),
    'sealwright-pkcs11': async () => {
      requirePkcs11Module();
      return ourSide({ ...ours, name: 'sealwright-pkcs11', backend: 'pkcs11', isTls: true });
    },
  };
  const sides: Side[] = [];
  for (const name of options.sides) sides.push(await makers[name]());
  return sides;
}

function requirePkcs11Module(): string {
  const module = process.env.SEALWRIGHT_PKCS11_MODULE;
  if (module === undefined || !existsSync(module))
    throw new ToolchainError('install SoftHSM 2 and set SEALWRIGHT_PKCS11_MODULE, or leave the sides with Pkcs11 out');
  return module;
}

/** More than this a second no side is expected to issue; when one does, its timed part ends with the requests. */
const ratePerSecondMax = 6_000;

async function measureSides(
  options: PeersOptions,
  sides: readonly Side[],
  client: Client,
  dir: string,
): Promise<readonly SideRun[]> {
  const { rounds, seconds, warmUp } = options;
  const count = Math.min(requestsMax, warmUp + seconds * ratePerSecondMax);
  say(`making ${count} requests with keys of their own, the same for all sides`);
  await client.ask({ kind: 'prepare', tag: 'bench', count }, 'prepared');
  const runs: SideRun[] = [];
  // A B C A B C: what changes on the machine meanwhile falls on all of them.
  for (let round = 1; round <= rounds; round++) {
    for (const side of sides) {
      const one = await measureSide(options, side, client, join(dir, `${round}-${side.name}`), round, count);
      runs.push(one);
      say(`round ${round} of ${rounds}, ${side.name}: ${(one.load.certificates / one.load.seconds).toFixed(0)}/s`);
    }
  }
  return runs;
}

async function measureSide(
  options: PeersOptions,
  side: Side,
  client: Client,
  dir: string,
  round: number,
  count: number,
): Promise<SideRun> {
  mkdirSync(dir);
  const running = await side.start(dir);
  const { warm, ...rest } = await withUndo(
    () => running.stop(),
    () => load(options, running, client, count),
  );
  return { side: side.name, round, ...rest, recorded: side.countRecorded(dir) - warm.certificates };
}

/** A warm-up that does not end by itself is a server that hangs. */
const warmUpSecondsMax = 120;

async function load(options: PeersOptions, running: RunningSide, client: Client, count: number) {
  const { connections, seconds, warmUp } = options;
  const { dialect, issuerPem, processes, target } = running;
  const loaded = async (from: number, to: number, secondsMax: number): Promise<LoadSummary> => {
    const task = { kind: 'load', target, dialect, range: { from, to }, connections, secondsMax } as const;
    return (await client.ask({ ...task, watch: processes }, 'loaded')).summary;
  };
  const warm = await loaded(0, warmUp, warmUpSecondsMax);
  const summary = await loaded(warmUp, count, seconds);
  const { summary: verification } = await client.ask({ kind: 'verify', issuerPem }, 'verified');
  return { warm, load: summary, ...verification, durability: running.durability() };
}

/** Progress, apart from the result. */
function say(text: string): void {
  process.stderr.write(`bench: ${text}\n`);
}
