import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { BackendKind } from '../shared/hierarchy/hierarchy.ts';
import {
  type BenchState,
  countState,
  createBenchState,
  loadPart,
  readStateOptions,
  say,
  startOver,
  stateOptions,
} from './bench-state.ts';
import type { LoadSummary, VerifySummary } from './client/messages.ts';
import { type Client, startClient } from './client.ts';
import { benchCommand } from './command.ts';
import { requestsMax } from './end-to-end.ts';
import { multiplyIssued } from './growth/multiply.ts';
import { withTemporaryFolder, withUndo } from './interruption.ts';
import { type ParsedOptions, readOptions } from './read-options.ts';
import type { MeasuredService } from './service.ts';
import { rounded, type Spread, spreadOf } from './spread.ts';

interface GrowthOptions {
  readonly json: boolean;
  readonly rows: number;
  readonly runs: number;
  readonly seconds: number;
  readonly connections: number;
  readonly warmUp: number;
  readonly backend: BackendKind;
  readonly hierarchyFile: string;
}

const usage = `Usage: npm run bench -- growth [OPTIONS]

Issuance end to end over an empty ledger and over one with many issued records, in turn: certificates/s and CPU.

  --rows N         issued records of the large ledger, with requests, intents, names and history (1000000)
  --runs N         timed parts over each (5)
  --seconds S      length of a timed part (5)
  --connections N  connections, each with one request under way (16)
  --warm-up N      certificates before the first part over each (1500)
  --backend B      software or pkcs11 (software)
  --hierarchy FILE CAs and profiles (hierarchy.yaml)
  --json           one JSON object as the last line of standard output
  --help           this text

Exit status 0 when every certificate was verified and every record is in both ledgers, before and after. The ratio of the
rates, large over empty, is told and not judged.
`;

function parse(args: readonly string[]): ParsedOptions<GrowthOptions> {
  const string = { type: 'string' } as const;
  const named = {
    rows: string,
    runs: string,
    seconds: string,
    connections: string,
    'warm-up': string,
    ...stateOptions,
  } as const;
  return readOptions(args, named, (reader) => {
    const { count, flag } = reader;
    return {
      json: flag('json'),
      rows: count('rows', 1_000_000, 1, 20_000_000),
      runs: count('runs', 5, 1, 100),
      seconds: count('seconds', 5, 1, 600),
      connections: count('connections', 16, 1, 1_000),
      warmUp: count('warm-up', 1_500, 1, requestsMax),
      ...readStateOptions(reader),
    };
  });
}

interface Side {
  readonly name: 'empty' | 'large';
  readonly state: BenchState;
  readonly parts: (LoadSummary & VerifySummary)[];
  /** Issued before the service of the timed parts was started. */
  issuedBefore: number;
}

export interface GrowthResult {
  readonly bench: 'growth';
  readonly rows: number;
  readonly backend: BackendKind;
  readonly sides: readonly {
    readonly name: string;
    readonly certificatesPerSecond: Spread;
    /** Null where the kernel does not say. */
    readonly cpuMsPerCertificate: Spread | null;
    readonly latencyMsP50: Spread;
    readonly latencyMsP99: Spread;
    readonly issuedBefore: number;
    readonly issuedAfter: number;
    readonly issuedExpected: number;
  }[];
  /** Large over empty, part by part. */
  readonly ratio: { readonly certificatesPerSecond: Spread; readonly cpuMsPerCertificate: Spread | null };
  readonly sound: boolean;
}

export const run = benchCommand({
  usage,
  parse,
  measure: (options) => withTemporaryFolder((dir) => measure(dir, options)),
  render,
  isSound: ({ sound }) => sound,
});

async function measure(dir: string, options: GrowthOptions): Promise<GrowthResult> {
  const client = startClient();
  return withUndo(client.stop, async () => {
    const sides: Side[] = [];
    for (const name of ['empty', 'large'] as const) {
      mkdirSync(join(dir, name));
      const state = createBenchState(join(dir, name), options.hierarchyFile, options.backend);
      await prepareState(state, client, name, name === 'large' ? options.rows : 0);
      sides.push({ name, state, parts: [], issuedBefore: countState(state, 'issued') });
    }
    await timed(sides, client, options);
    return resultOf(sides, options);
  });
}

const templates = 200;

/** A service makes the state and some certificates; both ledgers have had the same. */
async function prepareState(state: BenchState, client: Client, tag: string, rows: number): Promise<void> {
  const service = await startOver(state);
  await withUndo(
    () => service.stop(),
    () => loadPart(client, service, state, { tag: `first-${tag}`, count: templates, connections: 16, seconds: 600 }),
  );
  if (rows === 0) return;
  let told = 0;
  await multiplyIssued(state.ledgerPath, rows, (done) => {
    const tenth = Math.floor((done * 10) / rows);
    if (tenth > told) say(`${done} of ${rows} records`);
    told = tenth;
  });
}

