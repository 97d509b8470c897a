import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { BackendKind } from '../shared/hierarchy/hierarchy.ts';
import { fillQueue } from './backlog/fill.ts';
import {
  askLedger,
  type BenchState,
  countState,
  createBenchState,
  loadPart,
  readStateOptions,
  say,
  startOver,
  stateOptions,
} from './bench-state.ts';
import { startClient } from './client.ts';
import { benchCommand } from './command.ts';
import { enrolmentHead } from './end-to-end.ts';
import { withTemporaryFolder, withUndo } from './interruption.ts';
import { type ParsedOptions, readOptions } from './read-options.ts';
import type { MeasuredService } from './service.ts';
import { probeOption, readProcess } from './soak/sample.ts';
import { rounded } from './spread.ts';

interface BacklogOptions {
  readonly json: boolean;
  readonly queued: number;
  readonly seconds: number;
  readonly connections: number;
  readonly memoryMibMax: number;
  readonly backend: BackendKind;
  readonly hierarchyFile: string;
}

const usage = `Usage: npm run bench -- backlog [OPTIONS]

A service is started over a queue that holds many requests: its memory while it drains them, and while more are sent to it.

  --queued N        requests in the queue, received and not looked at yet (1000000)
  --seconds S       length of each of the two parts (60)
  --connections N   that send more in the second part, without waiting for certificates (16)
  --memory-mib N    the service's resident memory may grow to this (600)
  --backend B       software or pkcs11 (software)
  --hierarchy FILE  CAs and profiles (hierarchy.yaml)
  --json            one JSON object as the last line of standard output
  --help            this text

New requests may be refused with 503: that the queue is too deep is the service's to say. Exit status 0 when the memory stayed
below its bound, the queue got shorter, and every request that was taken is in the ledger.
`;

function parse(args: readonly string[]): ParsedOptions<BacklogOptions> {
  const string = { type: 'string' } as const;
  const named = {
    queued: string,
    seconds: string,
    connections: string,
    'memory-mib': string,
    ...stateOptions,
  } as const;
  return readOptions(args, named, (reader) => {
    const { count, flag } = reader;
    return {
      json: flag('json'),
      queued: count('queued', 1_000_000, 100, 20_000_000),
      seconds: count('seconds', 60, 2, 3_600),
      connections: count('connections', 16, 1, 1_000),
      memoryMibMax: count('memory-mib', 600, 50, 100_000),
      ...readStateOptions(reader),
    };
  });
}

interface Phase {
  readonly phase: 'draining' | 'draining and accepting';
  readonly seconds: number;
  readonly issued: number;
  readonly accepted: number;
  /** Answered in another way: 503 while the queue is too deep. */
  readonly refused: number;
  /** Resident memory of the service at its first look, its last and its largest, in MiB. */
  readonly rssMib: { readonly first: number; readonly last: number; readonly max: number };
}

export interface BacklogResult {
  readonly bench: 'backlog';
  readonly backend: BackendKind;
  readonly queued: number;
  /** Resident memory of a service that has issued a few certificates and has no queue, in MiB. */
  readonly idleMib: number;
  readonly startSeconds: number;
  readonly phases: readonly Phase[];
  readonly recordsExpected: number;
  readonly records: number;
  readonly memoryMibMax: number;
  readonly sound: boolean;
}

export const run = benchCommand({
  usage,
  parse,
  measure: (options) => withTemporaryFolder((dir) => measure(dir, options)),
  render,
  isSound: ({ sound }) => sound,
});

const firstCertificates = 500;
const toMib = (bytes: number) => rounded(bytes / 2 ** 20, 1);

