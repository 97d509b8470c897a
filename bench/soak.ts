import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { BackendKind } from '../shared/hierarchy/hierarchy.ts';
import { countState, createBenchState, readStateOptions, say, startOver, stateOptions } from './bench-state.ts';
import { benchCommand } from './command.ts';
import { withTemporaryFolder, withUndo } from './interruption.ts';
import { type ParsedOptions, readOptions } from './read-options.ts';
import { type SoakProgress, soak } from './soak/load.ts';
import { probeOption, readSample, type Sample } from './soak/sample.ts';
import { isGrowing, type Point, type Slope, slopeOf } from './soak/slope.ts';
import { rounded } from './spread.ts';

interface SoakOptions {
  readonly json: boolean;
  readonly minutes: number;
  readonly rate: number | undefined;
  readonly connections: number;
  readonly sampleSeconds: number;
  readonly backend: BackendKind;
  readonly hierarchyFile: string;
}

const usage = `Usage: npm run bench -- soak [OPTIONS]

One service under load for a long time: its memory, open files and write-ahead log, and whether any of them grows.

  --minutes N         how long (30)
  --rate R|max        certificates a second, or as many as there are (max)
  --connections N     connections of each of the two clients, which send in turn (16)
  --sample-seconds N  time between two looks (10)
  --backend B         software or pkcs11 (software)
  --hierarchy FILE    CAs and profiles (hierarchy.yaml)
  --json              one JSON object as the last line of standard output
  --help              this text

A line is laid through the second half of the samples by least squares. Something grows when its slope is above two standard
errors, above 2 % of its mean an hour, and above 1 MiB (one open file) in that half. Exit status 0 when nothing grows, every answer was a
certificate that verifies, and every one is in the ledger. In the first minutes caches fill and code is compiled: what a run
of less than twenty shows as growth may be that.
`;

function parse(args: readonly string[]): ParsedOptions<SoakOptions> {
  const string = { type: 'string' } as const;
  const named = {
    minutes: string,
    rate: { type: 'string', default: 'max' },
    connections: string,
    'sample-seconds': string,
    ...stateOptions,
  } as const;
  return readOptions(args, named, (reader) => {
    const { count, flag, text } = reader;
    return {
      json: flag('json'),
      minutes: count('minutes', 30, 1, 10_000),
      rate: text('rate') === 'max' ? undefined : count('rate', 1, 1, 100_000),
      connections: count('connections', 16, 1, 1_000),
      sampleSeconds: count('sample-seconds', 10, 2, 600),
      ...readStateOptions(reader),
    };
  });
}

interface Line {
  readonly what: string;
  readonly first: number;
  readonly last: number;
  readonly max: number;
  /** Of the second half; null for too few samples. */
  readonly slope: Slope | null;
  readonly grows: boolean;
}

export interface SoakResult {
  readonly bench: 'soak';
  readonly backend: BackendKind;
  readonly minutes: number;
  readonly progress: SoakProgress;
  readonly recorded: number;
  readonly samples: readonly Sample[];
  readonly lines: readonly Line[];
  readonly ledgerBytesPerCertificate: number;
  readonly sound: boolean;
}

/** Of the mean, an hour: in the 30 minutes of a soak less than a collection moves. */
const shareMaxPerHour = 0.02;

export const run = benchCommand({
  usage,
  parse,
  measure: (options) => withTemporaryFolder((dir) => measure(dir, options)),
  render,
  isSound: ({ sound }) => sound,
});

