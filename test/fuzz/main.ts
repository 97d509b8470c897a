/**
 * `npm run fuzz -- --inputs N --seed S`: changed certification requests through our parser and, beside it, that of
 * @peculiar/asn1-csr. Exit status 1 for a crash, a hang or a disagreement that no rule of ours explains, 2 for arguments that
 * cannot be read. docs/fuzzing.md says what is compared.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Finding, Part } from './findings.ts';
import { makeInput } from './inputs.ts';
import { judge } from './judge.ts';
import { createMaterial } from './material.ts';
import { runInputs } from './run.ts';
import { strictnessClasses } from './strictness.ts';

interface Options {
  readonly inputs: number;
  readonly seed: number;
  readonly workers: number;
  readonly only: number | undefined;
  readonly keep: string;
  readonly json: boolean;
}

const usage = `usage: npm run fuzz -- [--inputs N] [--seed S] [--workers W] [--keep DIR] [--json]
       npm run fuzz -- --only INDEX [--seed S]
  --inputs N    inputs (200000)
  --seed S      the same seed makes the same inputs (1)
  --workers W   threads (one a processor)
  --keep DIR    where the smallest input of each finding is kept (fuzz-findings)
  --only INDEX  one input: what it is and what comes of it
  --json        one JSON object as the last line of standard output
`;

function wholeNumber(text: string | undefined, otherwise: number, max: number): number {
  if (text === undefined) return otherwise;
  const value = Number(text);
  if (!/^\d+$/.test(text) || value > max) throw new RangeError(`'${text}' is no whole number up to ${max}`);
  return value;
}

function readOptions(argv: readonly string[]): Options | undefined {
  const string = { type: 'string' } as const;
  const { values } = parseArgs({
    args: [...argv],
    options: {
      inputs: string,
      seed: string,
      workers: string,
      only: string,
      keep: { type: 'string', default: 'fuzz-findings' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) return undefined;
  return {
    inputs: wholeNumber(values.inputs, 200_000, 2 ** 31 - 1),
    seed: wholeNumber(values.seed, 1, 2 ** 32 - 1),
    workers: Math.max(1, wholeNumber(values.workers, availableParallelism(), 256)),
    only: values.only === undefined ? undefined : wholeNumber(values.only, 0, 2 ** 31 - 1),
    keep: values.keep,
    json: values.json,
  };
}

const print = (text: string) => void process.stdout.write(`${text}\n`);

/** A bar on a terminal; elsewhere a line a minute, for a log. */
function progress(inputs: number): (done: Part) => void {
  const columns = 36;
  const startedAt = performance.now();
  let toldAt = startedAt;
  return ({ inputs: done, kinds, reasons }) => {
    const now = performance.now();
    const found = Object.values(reasons).reduce((sum, count) => sum + count, 0);
    const rate = Math.round(done / ((now - startedAt) / 1000));
    const text = `${done} of ${inputs}, ${rate}/s, ${kinds.accepted} accepted, ${found} found`;
    if (process.stderr.isTTY) {
      const filled = Math.round((done / inputs) * columns);
      process.stderr.write(`\r\x1b[K${'█'.repeat(filled)}${'░'.repeat(columns - filled)} ${text}`);
      if (done >= inputs) process.stderr.write('\r\x1b[K');
    } else if (now - toldAt > 60_000) {
      toldAt = now;
      process.stderr.write(`fuzz: ${text}\n`);
    }
  };
}

/** Keeps each finding as soon as it is there: a long run may be ended before its end. */
function findingKeeper(dir: string, seed: number): (findings: readonly Finding[]) => void {
  const kept = new Set<Finding>();
  return (findings) => {
    for (const finding of findings) {
      if (kept.has(finding)) continue;
      kept.add(finding);
      mkdirSync(dir, { recursive: true });
      const file = fileOf(dir, seed, finding);
      writeFileSync(file, finding.bytes);
      process.stderr.write(`${process.stderr.isTTY ? '\r\x1b[K' : ''}fuzz: ${finding.reason}: ${file}\n`);
    }
  };
}

function fileOf(dir: string, seed: number, { index, kind }: Finding): string {
  return join(dir, `${kind}-${seed}-${index}.der`);
}

function render(sum: Part, options: Options): void {
  const { accepted, stricter, 'refused-by-both': both } = sum.kinds;
  print('Refused by us and taken by the oracle, by rule:\n');
  const rules = Object.entries(sum.rules).sort(([, one], [, other]) => other - one);
  for (const [rule, count] of rules) {
    const { clause = '' } = strictnessClasses.find(({ code, detail }) => `${code}: ${detail}` === rule) ?? {};
    print(`${String(count).padStart(9)}  ${rule}\n           ${clause}`);
  }
  const { bytes, index, parseMs } = sum.slowest;
  print(`\n${accepted} accepted by both, ${both} refused by both, ${stricter} refused by us for a stated rule`);
  print(`slowest parse: ${parseMs.toFixed(2)} ms of ${bytes} bytes (input ${index})`);
  for (const finding of sum.findings) {
    print(`\n${finding.kind} at input ${finding.index}: ${finding.reason}`);
    print(`  ${finding.origin.join(', ')}`);
    const file = fileOf(options.keep, options.seed, finding);
    print(`  kept in ${file}; replay: npm run fuzz -- --seed ${options.seed} --only ${finding.index}`);
  }
  for (const [reason, count] of Object.entries(sum.reasons)) print(`${String(count).padStart(9)}  ${reason}`);
}

async function run(options: Options): Promise<number> {
  const { inputs, json, keep, seed, workers } = options;
  const startedAt = performance.now();
  const show = progress(inputs);
  const keepNew = findingKeeper(keep, seed);
  const onProgress = (done: Part) => {
    keepNew(done.findings);
    show(done);
  };
  const sum = await runInputs({ seed, inputs, workers, onProgress });
  const seconds = (performance.now() - startedAt) / 1000;
  const found = Object.values(sum.reasons).reduce((total, count) => total + count, 0);
  const isSound = found === 0 && sum.inputs === inputs;
  if (json) {
    const findings = sum.findings.map((one) => ({ ...one, bytes: one.bytes.length, file: fileOf(keep, seed, one) }));
    print(JSON.stringify({ seed, workers, seconds, ...sum, findings, isSound }));
  } else {
    render(sum, options);
    const rate = Math.round(sum.inputs / seconds);
    print(`${sum.inputs} inputs of seed ${seed} in ${seconds.toFixed(1)} s (${rate}/s, ${workers} threads)`);
    print(isSound ? 'no crash, no hang, no unexplained disagreement' : `NOT sound: ${found} inputs`);
  }
  return isSound ? 0 : 1;
}

function replay(seed: number, index: number): number {
  const { bytes, origin } = makeInput(createMaterial(), seed, index);
  const { parseMs, ...verdict } = judge(bytes);
  print(`input ${index} of seed ${seed}: ${origin.join(', ')}`);
  print(Buffer.from(bytes).toString('base64'));
  print(`${JSON.stringify(verdict)}, parsed in ${parseMs.toFixed(2)} ms`);
  return verdict.kind === 'crash' || verdict.kind === 'disagreement' ? 1 : 0;
}

async function main(argv: readonly string[]): Promise<number> {
  let options: Options | undefined;
  try {
    options = readOptions(argv);
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n${usage}`);
    return 2;
  }
  if (options === undefined) {
    print(usage);
    return 0;
  }
  return options.only === undefined ? run(options) : replay(options.seed, options.only);
}

// Who reads only the beginning of it has seen enough.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit();
  throw error;
});
process.exitCode = await main(process.argv.slice(2));
