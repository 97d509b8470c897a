/**
 * `npm run dev`: the functions of serverless.yml under serverless-offline, on the embedded stack: SQLite, SoftHSM, the local
 * ACM PCA endpoint. Needs no account and no Docker, and listens on loopback alone. For developing a handler: `npm start` serves.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import {
  readDevHierarchy,
  serviceEnvironment,
  setUpState,
  startAcmPca,
  usesAcmPca,
  waitUntilFree,
} from '../embedded/bring-up.ts';
import { stateDirDefault } from '../embedded/options.ts';
import { type ChildService, stopChild } from '../embedded/service-process.ts';
import { openStateFolder, type StateFolder } from '../embedded/state-folder.ts';
import { portVariable, projectDir } from './configuration.ts';

const usage = `Usage: npm run dev -- [OPTIONS]

Runs the functions of serverless.yml under serverless-offline, over SQLite, SoftHSM and the local ACM PCA endpoint.
It takes a CSR as PEM or base64; raw DER, which serverless-offline takes for text, is for npm start. There is no TLS.

  --port P            port on 127.0.0.1 (3000; 0 for any free one)
  --state DIR         folder for everything that outlives a restart (${stateDirDefault})
  --fresh             begin with an empty state folder
  --hierarchy FILE    CAs and profiles (hierarchy.yaml)
  --help              this text
`;

const readyMsMax = 60_000;

class DevError extends Error {
  readonly code = 'dev-failed';
}

interface Options {
  readonly port: number;
  readonly state: string;
  readonly fresh: boolean;
  readonly hierarchy: string;
}

/** Undefined, with what is wrong on standard error, for a command line that is none. */
function readOptions(args: readonly string[]): Options | 'help' | undefined {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        port: { type: 'string', default: '3000' },
        state: { type: 'string', default: stateDirDefault },
        fresh: { type: 'boolean', default: false },
        hierarchy: { type: 'string', default: 'hierarchy.yaml' },
        help: { type: 'boolean', short: 'h', default: false },
      },
    });
    if (values.help) return 'help';
    const port = /^\d{1,5}$/.test(values.port) ? Number(values.port) : Number.NaN;
    if (!(port <= 65_535)) throw new Error('--port: a whole number from 0 to 65535');
    return { ...values, port };
  } catch (cause) {
    process.stderr.write(`${(cause as Error).message}\n\n${usage}`);
    return undefined;
  }
}

/** This port, or any for 0: serverless-offline chooses none, and another service's answers there would be taken for its own. */
async function freePort(wanted: number): Promise<number> {
  const server = createServer().listen(wanted, '127.0.0.1');
  try {
    await once(server, 'listening');
  } catch (cause) {
    throw new DevError(`port ${wanted} cannot be had (${(cause as Error).message}): name another with --port P`);
  }
  const { port } = server.address() as { readonly port: number };
  server.close();
  await once(server, 'close');
  return port;
}

function startOffline(port: number, environment: NodeJS.ProcessEnv): ChildService {
  const script = join(projectDir, 'node_modules', 'osls', 'bin', 'serverless.js');
  const args = ['--disable-warning=ExperimentalWarning', script, 'offline', 'start', '--config', 'serverless.dev.mjs'];
  const child = spawn(process.execPath, args, {
    cwd: projectDir,
    env: { ...environment, [portVariable]: String(port), SLS_NOTIFICATIONS_MODE: 'off', FORCE_COLOR: '0' },
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  return { url: `http://127.0.0.1:${port}`, process: child, stop: () => stopChild(child) };
}

/** Until the functions answer. Rejects when serverless-offline ends, or takes too long. */
async function untilServing({ url, process: child }: ChildService, isInterrupted: () => boolean): Promise<void> {
  const until = performance.now() + readyMsMax;
  while (!isInterrupted()) {
    if (child.exitCode !== null || child.signalCode !== null) throw new DevError('serverless-offline did not start');
    const answer = await fetch(`${url}/healthz`).catch(() => undefined);
    await answer?.body?.cancel();
    if (answer?.status === 200) return;
    if (performance.now() > until) throw new DevError(`serverless-offline did not serve in ${readyMsMax / 1000} s`);
    await sleep(100);
  }
}

function banner(url: string, state: StateFolder): string {
  return [
    `\nSealwright's functions on ${url}, under serverless-offline\n`,
    `  development only: keys are in SoftHSM and in an emulator of ACM PCA\n`,
    `  state ${state.dir}; what you change in a function is there at the next start\n`,
    `  npx sealwright enroll --url ${url} FILE.csr\n\n`,
  ].join('');
}

async function runDev(options: Options): Promise<number> {
  const interrupted = Promise.withResolvers<void>();
  let isInterrupted = false;
  const interrupt = () => {
    isInterrupted = true;
    interrupted.resolve();
  };
  for (const event of ['SIGINT', 'SIGTERM', 'disconnect']) process.on(event, interrupt);
  const hierarchy = readDevHierarchy(options.hierarchy);
  const port = await freePort(options.port);
  await waitUntilFree(options.state);
  const state = openStateFolder(options.state, options.fresh);
  const children: ChildService[] = [];
  try {
    const acmPca = usesAcmPca(hierarchy) ? await startAcmPca(state) : undefined;
    if (acmPca !== undefined) children.push(acmPca);
    const up = await setUpState(hierarchy, state, acmPca?.url, (text) => void process.stdout.write(text));
    const offline = startOffline(port, serviceEnvironment(options.hierarchy, state, up, acmPca?.url));
    children.push(offline);
    await untilServing(offline, () => isInterrupted);
    if (!isInterrupted) process.stdout.write(banner(offline.url, state));
    const gone = Promise.race(children.map(({ process: child }) => once(child, 'exit')));
    await Promise.race([interrupted.promise, gone]);
    if (!isInterrupted) throw new DevError('serverless-offline or the ACM PCA endpoint ended');
    return 0;
  } finally {
    for (const child of children.toReversed()) await child.stop();
  }
}

const options = readOptions(process.argv.slice(2));
if (options === 'help') process.stdout.write(usage);
else if (options === undefined) process.exitCode = 2;
else {
  try {
    process.exitCode = await runDev(options);
  } catch (cause) {
    const { code, message, stack } = cause as { readonly code?: unknown; readonly message?: string; stack?: string };
    process.stderr.write(`sealwright: ${typeof code === 'string' ? message : stack}\n`);
    process.exitCode = 1;
  }
}
// What is left open, such as the channel to the bootstrap, must not keep the process.
process.exit();
