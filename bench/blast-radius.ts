import { availableParallelism, loadavg } from 'node:os';
import { join } from 'node:path';
import { type BlastRadiusQuery, blastRadius } from '../shared/issuance/blast-radius.ts';
import { estimateFor } from '../shared/issuance/estimate-rotation.ts';
import { differencesFrom } from './blast-radius/brute-force.ts';
import { type BlastRadiusOptions, blastRadiusUsage, parseBlastRadiusOptions } from './blast-radius/options.ts';
import { type BlastRadiusWorld, leafSigners, openBlastRadiusWorld } from './blast-radius/world.ts';
import { benchCommand } from './command.ts';
import { withTemporaryFolder } from './interruption.ts';
import { percentile, rounded } from './spread.ts';

interface Latency {
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** CPU of the process over one call, garbage collection included. */
  readonly cpuP99Ms: number;
}

interface Measured {
  readonly rows: number;
  /** Of the root, of a CA and of an owner. */
  readonly headline: Readonly<Record<'root' | 'devices' | 'owner', Latency>>;
  readonly outstanding: number;
  readonly equalToBruteForce: boolean;
  readonly differences: readonly string[];
}

export interface BlastRadiusResult {
  readonly kind: 'blast-radius';
  readonly owners: number;
  readonly calls: number;
  readonly small: Measured;
  readonly large: Measured;
  /** Medians, large over small. */
  readonly ratio: Readonly<Record<'root' | 'devices', number>>;
  /** An estimate of the root's rotation that is not remembered, over the large ledger. */
  readonly estimate: Latency;
  readonly recount: {
    readonly equal: boolean;
    readonly certificates: number;
    readonly counters: number;
    readonly seconds: number;
    readonly memoryGrowthMiB: number;
  };
  /** One minute's, while it was measured. Where more wants to run than there are processors, what p99 is held against is CPU. */
  readonly loadAverage: number;
  readonly judgedBy: 'wall clock' | 'CPU';
  readonly sound: boolean;
}

const p99MsMax = 50;
const ratioMax = 1.2;
const subjects = ['root', 'devices', 'owner'] as const;
const queries: Readonly<Record<(typeof subjects)[number], BlastRadiusQuery>> = {
  root: { kind: 'authority', value: 'root' },
  devices: { kind: 'authority', value: 'devices' },
  owner: { kind: 'owner', value: 'plant-000007' },
};
const warmUpCalls = 30;
/** An edge of a day: there every figure is exact. */
const at = Date.parse('2026-11-23T00:00:00Z');

/** Exit status 0 when figures, latency and ratio are as they should be. */
export const run = benchCommand({
  usage: blastRadiusUsage,
  parse: parseBlastRadiusOptions,
  measure: (options) => withTemporaryFolder((dir) => measure(dir, options)),
  render,
  isSound: ({ sound }) => sound,
});

async function measure(dir: string, options: BlastRadiusOptions): Promise<BlastRadiusResult> {
  const { rows, smallRows, owners, calls } = options;
  const open = (name: string, count: number) =>
    openBlastRadiusWorld(join(dir, name), at, { rows: count, owners }, progress(`bench: ${name} ledger`, count));
  const small = await open('small', smallRows);
  const large = await open('large', rows);
  try {
    const times = await timed([small, large], calls);
    const [loadAverage = 0] = loadavg();
    const isBusy = loadAverage > availableParallelism();
    const measured = [await judged(small, smallRows, times[0]!), await judged(large, rows, times[1]!)] as const;
    const recounted = await recounting(large);
    const ratioOf = (subject: (typeof subjects)[number]) =>
      rounded(measured[1].headline[subject].p50Ms / measured[0].headline[subject].p50Ms, 3);
    const ratio = { root: ratioOf('root'), devices: ratioOf('devices') };
    const estimate = await estimating(large);
    const sound =
      measured.every(({ equalToBruteForce, headline }) => {
        return (
          equalToBruteForce && subjects.every((subject) => headline[subject][isBusy ? 'cpuP99Ms' : 'p99Ms'] <= p99MsMax)
        );
      }) &&
      ratio.root <= ratioMax &&
      recounted.equal;
    return {
      kind: 'blast-radius',
      owners,
      calls,
      small: measured[0],
      large: measured[1],
      ratio,
      estimate,
      recount: recounted,
      loadAverage: rounded(loadAverage, 2),
      judgedBy: isBusy ? 'CPU' : 'wall clock',
      sound,
    };
  } finally {
    small.close();
    large.close();
  }
}

interface Times {
  readonly wallMs: number[];
  readonly cpuMs: number[];
}
type TimesOf = Readonly<Record<(typeof subjects)[number], Times>>;

function noTimes(): Times {
  return { wallMs: [], cpuMs: [] };
}

/** Runs and notes what it took. */
async function noting(times: Times | undefined, act: () => Promise<unknown>): Promise<void> {
  const cpuBefore = process.cpuUsage();
  const startedAt = performance.now();
  await act();
  times?.wallMs.push(performance.now() - startedAt);
  const { user, system } = process.cpuUsage(cpuBefore);
  times?.cpuMs.push((user + system) / 1000);
}

