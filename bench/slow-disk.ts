import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { BackendKind } from '../shared/hierarchy/hierarchy.ts';
import {
  askLedger,
  countState,
  createBenchState,
  loadPart,
  readStateOptions,
  say,
  startOver,
  stateOptions,
} from './bench-state.ts';
import type { LoadSummary, VerifySummary } from './client/messages.ts';
import { startClient } from './client.ts';
import { benchCommand } from './command.ts';
import { requestsMax } from './end-to-end.ts';
import { withTemporaryFolder, withUndo } from './interruption.ts';
import { type ParsedOptions, readOptions } from './read-options.ts';
import type { CommitCount } from './slow-disk/slow-commits.ts';
import { rounded } from './spread.ts';

interface SlowDiskOptions {
  readonly json: boolean;
  readonly fsyncMs: readonly number[];
  readonly seconds: number;
  readonly connections: readonly number[];
  readonly warmUp: number;
  readonly backend: BackendKind;
  readonly hierarchyFile: string;
}

const usage = `Usage: npm run bench -- slow-disk [OPTIONS]

Issuance end to end while every sync takes longer, as on a slow disk: certificates/s, commits and how full they are.

  --fsync-ms LIST    milliseconds that each sync takes more (0,2,5,10)
  --seconds S        length of a timed part (5)
  --connections LIST numbers of connections, each with one request under way (16)
  --warm-up N        certificates before a timed part (300)
  --backend B        software or pkcs11 (software)
  --hierarchy FILE   CAs and profiles (hierarchy.yaml)
  --json             one JSON object as the last line of standard output
  --help             this text

The delay is put behind the sync of the log in the service's own process; the real one is made as well. Exit status 0 when every answer
was a certificate that verifies and is in the ledger.
`;

function parse(args: readonly string[]): ParsedOptions<SlowDiskOptions> {
  const string = { type: 'string' } as const;
  const named = {
    'fsync-ms': string,
    seconds: string,
    connections: string,
    'warm-up': string,
    ...stateOptions,
  } as const;
  return readOptions(args, named, (reader) => {
    const { count, counts, flag } = reader;
    return {
      json: flag('json'),
      fsyncMs: counts('fsync-ms', [0, 2, 5, 10], 0, 1_000),
      seconds: count('seconds', 5, 1, 600),
      connections: counts('connections', [16], 1, 1_000),
      warmUp: count('warm-up', 300, 1, requestsMax),
      ...readStateOptions(reader),
    };
  });
}

interface Part {
  readonly fsyncMs: number;
  readonly connections: number;
  readonly certificatesPerSecond: number;
  readonly latencyMs: { readonly p50: number; readonly p99: number };
  /** All threads of the service; null where the kernel does not say. */
  readonly cpuMsPerCertificate: number | null;
  readonly commitsPerCertificate: number;
  /** Moves of issuances that one commit made durable: what is received, approved, intended, issued. */
  readonly movesPerCommit: number;
  readonly msPerCommit: number;
  /** Of the wall clock, in COMMIT; the syncs of the ledger's log go on beside. */
  readonly shareInCommits: number;
  readonly sound: boolean;
}

export interface SlowDiskResult {
  readonly bench: 'slow-disk';
  readonly backend: BackendKind;
  readonly parts: readonly Part[];
  readonly sound: boolean;
}

export const run = benchCommand({
  usage,
  parse,
  measure: measureAll,
  render,
  isSound: ({ sound }) => sound,
});

async function measureAll(options: SlowDiskOptions): Promise<SlowDiskResult> {
  const parts: Part[] = [];
  for (const fsyncMs of options.fsyncMs) {
    for (const connections of options.connections) {
      say(`${fsyncMs} ms a sync, ${connections} connections`);
      parts.push(await withTemporaryFolder((dir) => measure(dir, options, fsyncMs, connections)));
    }
  }
  return { bench: 'slow-disk', backend: options.backend, parts, sound: parts.every(({ sound }) => sound) };
}