/** Both services run all the time, and are loaded in turn: A B A B. */
async function timed(sides: readonly Side[], client: Client, options: GrowthOptions): Promise<void> {
  const { connections, runs, seconds, warmUp } = options;
  const [empty, large] = sides as readonly [Side, Side];
  const emptyService = await startOver(empty.state);
  await withUndo(
    () => emptyService.stop(),
    async () => {
      const largeService = await startOver(large.state);
      const both: readonly (readonly [Side, MeasuredService])[] = [
        [empty, emptyService],
        [large, largeService],
      ];
      await withUndo(
        () => largeService.stop(),
        async () => {
          let count = 0;
          for (const [{ name, state }, service] of both) {
            const part = { tag: `warm-${name}`, count: warmUp, connections, seconds: 600 };
            const warm = await loadPart(client, service, state, part);
            count = Math.max(count, Math.min(requestsMax, Math.ceil((warm.answered / warm.seconds) * seconds * 2.5)));
          }
          for (let number = 1; number <= runs; number++) {
            for (const [{ name, parts, state }, service] of both) {
              say(`part ${number} of ${runs} over the ${name} ledger`);
              parts.push(
                await loadPart(client, service, state, { tag: `${name}-${number}`, count, connections, seconds }),
              );
            }
          }
        },
      );
    },
  );
}

function resultOf(sides: readonly Side[], { backend, rows, warmUp }: GrowthOptions): GrowthResult {
  const rateOf = ({ certificates, seconds }: LoadSummary) => certificates / seconds;
  const cpuOf = ({ certificates, usage }: LoadSummary) =>
    usage.length === 0 ? undefined : usage.reduce((sum, { cpuMs }) => sum + cpuMs, 0) / Math.max(1, certificates);
  const told = sides.map(({ issuedBefore, name, parts, state }) => {
    const cpu = parts.flatMap((part) => cpuOf(part) ?? []);
    return {
      name,
      certificatesPerSecond: spread(parts.map(rateOf)),
      cpuMsPerCertificate: cpu.length === 0 ? null : spread(cpu),
      latencyMsP50: spread(parts.map(({ latencyMs }) => latencyMs.p50)),
      latencyMsP99: spread(parts.map(({ latencyMs }) => latencyMs.p99)),
      issuedBefore,
      issuedAfter: countState(state, 'issued'),
      issuedExpected: issuedBefore + warmUp + parts.reduce((sum, { certificates }) => sum + certificates, 0),
    };
  });
  const [empty, large] = sides.map(({ parts }) => parts) as [Side['parts'], Side['parts']];
  const pairs = large.map((part, index) => [empty[index]!, part] as const);
  const cpuRatios = pairs.flatMap(([one, other]) => {
    const [before, after] = [cpuOf(one), cpuOf(other)];
    return before === undefined || after === undefined ? [] : [after / before];
  });
  return {
    bench: 'growth',
    rows,
    backend,
    sides: told,
    ratio: {
      certificatesPerSecond: spread(pairs.map(([one, other]) => rateOf(other) / rateOf(one))),
      cpuMsPerCertificate: cpuRatios.length === 0 ? null : spread(cpuRatios),
    },
    sound:
      sides.every(({ parts }) =>
        parts.every(({ answered, certificates, verified }) => certificates === answered && verified === answered),
      ) &&
      told.every(({ issuedAfter, issuedExpected }) => issuedAfter === issuedExpected) &&
      told[1]!.issuedBefore === told[0]!.issuedBefore + rows,
  };
}

function spread(values: readonly number[]): Spread {
  const { max, median, min } = spreadOf(values)!;
  return { min: rounded(min, 3), median: rounded(median, 3), max: rounded(max, 3) };
}

function render({ backend, ratio, rows, sides, sound }: GrowthResult): string {
  const text = ({ max, median, min }: Spread) => `${median} (${min} to ${max})`;
  return `${[
    `${backend}, median (least to most)`,
    ...sides.flatMap((side) => [
      `${side.name}: ${side.issuedBefore} issued before, ${side.issuedAfter} after, ${side.issuedExpected} expected`,
      `  ${text(side.certificatesPerSecond)} certificates/s`,
      `  ${side.cpuMsPerCertificate === null ? 'unknown' : text(side.cpuMsPerCertificate)} ms of CPU each`,
      `  p50 ${text(side.latencyMsP50)} ms, p99 ${text(side.latencyMsP99)} ms`,
    ]),
    `${rows} records over none: ${text(ratio.certificatesPerSecond)} × the rate`,
    `  ${ratio.cpuMsPerCertificate === null ? 'unknown' : text(ratio.cpuMsPerCertificate)} × the CPU`,
    sound ? 'sound' : 'NOT sound: a certificate or a record is not there',
  ].join('\n')}\n`;
}