async function measure(dir: string, options: SoakOptions): Promise<SoakResult> {
  const { backend, hierarchyFile, minutes, sampleSeconds } = options;
  const probeDir = join(dir, 'memory');
  mkdirSync(probeDir);
  const state = createBenchState(dir, hierarchyFile, backend);
  const service = await startOver(state, [probeOption(probeDir)]);
  const progress: SoakProgress = { certificates: 0, others: 0, verified: 0, faults: {} };
  const samples: Sample[] = [];
  await withUndo(
    () => service.stop(),
    async () => {
      const startedAt = performance.now();
      const look = setInterval(() => {
        const atMs = performance.now() - startedAt;
        const sample = readSample(probeDir, service.processes, state.ledgerPath, {
          atMs,
          issued: progress.certificates,
        });
        samples.push(sample);
        say(lineOf(sample));
      }, sampleSeconds * 1_000);
      try {
        await soak(service, state, options, progress);
      } finally {
        clearInterval(look);
      }
    },
  );
  const recorded = countState(state, 'issued');
  const lines = linesOf(samples);
  const { certificates, others, verified } = progress;
  return {
    bench: 'soak',
    backend,
    minutes,
    progress,
    recorded,
    samples,
    lines,
    ledgerBytesPerCertificate: Math.round((samples.at(-1)?.ledgerBytes ?? 0) / Math.max(1, certificates)),
    sound:
      lines.every(({ grows }) => !grows) &&
      others === 0 &&
      certificates > 0 &&
      verified === certificates &&
      recorded === certificates,
  };
}

const mib = (bytes: number) => (bytes / 2 ** 20).toFixed(1);

function lineOf({ atMs, issued, processes, walBytes }: Sample): string {
  const told = Object.entries(processes).map(
    ([name, one]) => `${name} ${mib(one.rss)} MiB, heap ${mib(one.heapLive)}, ${one.openFiles} files`,
  );
  return `${Math.round(atMs / 1_000)} s, ${issued} issued; ${told.join('; ')}; WAL ${mib(walBytes)} MiB`;
}

function linesOf(samples: readonly Sample[]): readonly Line[] {
  const names = Object.keys(samples[0]?.processes ?? {});
  const of = (what: string, read: (sample: Sample) => number, least: number): Line => {
    // Nothing is known of a heap before its first collection.
    const points = samples
      .map((sample): Point => ({ atMs: sample.atMs, value: read(sample) }))
      .filter(({ value }) => value > 0);
    const values = points.map(({ value }) => value);
    const half = points.slice(points.length >> 1);
    const slope = slopeOf(half) ?? null;
    const hours = ((half.at(-1)?.atMs ?? 0) - (half[0]?.atMs ?? 0)) / 3_600_000;
    return {
      what,
      first: values[0] ?? 0,
      last: values.at(-1) ?? 0,
      max: Math.max(0, ...values),
      slope,
      grows: slope !== null && isGrowing(slope, shareMaxPerHour) && slope.perHour * hours > least,
    };
  };
  return [
    ...names.flatMap((name) => [
      of(`${name}: resident memory`, ({ processes }) => processes[name]!.rss, 2 ** 20),
      of(`${name}: heap after collection`, ({ processes }) => processes[name]!.heapLive, 2 ** 20),
      of(`${name}: outside the heap`, ({ processes }) => processes[name]!.external, 2 ** 20),
      of(`${name}: open files`, ({ processes }) => processes[name]!.openFiles, 1),
    ]),
    of('write-ahead log', ({ walBytes }) => walBytes, 2 ** 20),
  ];
}

function render({ ledgerBytesPerCertificate, lines, minutes, progress, recorded, sound }: SoakResult): string {
  const { certificates, faults, others, verified } = progress;
  const told = lines.map(({ first, grows, last, max, slope, what }) => {
    const isCount = what.endsWith('files');
    const text = (value: number) => (isCount ? String(rounded(value, 1)) : `${mib(value)} MiB`);
    const line = slope === null ? 'too few samples' : `${text(slope.perHour)} ± ${text(slope.boundPerHour)} an hour`;
    return `${what}: ${text(first)} first, ${text(last)} last, ${text(max)} most; ${line}${grows ? ': GROWS' : ''}`;
  });
  return `${[
    `${certificates} certificates in ${minutes} min, ${verified} verified, ${recorded} recorded, ${others} other answers`,
    ...Object.entries(faults).map(([fault, times]) => `  ${times} × ${fault}`),
    ...told,
    `the ledger took ${ledgerBytesPerCertificate} bytes a certificate`,
    sound ? 'sound: nothing grows' : 'NOT sound',
  ].join('\n')}\n`;
}