async function measure(dir: string, options: SlowDiskOptions, fsyncMs: number, connections: number): Promise<Part> {
  const { backend, hierarchyFile, seconds, warmUp } = options;
  const countsDir = join(dir, 'commits');
  mkdirSync(countsDir);
  const wrapper = new URL('slow-disk/slow-commits.ts', import.meta.url);
  wrapper.searchParams.set('ms', String(fsyncMs));
  wrapper.searchParams.set('dir', countsDir);
  const state = createBenchState(dir, hierarchyFile, backend);
  const service = await startOver(state, [`--import=${wrapper.href}`]);
  const client = startClient();
  const pid = service.processes.find(({ name }) => name === 'service')?.pid;
  const part = await withUndo(
    () => service.stop(),
    () =>
      withUndo(client.stop, async () => {
        const warmConnections = Math.max(16, connections);
        const warm = await loadPart(client, service, state, {
          tag: 'warm',
          count: warmUp,
          connections: warmConnections,
          seconds: 600,
        });
        const count = Math.min(requestsMax, Math.ceil((warm.answered / warm.seconds) * seconds * 2.5));
        const before = await countCommits(countsDir, pid);
        const loaded = await loadPart(client, service, state, { tag: 'slow', count, connections, seconds });
        return { loaded, before, after: await countCommits(countsDir, pid), warm: warm.certificates };
      }),
  );
  const moves = askLedger(state, 'SELECT count(*) FROM history') / Math.max(1, countState(state, 'issued'));
  return partOf(part, { fsyncMs, connections, moves, recorded: countState(state, 'issued') });
}

interface Loaded {
  readonly loaded: LoadSummary & VerifySummary;
  readonly before: CommitCount;
  readonly after: CommitCount;
  readonly warm: number;
}

function partOf(
  { after, before, loaded, warm }: Loaded,
  known: { readonly fsyncMs: number; readonly connections: number; readonly moves: number; readonly recorded: number },
): Part {
  const { answered, certificates, latencyMs, seconds, usage, verified } = loaded;
  const commits = after.commits - before.commits;
  const committedMs = after.committedMs - before.committedMs;
  const each = (value: number) => value / Math.max(1, certificates);
  const cpuMs = usage.reduce((sum, one) => sum + one.cpuMs, 0);
  return {
    fsyncMs: known.fsyncMs,
    connections: known.connections,
    certificatesPerSecond: rounded(certificates / seconds, 1),
    latencyMs: { p50: rounded(latencyMs.p50, 1), p99: rounded(latencyMs.p99, 1) },
    cpuMsPerCertificate: usage.length === 0 ? null : rounded(each(cpuMs), 3),
    commitsPerCertificate: rounded(each(commits), 3),
    movesPerCommit: rounded((known.moves * certificates) / Math.max(1, commits), 1),
    msPerCommit: rounded(committedMs / Math.max(1, commits), 2),
    shareInCommits: rounded(committedMs / (seconds * 1_000), 3),
    sound:
      certificates > 0 &&
      answered === certificates &&
      verified === certificates &&
      known.recorded === warm + certificates &&
      commits > 0,
  };
}

/** Of all threads of the service. The wrapper writes ten times a second. */
async function countCommits(dir: string, pid: number | undefined): Promise<CommitCount> {
  await delay(300);
  const counts = readdirSync(dir)
    .filter((name) => name.startsWith(`${pid}-`) && name.endsWith('.json'))
    .map((name) => JSON.parse(readFileSync(join(dir, name), 'utf8')) as CommitCount);
  return {
    commits: counts.reduce((sum, { commits }) => sum + commits, 0),
    committedMs: counts.reduce((sum, { committedMs }) => sum + committedMs, 0),
  };
}

function render({ backend, parts, sound }: SlowDiskResult): string {
  const columns = [
    'ms/commit +',
    'conn.',
    'certs/s',
    'p50 ms',
    'p99 ms',
    'commits/cert',
    'moves/commit',
    'ms/commit',
    'in commits',
  ];
  const rows = parts.map((part) => [
    part.fsyncMs,
    part.connections,
    part.certificatesPerSecond,
    part.latencyMs.p50,
    part.latencyMs.p99,
    part.commitsPerCertificate,
    part.movesPerCommit,
    part.msPerCommit,
    `${rounded(part.shareInCommits * 100, 0)} %`,
  ]);
  const line = (cells: readonly (string | number)[]) =>
    cells.map((cell, index) => String(cell).padStart(columns[index]!.length)).join('  ');
  const verdict = sound ? 'sound' : 'NOT sound: a certificate or a record is not there';
  return `${backend}\n${[columns, ...rows].map(line).join('\n')}\n${verdict}\n`;
}
