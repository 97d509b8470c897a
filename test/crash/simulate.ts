/**
 * `npm run simulate -- --schedules N --seed S`: the pipeline under faults, in virtual time. Exit status 1 when a schedule was
 * not sound, 2 for arguments that cannot be read. docs/simulation.md says what is simulated.
 */
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { runDeliveries } from './simulator/deliveries.ts';
import {
  createBench,
  createEngine,
  emptyPart,
  type Failure,
  findMistake,
  hashText,
  type Part,
} from './simulator/engine.ts';
import { cellsOf, coverageOf, renderMatrix } from './simulator/matrix.ts';
import { mistakes } from './simulator/mistakes.ts';
import { runSchedules } from './simulator/run.ts';

interface Options {
  readonly schedules: number;
  readonly seed: number;
  readonly workers: number;
  readonly only: number | undefined;
  readonly plant: string | undefined;
  /** Instead of schedules: so many requests, every message of theirs delivered 1 to 10 times. */
  readonly deliveries: number | undefined;
  readonly json: boolean;
  readonly trace: boolean;
}

const failuresShown = 5;
const faultsShown = 6;

const usage = `usage: npm run simulate -- [--schedules N] [--seed S] [--workers W] [--json]
                           [--only SCHEDULE [--trace]] [--plant MISTAKE]
       npm run simulate -- --deliveries REQUESTS [--seed S] [--json]
MISTAKE is one of ${mistakes.map(({ name }) => name).join(', ')}
`;

function wholeNumber(text: string | undefined, otherwise: number, max: number): number {
  if (text === undefined) return otherwise;
  const value = Number(text);
  if (!/^\d+$/.test(text) || value > max) throw new RangeError(`'${text}' is no whole number up to ${max}`);
  return value;
}

function readOptions(argv: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      schedules: { type: 'string' },
      seed: { type: 'string' },
      workers: { type: 'string' },
      only: { type: 'string' },
      plant: { type: 'string' },
      deliveries: { type: 'string' },
      json: { type: 'boolean', default: false },
      trace: { type: 'boolean', default: false },
    },
  });
  const { plant, json, trace } = values;
  if (plant !== undefined && findMistake(plant) === undefined) throw new RangeError(`'${plant}' is no mistake`);
  return {
    schedules: wholeNumber(values.schedules, 2_000, 100_000_000),
    seed: wholeNumber(values.seed, 1, 2 ** 32 - 1),
    workers: Math.max(1, wholeNumber(values.workers, availableParallelism(), 256)),
    only: values.only === undefined ? undefined : wholeNumber(values.only, 0, 2 ** 31 - 1),
    plant,
    deliveries: values.deliveries === undefined ? undefined : wholeNumber(values.deliveries, 0, 5_000),
    json,
    trace,
  };
}

const print = (text: string) => void process.stdout.write(`${text}\n`);

function printFailures(failures: readonly Failure[], { seed, plant }: Options): void {
  for (const { schedule, aim, faults } of failures.slice(0, failuresShown)) {
    print(`\nschedule ${schedule} is not sound (${aim})`);
    for (const fault of faults.slice(0, faultsShown)) print(`  ${fault}`);
    if (faults.length > faultsShown) print(`  and ${faults.length - faultsShown} more`);
    const planted = plant === undefined ? '' : ` --plant ${plant}`;
    print(`  replay: npm run simulate -- --seed ${seed} --only ${schedule} --trace${planted}`);
  }
  if (failures.length > failuresShown) print(`\nand ${failures.length - failuresShown} more schedules`);
}

/** One schedule, with a line for everything that happens in it. */
async function replay(options: Options, schedule: number): Promise<number> {
  const mistake = options.plant === undefined ? undefined : findMistake(options.plant);
  const engine = await createEngine(options.seed, mistake);
  const part = emptyPart();
  const isSound = await engine.run(schedule, part, options.trace ? print : undefined);
  for (const { faults } of part.failures) for (const fault of faults) print(`not sound: ${fault}`);
  print(`schedule ${schedule} of seed ${options.seed}: ${isSound ? 'sound' : 'not sound'}, run hash ${hashText(part)}`);
  return isSound ? 0 : 1;
}

