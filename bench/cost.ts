/** `npm run bench -- cost`: what a million certificates cost on AWS by line, and what a deployment costs a month. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type PriceList, publishedPrices, readPriceList } from '../shared/inventory/prices.ts';
import {
  billUsd,
  type Deployment,
  hsmDeployment,
  type MonthlyLine,
  managedDeployment,
  monthlyBill,
} from './cost/monthly.ts';
import { measureSdkCallMs } from './cost/sdk-cpu.ts';
import {
  type CostPath,
  type CpuUse,
  costOfMillion,
  defaultAssumptions,
  type LedgerUse,
  type Lever,
  leversOf,
  type MillionCost,
  writeUnitsWithin,
} from './cost/usage.ts';
import type { Stage } from './stages/stage.ts';
import { measureStages } from './stages.ts';

const usage = `Usage: npm run bench -- cost [OPTIONS]

What a million certificates cost on AWS by line, without the CA's fees, and what stands there a month.
DynamoDB's request units are those of docs/data-model-costs.json; CPU is measured now, on this machine.

  --batch N         certificates of a batch, one of docs/data-model-costs.json (10)
  --prices FILE     prices of yours (shared/inventory/prices.json)
  --stages N        calls of each stage in its measurement (500)
  --hierarchy FILE  CAs and profiles (hierarchy.yaml)
  --json            one JSON object as the last line of standard output
  --help            this text
`;

const root = join(import.meta.dirname, '..');
const costsFile = join(root, 'docs', 'data-model-costs.json');
const aimUsdPerMillion = 15;
const sdkCalls = 400;

function readPrices(file: string | undefined): PriceList {
  if (file === undefined) return publishedPrices;
  const reading = readPriceList(JSON.parse(readFileSync(file, 'utf8')));
  if (!reading.ok) throw new Error(`${file}:\n  ${reading.faults.join('\n  ')}`);
  return reading.list;
}

/** Measured request units by path, of one batch size. */
function readLedgerUse(batch: number): readonly LedgerUse[] {
  if (!existsSync(costsFile)) {
    throw new Error('docs/data-model-costs.json is not there; type: SEALWRIGHT_WRITE_COSTS=1 npm run test:aws');
  }
  const { certificates } = JSON.parse(readFileSync(costsFile, 'utf8')) as {
    readonly certificates: readonly LedgerUse[];
  };
  const found = certificates.filter((one) => one.batch === batch);
  const sizes = [...new Set(certificates.map((one) => one.batch))].join(', ');
  if (found.length === 0) throw new Error(`--batch: docs/data-model-costs.json has batches of ${sizes}`);
  return found;
}

/** CPU of each handler, from the stages that it goes through. */
function cpuOf(stages: readonly Stage[], path: CostPath, sdkCallMs: number): CpuUse {
  const ms = (name: string): number => {
    const found = stages.find(({ stage }) => stage.startsWith(name));
    if (found === undefined) throw new Error(`the bench has no stage ${name}`);
    return found.cpuUsPerCall / 1000;
  };
  const request = ms('parse the request') + ms('proof of possession') + ms('policy');
  const front = ms('enrol handler');
  const signature = path === 'pkcs11' ? (stages.find((one) => one.backend === 'pkcs11')?.cpuUsPerCall ?? 0) / 1000 : 0;
  return {
    enrollMs: request + front,
    certificatesMs: front,
    validatorMs: request,
    signerMs: request + ms('draft, lints') + ms('verify what was issued') + signature,
    sdkCallMs,
  };
}

interface Judged extends MillionCost {
  readonly levers: readonly Lever[];
  /** Write units a certificate that would keep the aim on demand. */
  readonly writeUnitsWithinAim: number;
}

const usd = (amount: number): string => amount.toFixed(2).padStart(10);
const shown = (value: number): string =>
  (value >= 0.01 || value === 0 ? value.toFixed(2) : value.toExponential(1)).padStart(10);

