/** `npm run bench -- bundles`: the size of each function's bundle, and how long it takes to come up. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { type Column, renderTable } from '../cli/terminal/table.ts';
import {
  bundleBytesMax,
  type PackagedFunction,
  packageDeployment,
  packagedFunctions,
} from '../localstack/emulators/package.ts';
import { moduleShares } from './bundles/modules.ts';

const usage = `Usage: npm run bench -- bundles [OPTIONS]

Packages serverless.yml and imports each bundle in a process of its own, on this Node, as a cold start does.

  --runs N        imports of each bundle; the median counts (5)
  --modules LIST  instead: of these folders of functions/, the ten modules that take most of the CPU of coming up
  --json          one JSON object as the last line of standard output
  --help          this text
`;

/** What serverless.yml gives a function; nothing is called while it comes up. */
const queue = 'https://sqs.us-east-1.amazonaws.com/111122223333/queue';
const environment = {
  SEALWRIGHT_STACK: 'aws',
  SEALWRIGHT_BACKENDS: 'acm-pca',
  SEALWRIGHT_TABLE: 'sealwright',
  SEALWRIGHT_AUDIT_BUCKET: 'sealwright-audit',
  SEALWRIGHT_QUEUE_ENROLMENT: queue,
  SEALWRIGHT_QUEUE_ENROLMENT_DEAD: queue,
  SEALWRIGHT_QUEUE_SIGNING_ACM_PCA: queue,
  SEALWRIGHT_QUEUE_SIGNING_ACM_PCA_DEAD: queue,
  AWS_REGION: 'us-east-1',
  AWS_ACCESS_KEY_ID: 'none',
  AWS_SECRET_ACCESS_KEY: 'none',
  POWERTOOLS_DEV: 'false',
};

export interface MeasuredBundle {
  readonly function: string;
  readonly bytes: number;
  readonly zipBytes: number;
  readonly initMs: number;
  readonly runs: readonly number[];
}

const measure = `
const from = performance.now();
await import(process.argv[1]);
process.stdout.write(String(performance.now() - from));
process.exit(0);
`;

function importMs(folder: string, file: string): number {
  const done = spawnSync(process.execPath, ['--input-type=module', '-e', measure, join(folder, file)], {
    cwd: folder,
    env: environment,
    encoding: 'utf8',
    timeout: 60_000,
  });
  const ms = Number(done.stdout);
  if (done.status !== 0 || !(ms > 0)) throw new Error(`${file} does not come up: ${done.stderr.slice(0, 2_000)}`);
  return ms;
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

function measureBundle(
  { bundle, entries, name, zipBytes }: PackagedFunction,
  folder: string,
  runs: number,
): MeasuredBundle {
  for (const entry of entries) {
    mkdirSync(join(folder, dirname(entry.name)), { recursive: true });
    writeFileSync(join(folder, entry.name), entry.bytes);
  }
  const times = Array.from({ length: runs }, () => Math.round(importMs(folder, bundle.name) * 10) / 10);
  return { function: name, bytes: bundle.bytes.byteLength, zipBytes, initMs: median(times), runs: times };
}

const columns: readonly Column[] = [
  { header: 'function', widthMin: 16 },
  { header: 'KiB', align: 'right', widthMin: 6 },
  { header: 'zip KiB', align: 'right', widthMin: 7 },
  { header: 'init ms', align: 'right', widthMin: 7 },
  { header: '', widthMin: 10 },
];

const kib = (bytes: number) => (bytes / 1024).toFixed(0);

const modulesShown = 10;

async function tellModules(functions: readonly string[], folder: string, json: boolean): Promise<number> {
  const told = [];
  for (const name of functions) told.push({ function: name, modules: await moduleShares(name, folder, environment) });
  if (json) process.stdout.write(`${JSON.stringify({ node: process.versions.node, functions: told })}\n`);
  else
    for (const { function: name, modules } of told) {
      process.stdout.write(`${name}: ms of CPU\n`);
      for (const { module, ms } of modules.slice(0, modulesShown))
        process.stdout.write(`${ms.toFixed(1).padStart(8)}  ${module}\n`);
    }
  return 0;
}

export async function run(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      runs: { type: 'string', default: '5' },
      modules: { type: 'string' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  const runs = /^\d{1,3}$/.test(values.runs) ? Number(values.runs) : 0;
  if (values.help || runs < 1) {
    (values.help ? process.stdout : process.stderr).write(usage);
    return values.help ? 0 : 2;
  }
  const folder = mkdtempSync(join(tmpdir(), 'sealwright-bundles-'));
  try {
    if (values.modules !== undefined) return await tellModules(values.modules.split(','), folder, values.json);
    process.stderr.write('bench: packaging serverless.yml\n');
    packageDeployment(join(folder, 'package'), 'dev');
    const bundles = packagedFunctions(join(folder, 'package')).map((one) => {
      process.stderr.write(`bench: ${one.name}\n`);
      return measureBundle(one, join(folder, one.name), runs);
    });
    const rows = bundles.map(({ bytes, function: name, initMs, zipBytes }) => [
      name,
      kib(bytes),
      kib(zipBytes),
      initMs.toFixed(1),
      bytes > bundleBytesMax ? 'over 600 KiB' : '',
    ]);
    if (!values.json) process.stdout.write(renderTable(columns, rows, { color: false }));
    else
      process.stdout.write(`${JSON.stringify({ node: process.versions.node, bytesMax: bundleBytesMax, bundles })}\n`);
    return 0;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