/** Every message 1 to 10 times, in no order, some after six minutes. */
async function redeliver({ json, seed }: Options, requests: number): Promise<number> {
  const outcome = await runDeliveries(await createBench(), requests, seed);
  const { acmPca, deliveries, deliveriesLate, hsm, posts, states, violations } = outcome;
  const isRight =
    violations.length === 0 &&
    states.issued === requests &&
    acmPca.certificates === acmPca.requests &&
    hsm.tbsCertificates === hsm.requests;
  if (json) print(JSON.stringify({ seed, ...outcome, isRight }));
  else {
    print(
      `${requests} distinct requests in ${posts} posts; ${deliveries} deliveries, ${deliveriesLate} after six minutes`,
    );
    print(`ACM PCA: ${acmPca.certificates} certificates for ${acmPca.requests} requests`);
    print(`HSM: ${hsm.tbsCertificates} TBSCertificates for ${hsm.requests} requests, signed ${hsm.signatures} times`);
    print(`ended: ${JSON.stringify(states)}`);
    for (const violation of violations) print(`not sound: ${violation}`);
    print(isRight ? 'each once' : 'not as it should be');
  }
  return isRight ? 0 : 1;
}

function progressBar(schedules: number): ((done: Part) => void) | undefined {
  if (!process.stderr.isTTY) return undefined;
  const columns = 40;
  const startedAt = performance.now();
  return ({ schedules: done, failures }) => {
    const filled = Math.round((done / schedules) * columns);
    const rate = Math.round(done / ((performance.now() - startedAt) / 1000));
    const bar = '█'.repeat(filled) + '░'.repeat(columns - filled);
    process.stderr.write(`\r\x1b[K${bar} ${done} of ${schedules}, ${rate}/s, ${failures.length} not sound`);
    if (done >= schedules) process.stderr.write('\r\x1b[K');
  };
}

async function run(options: Options): Promise<number> {
  const { schedules, seed, workers, plant, json } = options;
  const startedAt = performance.now();
  const onProgress = json ? undefined : progressBar(schedules);
  const sum = await runSchedules({
    seed,
    schedules,
    workers,
    plant,
    failuresMax: plant === undefined ? 20 : 1,
    ...(onProgress === undefined ? {} : { onProgress }),
  });
  const seconds = (performance.now() - startedAt) / 1000;
  const perSecond = Math.round(sum.schedules / seconds);
  const coverage = coverageOf(sum.hits);
  const hash = hashText(sum);
  if (json) {
    const { failures } = sum;
    print(
      JSON.stringify({ seed, schedules: sum.schedules, perSecond, hash, coverage, failures, cells: cellsOf(sum.hits) }),
    );
  } else {
    print('How often each call met each fault, and its work came back inside the token window (in), after');
    print('it (aft), or twice at once (2×):\n');
    print(renderMatrix(sum.hits));
    print(`\n${coverage.cells} cells, each hit at least ${coverage.hitMin} times; ${coverage.below20} below 20`);
    print(`${sum.schedules} schedules of seed ${seed} in ${seconds.toFixed(1)} s (${perSecond}/s), run hash ${hash}`);
    printFailures(sum.failures, options);
    print(
      sum.failures.length === 0 ? 'all sound' : `\n${sum.failures.length} of ${sum.schedules} schedules are not sound`,
    );
  }
  return sum.failures.length === 0 ? 0 : 1;
}

async function main(argv: readonly string[]): Promise<number> {
  let options: Options;
  try {
    options = readOptions(argv);
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n${usage}`);
    return 2;
  }
  if (options.deliveries !== undefined) return redeliver(options, options.deliveries);
  return options.only === undefined ? run(options) : replay(options, options.only);
}

// Who reads only the beginning of it has seen enough.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit();
  throw error;
});
process.exitCode = await main(process.argv.slice(2));
