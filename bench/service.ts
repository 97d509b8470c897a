import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { createHttpClient, type HttpClientOptions, jsonOf } from '../cli/http-client.ts';
import type { Tokens } from '../localstack/embedded/state-folder.ts';
import { childScripts, type WatchedProcess } from './process-usage.ts';

export interface ServiceOptions {
  /** An empty folder. */
  readonly stateDir: string;
  readonly hierarchyFile: string;
  /** Profiles that the enrolment credential reaches. */
  readonly profiles: readonly string[];
  /** Where the processes of the service leave CPU profiles when they end; undefined for none. */
  readonly cpuProfileDir?: string | undefined;
  /** Makes it speak TLS. */
  readonly tls?: ServerTls | undefined;
  /** For Node, in every process of the service: modules to load first, say. */
  readonly nodeOptions?: readonly string[];
}

/** Files, PEM, of a server that answers for `localhost` and 127.0.0.1. */
export interface ServerTls {
  readonly certificateFile: string;
  readonly privateKeyFile: string;
}

/** The embedded stack as `npm start` runs it, with no sample fleet. */
export interface MeasuredService {
  readonly host: string;
  readonly port: number;
  /** What the server's certificate is checked against; undefined for plain HTTP. */
  readonly tlsAnchorsPem?: string;
  /** Secret of an enrolment credential that a bench does not use up. */
  readonly secret: string;
  /** `service` and `acm-pca`; empty where there is no `/proc`. */
  readonly processes: readonly WatchedProcess[];
  /** Certificate of a CA, PEM. Throws when it is not there. */
  authorityPem(caId: string): Promise<string>;
  /** Drains and ends all of it. */
  stop(): Promise<void>;
}

const startMsMax = 60_000;
const stopMsMax = 20_000;
const errorCharactersMax = 4_000;
const credentialCount = 10_000_000;

/** Starts the real command in a process of its own, and makes a credential over HTTP. */
export async function startMeasuredService(options: ServiceOptions): Promise<MeasuredService> {
  const script = join(import.meta.dirname, '..', 'localstack', 'embedded', 'main.ts');
  const { cpuProfileDir, hierarchyFile, stateDir, tls } = options;
  const profiling = cpuProfileDir === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${cpuProfileDir}`];
  const nodeOptions = [...profiling, ...(options.nodeOptions ?? [])];
  const args = ['--devices', '0', '--json', '--port', '0', '--state', stateDir, '--hierarchy', hierarchyFile];
  if (tls !== undefined) args.push('--tls-cert', tls.certificateFile, '--tls-key', tls.privateKeyFile);
  const anchors = tls === undefined ? {} : { tlsAnchorsPem: readFileSync(tls.certificateFile, 'utf8') };
  const child = fork(script, args, {
    env: nodeOptions.length === 0 ? process.env : { ...process.env, NODE_OPTIONS: nodeOptions.join(' ') },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    execArgv: ['--disable-warning=ExperimentalWarning'],
  });
  try {
    const url = new URL(await urlOf(child));
    const server = { baseUrl: url.origin, ...anchors };
    const secret = await createCredential(server, stateDir, options.profiles);
    return {
      host: url.hostname,
      port: Number(url.port),
      ...anchors,
      secret,
      processes: watchedProcesses(child.pid ?? 0),
      authorityPem: (caId) => authorityPem(server, caId),
      stop: () => stop(child),
    };
  } catch (cause) {
    await stop(child);
    throw cause;
  }
}

/** The command says its address in the JSON object that ends its report. */
function urlOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let errors = '';
    const timer = setTimeout(() => reject(new Error(`the service did not start: ${errors}`)), startMsMax);
    child.stderr!.on('data', (chunk: Buffer) => {
      errors = (errors + chunk.toString('utf8')).slice(-errorCharactersMax);
    });
    child.once('exit', (status) => {
      clearTimeout(timer);
      reject(new Error(`the service ended with ${status}: ${errors}`));
    });
    createInterface({ input: child.stdout! }).on('line', (line) => {
      if (!line.startsWith('{')) return;
      clearTimeout(timer);
      resolve((JSON.parse(line) as { readonly url: string }).url);
    });
  });
}

async function createCredential(
  server: HttpClientOptions,
  stateDir: string,
  profiles: readonly string[],
): Promise<string> {
  const { operator } = JSON.parse(readFileSync(join(stateDir, 'tokens.json'), 'utf8')) as Tokens;
  const client = createHttpClient(server);
  const answer = await client.send({
    method: 'POST',
    path: '/v1/credentials',
    headers: { authorization: `Bearer ${operator}`, 'content-type': 'application/json' },
    body: JSON.stringify({
      owner: 'bench',
      fleet: 'bench',
      profiles,
      names: { dns: ['*.fleet.example'] },
      countMax: credentialCount,
    }),
  });
  client.close();
  if (answer.status !== 201) throw new Error(`no credential: ${answer.body.toString('utf8')}`);
  return (jsonOf(answer) as { readonly secret: string }).secret;
}

async function authorityPem(server: HttpClientOptions, caId: string): Promise<string> {
  const client = createHttpClient(server);
  const answer = await client.send({ method: 'GET', path: `/v1/authorities/${caId}/certificate` });
  client.close();
  if (answer.status !== 200) throw new Error(`CA ${caId} is not there: ${answer.body.toString('utf8')}`);
  return answer.body.toString('utf8');
}

function watchedProcesses(pid: number): readonly WatchedProcess[] {
  const processes: WatchedProcess[] = [];
  for (const [script, child] of childScripts(pid)) {
    if (script.endsWith('embedded/service.ts')) processes.push({ name: 'service', pid: child });
    if (script.endsWith('acm-pca/main.ts')) processes.push({ name: 'acm-pca', pid: child });
  }
  return processes.toSorted((a, b) => (a.name < b.name ? 1 : -1));
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), stopMsMax);
  await gone;
  clearTimeout(timer);
}
