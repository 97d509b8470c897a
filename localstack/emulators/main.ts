/**
 * `npm run test:aws -- [OPTIONS] [FILTER...]`: installs the emulators, starts them in a network namespace of their own, runs
 * the tests of test/aws on them, stops what it started. `--serve` starts them, says where they are, and waits for Ctrl-C.
 */
import { spawn } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type EmulatorName, emulators, startEmulators, stopAll } from './emulators.ts';
import { emulatorsDir, MissingError, projectDir } from './install.ts';
import { type LanePlan, laneFiles } from './lanes.ts';
import type { ListeningProcess } from './processes.ts';

const usage = `usage: npm run test:aws -- [OPTIONS] [FILTER...]

  FILTER           test files whose path contains it (all)
  --serve          start the emulators and wait, for tests run by hand
  --no-namespace   without a network namespace, whatever LocalStack then listens on
  --help           this text
`;

const insideVariable = 'SEALWRIGHT_TEST_LANE_PLAN';
/** As loopback_only.py answers where no namespace is to be had. */
const notAllowed = 97;

function say(line: string): void {
  process.stderr.write(`test:aws: ${line}\n`);
}

/** Installs what the files need. What cannot be had is a reason, and its files are left out. */
async function plan(filters: readonly string[], serve: boolean): Promise<LanePlan> {
  const files = laneFiles().filter(({ file }) => filters.length === 0 || filters.some((one) => file.includes(one)));
  const wanted = new Set<EmulatorName>(serve ? emulators.map(({ name }) => name) : files.flatMap(({ needs }) => needs));
  const titles: Partial<Record<EmulatorName, string>> = {};
  const missing = new Map<EmulatorName, string>();
  for (const emulator of emulators.filter(({ name }) => wanted.has(name))) {
    try {
      await emulator.install(say);
      titles[emulator.name] = emulator.title;
    } catch (cause) {
      if (!(cause instanceof MissingError)) throw cause;
      missing.set(emulator.name, `${emulator.title} cannot run here: ${cause.message}`);
    }
  }
  const lacking = (needs: readonly EmulatorName[]) => needs.find((name) => missing.has(name));
  return {
    titles,
    run: files.filter(({ needs }) => lacking(needs) === undefined),
    left: files.flatMap(({ file, needs }) => {
      const name = lacking(needs);
      return name === undefined ? [] : [{ file, reason: missing.get(name)! }];
    }),
  };
}

/** The same script again, inside a network namespace. Answers undefined where there is none to be had. */
async function runInNamespace(lane: LanePlan, serve: boolean): Promise<number | undefined> {
  const script = join(import.meta.dirname, 'loopback_only.py');
  const args = [script, process.execPath, import.meta.filename, ...(serve ? ['--serve'] : [])];
  const status = await runChild('python3', args, { [insideVariable]: JSON.stringify(lane) });
  return status === notAllowed ? undefined : status;
}

/** Passes the signals on that end us, and ends as the child ends. */
function runChild(command: string, args: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd: projectDir,
      stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
      env: { ...process.env, ...env },
    });
    const onTerminal = process.stdin.isTTY === true || process.stdout.isTTY === true;
    const passOn = (signal: NodeJS.Signals) => {
      // A terminal has given it to the child already.
      if (signal !== 'SIGINT' || !onTerminal) child.kill(signal);
    };
    process.on('SIGINT', passOn);
    process.on('SIGTERM', passOn);
    process.on('disconnect', () => child.kill('SIGTERM'));
    child.on('error', () => resolve(notAllowed));
    child.on('exit', (code) => {
      process.removeListener('SIGINT', passOn);
      process.removeListener('SIGTERM', passOn);
      resolve(code ?? 1);
    });
  });
}

/** Starts, tests or waits, stops. */
async function runInside(lane: LanePlan, serve: boolean): Promise<number> {
  const names = new Set<EmulatorName>(
    serve ? (Object.keys(lane.titles) as EmulatorName[]) : lane.run.flatMap(({ needs }) => needs),
  );
  let processes: readonly ListeningProcess[] = [];
  const interrupted = new Promise<'interrupted'>((resolve) => {
    for (const event of ['SIGINT', 'SIGTERM', 'disconnect']) process.on(event, () => resolve('interrupted'));
  });
  try {
    for (const name of names) say(`starting ${lane.titles[name]}`);
    const up = await startEmulators(names);
    processes = up.processes;
    if (serve) {
      for (const [name, value] of Object.entries(up.variables)) process.stdout.write(`export ${name}=${value}\n`);
      say(`all serve; Ctrl-C stops them. In their namespace: nsenter -U -n --preserve-credentials -t ${process.pid}`);
      await interrupted;
      return 0;
    }
    const done = runTests(lane, up.variables);
    const status = await Promise.race([done.status, interrupted]);
    if (status !== 'interrupted') return status;
    done.stop();
    return 130;
  } finally {
    await stopAll(processes);
    rmSync(join(emulatorsDir, 'acm-pca-state'), { recursive: true, force: true });
  }
}

function runTests(lane: LanePlan, variables: NodeJS.ProcessEnv) {
  const vitest = join(projectDir, 'node_modules', 'vitest', 'vitest.mjs');
  const files = lane.run.map(({ file }) => file);
  const child = spawn(process.execPath, [vitest, 'run', '--config', 'vitest.aws.config.ts', ...files], {
    cwd: projectDir,
    stdio: 'inherit',
    env: { ...withoutAws(process.env), ...variables, SEALWRIGHT_TEST_LANE: JSON.stringify(lane) },
  });
  const status = new Promise<number>((resolve) => {
    child.on('error', () => resolve(1));
    child.on('exit', (code) => resolve(code ?? 1));
  });
  return { status, stop: () => child.kill('SIGTERM') };
}

/** The developer's own account is nothing that a test may reach. */
function withoutAws(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(environment).filter(([name]) => !name.startsWith('AWS_')));
}

function finishWithoutTests(lane: LanePlan): number {
  for (const { file, reason } of lane.left) process.stdout.write(`skipped: ${file}: ${reason}\n`);
  process.stdout.write(`0 passed, 0 failed, ${lane.left.length} skipped\n`);
  if (lane.left.length > 0) return 0;
  say('no test file matches');
  return 1;
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      serve: { type: 'boolean', default: false },
      'no-namespace': { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(usage);
    return 0;
  }
  const given = process.env[insideVariable];
  if (given !== undefined) return await runInside(JSON.parse(given) as LanePlan, values.serve);
  const lane = await plan(positionals, values.serve);
  if (lane.run.length === 0 && !values.serve) return finishWithoutTests(lane);
  for (const { file, reason } of lane.left) say(`LEAVES OUT ${file}: ${reason}`);
  const listensEverywhere = lane.titles.localstack !== undefined || lane.titles.dynamodb !== undefined;
  if (!values['no-namespace']) {
    const status = await runInNamespace(lane, values.serve);
    if (status !== undefined) return status;
  }
  if (listensEverywhere)
    say('NO NETWORK NAMESPACE: LocalStack core LISTENS ON EVERY INTERFACE of this machine while the tests run');
  return await runInside(lane, values.serve);
}

try {
  process.exitCode = await main();
} catch (cause) {
  say(cause instanceof Error ? cause.message : String(cause));
  process.exitCode = 1;
}
process.removeAllListeners('disconnect');
if (process.connected) process.disconnect();