async function measure(dir: string, options: BacklogOptions): Promise<BacklogResult> {
  const { backend, connections, hierarchyFile, memoryMibMax, queued, seconds } = options;
  const probeDir = join(dir, 'memory');
  mkdirSync(probeDir);
  const state = createBenchState(dir, hierarchyFile, backend);
  const idleMib = await firstService(state, probeDir);
  let told = 0;
  await fillQueue(state, queued, (done) => {
    const tenth = Math.floor((done * 10) / queued);
    if (tenth > told) say(`${done} of ${queued} requests in the queue`);
    told = tenth;
  });
  const before = countRecords(state);
  const startedAt = performance.now();
  const service = await startOver(state, [probeOption(probeDir)]);
  const startSeconds = rounded((performance.now() - startedAt) / 1_000, 1);
  const phases = await withUndo(
    () => service.stop(),
    async () => [
      await phaseOf('draining', state, service, probeDir, () => delay(seconds * 1_000).then(() => 0)),
      await phaseOf('draining and accepting', state, service, probeDir, () =>
        sendMore(service, state, connections, seconds),
      ),
    ],
  );
  const recordsExpected = before + phases.reduce((sum, { accepted }) => sum + accepted, 0);
  const records = countRecords(state);
  return {
    bench: 'backlog',
    backend,
    queued,
    idleMib,
    startSeconds,
    phases,
    recordsExpected,
    records,
    memoryMibMax,
    sound:
      before === queued + firstCertificates &&
      records === recordsExpected &&
      phases.every(({ issued, rssMib }) => issued > 0 && rssMib.max <= memoryMibMax),
  };
}

const countRecords = (state: BenchState) => askLedger(state, 'SELECT count(*) FROM issuances');

/** Makes the state and a few certificates; answers what a service without a queue takes. */
async function firstService(state: BenchState, probeDir: string): Promise<number> {
  const service = await startOver(state, [probeOption(probeDir)]);
  const client = startClient();
  return withUndo(
    () => service.stop(),
    () =>
      withUndo(client.stop, async () => {
        await loadPart(client, service, state, {
          tag: 'first',
          count: firstCertificates,
          connections: 16,
          seconds: 600,
        });
        await delay(2_000);
        return rssMibOf(service, probeDir);
      }),
  );
}

function rssMibOf(service: MeasuredService, probeDir: string): number {
  const process = service.processes.find(({ name }) => name === 'service');
  return process === undefined ? 0 : toMib(readProcess(probeDir, process).rss);
}

async function phaseOf(
  phase: Phase['phase'],
  state: BenchState,
  service: MeasuredService,
  probeDir: string,
  act: () => Promise<number>,
): Promise<Phase> {
  say(phase);
  await delay(1_500);
  const counts = () => ({ issued: countState(state, 'issued'), records: countRecords(state) });
  const before = counts();
  const looks = [rssMibOf(service, probeDir)];
  const look = setInterval(() => looks.push(rssMibOf(service, probeDir)), 1_000);
  const startedAt = performance.now();
  try {
    const answered = await act();
    const after = counts();
    const accepted = after.records - before.records;
    return {
      phase,
      seconds: rounded((performance.now() - startedAt) / 1_000, 1),
      issued: after.issued - before.issued,
      accepted,
      refused: Math.max(0, answered - accepted),
      rssMib: { first: looks[0]!, last: looks.at(-1)!, max: Math.max(...looks) },
    };
  } finally {
    clearInterval(look);
  }
}

const requestsASecondMax = 1_000;

/** Enrolments that are answered at once, with 202; answers how many had an answer. */
async function sendMore(
  service: MeasuredService,
  state: BenchState,
  connections: number,
  seconds: number,
): Promise<number> {
  const client = startClient();
  return withUndo(client.stop, async () => {
    const count = Math.min(50_000, seconds * requestsASecondMax);
    await client.ask({ kind: 'prepare', tag: 'more', count }, 'prepared');
    const head = enrolmentHead(service, state.profile).replace('prefer: wait=10\r\n', '');
    const { summary } = await client.ask(
      {
        kind: 'load',
        target: { host: service.host, port: service.port },
        dialect: { kind: 'sealwright', head },
        connections,
        secondsMax: seconds,
        watch: service.processes,
      },
      'loaded',
    );
    return summary.answered;
  });
}

function render({
  backend,
  idleMib,
  memoryMibMax,
  phases,
  queued,
  records,
  recordsExpected,
  sound,
  startSeconds,
}: BacklogResult): string {
  return `${[
    `${backend}: ${queued} requests in the queue; started in ${startSeconds} s; ${idleMib} MiB without a queue`,
    ...phases.map(
      ({ accepted, issued, phase, refused, rssMib, seconds }) =>
        `${phase}, ${seconds} s: ${issued} issued, ${accepted} taken, ${refused} refused; ` +
        `${rssMib.first} MiB first, ${rssMib.last} last, ${rssMib.max} most`,
    ),
    `${records} records, ${recordsExpected} expected; memory bound ${memoryMibMax} MiB`,
    sound ? 'sound' : 'NOT sound',
  ].join('\n')}\n`;
}