function millionTable({ path, batch, lines, usdPerMillion, durationMs, levers, writeUnitsWithinAim }: Judged): string {
  const rows = lines.map((one) => `  ${one.line.padEnd(30)}${shown(one.perCertificate)}${usd(one.usdPerMillion)}`);
  const spent = Object.entries(durationMs).map(([name, ms]) => `${name} ${ms.toFixed(1)}`);
  const verdict = usdPerMillion <= aimUsdPerMillion ? 'within' : 'over';
  return [
    `A million certificates, CA ${path}, batches of ${batch}, without the fees of the CA`,
    `  ${'line'.padEnd(30)}${'each'.padStart(10)}${'USD'.padStart(10)}`,
    ...rows,
    `  ${`sum; ${verdict} the aim of ${aimUsdPerMillion} USD`.padEnd(40)}${usd(usdPerMillion)}`,
    ...levers.map(({ lever, usdPerMillion: amount }) => `  ${`with ${lever}`.padEnd(60).slice(0, 60)}${usd(amount)}`),
    `  the aim leaves room for ${writeUnitsWithinAim.toFixed(1)} write units a certificate, on demand`,
    `  ms of a function for each certificate: ${spent.join(', ')}`,
    '',
  ].join('\n');
}

function monthlyTable(title: string, lines: readonly MonthlyLine[]): string {
  const rows = lines.map(
    ({ line, quantity, usd: amount }) => `  ${line.padEnd(36)}${quantity.toFixed(0).padStart(12)}${usd(amount)}`,
  );
  return [title, ...rows, `  ${'sum'.padEnd(48)}${usd(billUsd(lines))}`, ''].join('\n');
}

async function measureCpu(hierarchyFile: string, iterations: number) {
  process.stderr.write('measuring the CPU of each stage, and of a call through the SDK\n');
  const { stages } = await measureStages({ hierarchyFile, iterations, isTls: false });
  return { stages, sdkCallMs: await measureSdkCallMs(sdkCalls) };
}

function parse(args: readonly string[]) {
  return parseArgs({
    args: [...args],
    options: {
      batch: { type: 'string', default: '10' },
      prices: { type: 'string' },
      stages: { type: 'string', default: '500' },
      hierarchy: { type: 'string', default: 'hierarchy.yaml' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  }).values;
}

/** Runs the command; exit status 2 for a wrong command line. */
export async function run(args: readonly string[]): Promise<number> {
  let values: ReturnType<typeof parse>;
  try {
    values = parse(args);
    if (!/^[1-9]\d{0,4}$/.test(values.stages)) throw new Error('--stages: a whole number from 1 to 99999');
  } catch (cause) {
    process.stderr.write(`${(cause as Error).message}\n\n${usage}`);
    return 2;
  }
  if (values.help) {
    process.stdout.write(usage);
    return 0;
  }
  const prices = readPrices(values.prices);
  const ledgers = readLedgerUse(Number(values.batch));
  const { stages, sdkCallMs } = await measureCpu(values.hierarchy, Number(values.stages));
  const certificates = ledgers.map((ledger): Judged => {
    const used = { ledger, cpu: cpuOf(stages, ledger.path, sdkCallMs), assumptions: defaultAssumptions };
    return {
      ...costOfMillion(prices, used),
      levers: leversOf(prices, used),
      writeUnitsWithinAim: writeUnitsWithin(prices, used, aimUsdPerMillion),
    };
  });
  const months = (
    [
      ['A month with three CAs at ACM PCA, issuing nothing', managedDeployment],
      ['A month with two HSMs, issuing nothing', hsmDeployment],
    ] as const
  ).map(([title, deployment]: readonly [string, Deployment]) => ({ title, lines: monthlyBill(prices, deployment) }));
  process.stdout.write(certificates.map(millionTable).join('\n'));
  process.stdout.write(`\n${months.map(({ title, lines }) => monthlyTable(title, lines)).join('\n')}`);
  process.stdout.write(
    `\nPrices of ${certificates[0]?.pricesAsOf}, ${prices.region}; docs/deploy.md says what is assumed.\n`,
  );
  if (values.json) {
    const monthly = months.map(({ title, lines }) => ({ title, usd: billUsd(lines), lines }));
    const answer = {
      aimUsdPerMillion,
      region: prices.region,
      sdkCallMs,
      assumptions: defaultAssumptions,
      certificates,
      monthly,
    };
    process.stdout.write(`${JSON.stringify(answer)}\n`);
  }
  return 0;
}
