/** `npm run pca:conformance -- --target URL`: holds an ACM PCA endpoint, or AWS itself, against model and documentation. */
import { parseArgs } from 'node:util';
import { costUsd, pricesAsOf, publishedPrices } from '../../shared/inventory/prices.ts';
import { allCases } from './cases/index.ts';
import { modelSource } from './model.ts';
import { runReport, summaryLines, tableOf } from './report.ts';
import { type CaseResult, type ConformanceCase, runCases } from './suite.ts';
import { openWorld } from './world.ts';

const usage = `Usage: npm run pca:conformance -- --target URL|aws [OPTIONS]

Holds an endpoint of ACM PCA against the service model (${modelSource}) and the documentation.

  --target URL|aws   the endpoint, or AWS with the credentials of your environment
  --region R         Region (us-east-1)
  --account N        account that calls, twelve digits (000000000000; with AWS it has to be said)
  --only NAME        cases whose name contains NAME; again for more
  --allow-cost       with AWS: also the cases that create CAs and issue certificates, which AWS
                     bills. Every CA made is disabled and deleted at the end
  --all              print what passed too
  --list             print the cases and ask nobody
  --json             one JSON object as the last line of standard output
  --help             this text

Exit status: 0 all passed, 1 a case failed, 2 usage.
`;

/** Certificates and CAs that a run with --allow-cost makes, rounded up; the CAs live for minutes. */
const billed = { certificates: 150, authorities: 40, hours: 1 };
const hoursOfMonth = 730;
const accountOfEmulators = '000000000000';

interface Options {
  readonly url?: string;
  readonly region: string;
  readonly account: string;
  readonly only: readonly string[];
  readonly allowCost: boolean;
  readonly all: boolean;
  readonly list: boolean;
  readonly json: boolean;
}

function parse(args: readonly string[]) {
  return parseArgs({
    args: [...args],
    options: {
      target: { type: 'string' },
      region: { type: 'string', default: 'us-east-1' },
      account: { type: 'string' },
      only: { type: 'string', multiple: true, default: [] },
      'allow-cost': { type: 'boolean', default: false },
      all: { type: 'boolean', default: false },
      list: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  }).values;
}

function readOptions(values: ReturnType<typeof parse>): Options | readonly string[] {
  const { target, region, account, only, all, list, json } = values;
  const url = target !== undefined && URL.canParse(target) ? new URL(target) : undefined;
  // What is AWS is billed by AWS, and asked with the credentials of the environment: never as if it were an emulator.
  const isAws = target === 'aws' || url?.hostname.endsWith('.amazonaws.com') === true;
  const isUrl = !isAws && (url?.protocol === 'http:' || url?.protocol === 'https:');
  const faults = [
    ...(isUrl || target === 'aws' || list ? [] : ['--target: an http address of an emulator, or aws']),
    ...(isAws && account === undefined ? ['--account: with AWS, the account that calls'] : []),
    ...(/^[a-z]{2}(-[a-z]+)+-[0-9]$/.test(region) ? [] : ['--region: the name of a Region']),
    ...(/^[0-9]{12}$/.test(account ?? accountOfEmulators) ? [] : ['--account: twelve digits']),
  ];
  if (faults.length > 0) return faults;
  const allowCost = values['allow-cost'] || isUrl;
  const common = { region, account: account ?? accountOfEmulators, only, allowCost, all, list, json };
  return { ...(isUrl ? { url: target } : {}), ...common };
}

function costLine(): string {
  const month = costUsd(publishedPrices, 'acm-pca-general-purpose-ca-month', billed.authorities);
  const authorities = (month / hoursOfMonth) * billed.hours;
  const certificates = costUsd(publishedPrices, 'acm-pca-general-purpose-certificate', billed.certificates);
  const total = Math.ceil(authorities + certificates);
  const asOf = pricesAsOf(publishedPrices, ['acm-pca-general-purpose-ca-month', 'acm-pca-general-purpose-certificate']);
  const made = `${billed.authorities} CAs for up to an hour, ${billed.certificates} certificates`;
  return `AWS bills about ${total} USD for this run: ${made} (prices of ${asOf})\n`;
}

function progress(total: number): (result: CaseResult) => void {
  let done = 0;
  if (!process.stderr.isTTY) return () => undefined;
  return () => {
    done += 1;
    process.stderr.write(done === total ? '\r\u001b[K' : `\r${done} of ${total} cases`);
  };
}

async function run(options: Options, cases: readonly ConformanceCase[]): Promise<number> {
  const { url, region, account, allowCost } = options;
  const target = url ?? `aws ${region}`;
  if (url === undefined && allowCost) process.stderr.write(costLine());
  const startedAt = performance.now();
  const world = await openWorld({ region, ...(url === undefined ? {} : { url }) }, account);
  const results = await runCases(cases, world, { allowCost, onResult: progress(cases.length) });
  const left = await world.dispose();
  const seconds = Math.round(performance.now() - startedAt) / 1000;
  process.stdout.write(tableOf(results, options.all));
  for (const arn of left) process.stdout.write(`left behind: ${arn}\n`);
  process.stdout.write(`${summaryLines(target, results)}\n`);
  if (options.json) process.stdout.write(`${JSON.stringify(runReport(target, results, seconds, left))}\n`);
  return results.some(({ outcome }) => outcome === 'failed') ? 1 : 0;
}

async function main(args: readonly string[]): Promise<number> {
  const refuse = (faults: readonly string[]): number => {
    process.stderr.write(`${faults.join('\n')}\n\n${usage}`);
    return 2;
  };
  let values: ReturnType<typeof parse>;
  try {
    values = parse(args);
  } catch (cause) {
    return refuse([(cause as Error).message]);
  }
  if (values.help) {
    process.stdout.write(usage);
    return 0;
  }
  const options = readOptions(values);
  if (!('region' in options)) return refuse(options);
  const { only } = options;
  const cases = allCases.filter(({ name }) => only.length === 0 || only.some((part) => name.includes(part)));
  if (cases.length === 0) return refuse(['--only: no case has such a name; --list prints them']);
  if (!options.list) return run(options, cases);
  for (const { name, source, cost } of cases) process.stdout.write(`${source.padEnd(14)}${cost.padEnd(12)}${name}\n`);
  return 0;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (cause) {
  process.stderr.write(`pca:conformance: ${cause instanceof Error ? cause.message : String(cause)}\n`);
  process.exitCode = 1;
}