/** Turn and turn about, so that both ledgers have the same machine. */
async function timed(worlds: readonly BlastRadiusWorld[], calls: number): Promise<readonly TimesOf[]> {
  const times = worlds.map((): TimesOf => ({ root: noTimes(), devices: noTimes(), owner: noTimes() }));
  for (let call = -warmUpCalls; call < calls; call++)
    for (const subject of subjects)
      for (const [index, world] of worlds.entries())
        await noting(call < 0 ? undefined : times[index]![subject], () => blastRadius(world.ports, queries[subject]));
  return times;
}

const estimates = 30;

async function estimating({ ports, rotation }: BlastRadiusWorld): Promise<Latency> {
  const root = await blastRadius(ports, queries.root);
  const times = noTimes();
  const subject = { kind: 'authorities', caIds: leafSigners, signer: undefined } as const;
  for (let call = 0; call < estimates; call++)
    await noting(times, () => estimateFor(rotation, subject, root.issued.byAuthority, at));
  return latencyOf(times);
}

function latencyOf({ wallMs, cpuMs }: Times): Latency {
  const at99 = (values: readonly number[]) =>
    rounded(
      percentile(
        values.toSorted((a, b) => a - b),
        0.99,
      ),
      2,
    );
  const sorted = wallMs.toSorted((a, b) => a - b);
  return { p50Ms: rounded(percentile(sorted, 0.5), 2), p99Ms: at99(wallMs), cpuP99Ms: at99(cpuMs) };
}

async function judged(world: BlastRadiusWorld, rows: number, times: TimesOf): Promise<Measured> {
  const latency = (subject: (typeof subjects)[number]) => latencyOf(times[subject]);
  const root = await blastRadius(world.ports, queries.root);
  const devices = await blastRadius(world.ports, queries.devices);
  const between = await blastRadius({ ...world.ports, clock: () => at + 45_296_000 }, queries.root);
  process.stderr.write(`bench: ${rows} certificates are counted one by one\n`);
  const differences = [
    ...differencesFrom(world.path, root, leafSigners),
    ...differencesFrom(world.path, devices, ['devices']),
    ...differencesFrom(world.path, between, leafSigners),
  ];
  return {
    rows,
    headline: { root: latency('root'), devices: latency('devices'), owner: latency('owner') },
    outstanding: root.issued.outstanding,
    equalToBruteForce: differences.length === 0 && root.issued.exact,
    differences: differences.slice(0, 20),
  };
}

async function recounting(world: BlastRadiusWorld): Promise<BlastRadiusResult['recount']> {
  process.stderr.write('bench: recount of the large ledger\n');
  let most = 0;
  const before = process.memoryUsage.rss();
  const look = setInterval(() => {
    most = Math.max(most, process.memoryUsage.rss());
  }, 20);
  const startedAt = performance.now();
  try {
    const { equal, certificates, counters } = await world.recount();
    const seconds = rounded((performance.now() - startedAt) / 1000, 1);
    return {
      equal,
      certificates,
      counters,
      seconds,
      memoryGrowthMiB: rounded(Math.max(0, most - before) / 2 ** 20, 1),
    };
  } finally {
    clearInterval(look);
  }
}

function progress(label: string, total: number): (done: number) => void {
  let told = 0;
  return (done) => {
    const tenth = Math.floor((done * 10) / total);
    if (tenth > told) process.stderr.write(`${label}: ${done} of ${total} certificates\n`);
    told = tenth;
  };
}

function render(result: BlastRadiusResult): string {
  const line = (subject: (typeof subjects)[number]) => {
    const of = ({ headline }: Measured) =>
      `p50 ${headline[subject].p50Ms} ms, p99 ${headline[subject].p99Ms} ms (CPU ${headline[subject].cpuP99Ms} ms)`;
    return `${subject.padEnd(8)} ${of(result.small)} of ${result.small.rows}; ${of(result.large)} of ${result.large.rows}`;
  };
  const { recount } = result;
  return `${[
    ...subjects.map(line),
    `ratio of the medians: root ${result.ratio.root}, devices ${result.ratio.devices}`,
    `estimate of a rotation, not remembered: p50 ${result.estimate.p50Ms} ms, p99 ${result.estimate.p99Ms} ms`,
    `equal to a count of all: ${result.small.equalToBruteForce}, ${result.large.equalToBruteForce}`,
    ...[...result.small.differences, ...result.large.differences].map((text) => `  ${text}`),
    `recount: ${recount.equal ? 'equal' : 'DIFFERS'}, ${recount.certificates} certificates, ${recount.counters} counters, ${recount.seconds} s, memory +${recount.memoryGrowthMiB} MiB`,
    `${result.sound ? 'sound' : 'NOT sound'}, by ${result.judgedBy} at a load average of ${result.loadAverage}`,
  ].join('\n')}\n`;
}
