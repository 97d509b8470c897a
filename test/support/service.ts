/**
 * The embedded stack for tests, on ephemeral ports of 127.0.0.1 and in a temporary state folder: as `npm start` runs it, in
 * processes of its own, or, lighter, the host in this process over CA keys in files.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { EmbeddedStack } from '../../shared/adapters/stack/embedded-stack.ts';
import { sequence } from '../../shared/pki/der/writer.ts';
import type { GeneralName } from '../../shared/pki/names.ts';
import { encodePem } from '../../shared/pki/pem.ts';
import { altNames, attributesOf, extensionRequest, makeRequest, spkiOf } from './certification-requests.ts';

export const projectDir = join(import.meta.dirname, '..', '..');

const softHsmPlaces = [
  process.env.SEALWRIGHT_PKCS11_MODULE ?? '',
  '/usr/lib/softhsm/libsofthsm2.so',
  '/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so',
  '/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so',
  '/usr/lib64/softhsm/libsofthsm2.so',
  '/usr/lib64/pkcs11/libsofthsm2.so',
  '/opt/homebrew/lib/softhsm/libsofthsm2.so',
];
/** The PKCS #11 module of this machine; without one, HSM-backed profiles answer 503 and are left out. */
export const softHsmModule: string | undefined = softHsmPlaces.find((path) => path !== '' && existsSync(path));

export interface Tokens {
  readonly device: string;
  readonly operator: string;
}

export interface RunningStack {
  readonly url: string;
  readonly stateDir: string;
  readonly tokens: Tokens;
  /** PEM of the root, handed over apart from the service's answers. */
  readonly rootPem: string;
  /** What the service has logged so far. */
  log(): string;
}

export interface RunningProcesses extends RunningStack {
  readonly main: ChildProcess;
  /** Process ids of the service and of the ACM PCA endpoint, undefined when there is none. */
  servicePid(): number | undefined;
  acmPcaPid(): number | undefined;
  /** SIGKILL for one process, or for all of them at once. */
  kill(target: KillTarget): void;
  /** What the main process has said on standard error. */
  stderr(): string;
  /** Resolves when the main process is gone. */
  readonly exited: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>;
  /** SIGTERM, and waits. Removes the state folder when it was made here. */
  stop(): Promise<void>;
}

export type KillTarget = 'service' | 'acm-pca' | 'main' | 'group';

export class StartError extends Error {
  readonly stderr: string;
  constructor(message: string, stderr: string) {
    super(`${message}\n${stderr}`);
    this.name = 'StartError';
    this.stderr = stderr;
  }
}

export interface StartOptions {
  /** Kept when given, else a new folder that `stop` removes. */
  readonly stateDir?: string;
  readonly hierarchyFile?: string;
  /** Path of a PKCS #11 module; without one HSM-backed profiles answer 503. */
  readonly pkcs11Module?: string | undefined;
  readonly env?: Readonly<Record<string, string>>;
  readonly startMsMax?: number;
  /** Further arguments of main.ts. */
  readonly args?: readonly string[];
  /** Told the process as soon as it runs: to kill it while it starts. */
  readonly onSpawned?: (main: ChildProcess) => void;
}

export function newStateDir(): string {
  return mkdtempSync(join(tmpdir(), 'sealwright-test-'));
}

/** Children of a process whose command line names `script`. */
function childRunning(parent: number, script: string): number | undefined {
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      const stat = readFileSync(`/proc/${entry}/stat`, 'latin1');
      const parentOf = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
      if (parentOf === parent && readFileSync(`/proc/${entry}/cmdline`, 'latin1').includes(script))
        return Number(entry);
    } catch {
      // Gone since the folder was read.
    }
  }
  return undefined;
}

/** Starts `localstack/embedded/main.ts --devices 0` in a process group of its own, and waits until it serves. */
export async function startProcesses(options: StartOptions = {}): Promise<RunningProcesses> {
  const { stateDir = newStateDir(), hierarchyFile = join(projectDir, 'hierarchy.yaml') } = options;
  const script = join(projectDir, 'localstack', 'embedded', 'main.ts');
  const args = [
    '--devices',
    '0',
    '--json',
    '--port',
    '0',
    '--state',
    stateDir,
    '--hierarchy',
    hierarchyFile,
    ...(options.args ?? []),
  ];
  const env = { ...process.env, ...options.env };
  delete env.SEALWRIGHT_PKCS11_MODULE;
  if (options.pkcs11Module !== undefined) env.SEALWRIGHT_PKCS11_MODULE = options.pkcs11Module;
  const main = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', script, ...args], {
    cwd: projectDir,
    env,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const exited = new Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>((resolve) =>
    main.once('exit', (code, signal) => resolve({ code, signal })),
  );
  let stderr = '';
  main.stderr!.on('data', (chunk: Buffer) => {
    stderr = (stderr + chunk.toString()).slice(-8_000);
  });
  options.onSpawned?.(main);
  const url = await urlOf(main, options.startMsMax ?? 60_000, () => stderr);
  const pidOf = (name: string) => childRunning(main.pid!, name);
  const service = { pid: pidOf('embedded/service.ts'), acmPca: pidOf('acm-pca/main.ts') };
  return {
    url,
    stateDir,
    tokens: JSON.parse(readFileSync(join(stateDir, 'tokens.json'), 'utf8')) as Tokens,
    rootPem: readFileSync(join(stateDir, 'root.pem'), 'utf8'),
    log: () => readFileSync(join(stateDir, 'service.log'), 'utf8'),
    main,
    servicePid: () => service.pid,
    acmPcaPid: () => service.acmPca,
    kill(target) {
      const pids = { service: service.pid, 'acm-pca': service.acmPca, main: main.pid, group: -main.pid! };
      signal(pids[target], 'SIGKILL');
    },
    stderr: () => stderr,
    exited,
    async stop() {
      signal(main.pid, 'SIGTERM');
      await exited;
      if (options.stateDir === undefined) rmSync(stateDir, { recursive: true, force: true });
    },
  };
}

/** A request whose body never ends: under way for as long as the client likes. Answers how to let go of it. */
export async function heldRequest(url: string, token: string): Promise<() => void> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  socket.write(
    `POST /v1/enrollments?profile=device HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${token}\r\ncontent-length: 100\r\n\r\nM`,
  );
  await sleep(100);
  return () => socket.destroy();
}

/** True while a process with this id runs. */
export function isRunning(pid: number | undefined): boolean {
  return (
    pid !== undefined && existsSync(`/proc/${pid}/stat`) && !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'latin1'))
  );
}

/** Sends a signal to a process, or to a group, that may be gone. */
export function signal(pid: number | undefined, name: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(pid, name);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ESRCH') throw cause;
  }
}

/** The address in the JSON line that main.ts writes once its fleet, here of none, is done. */
function urlOf(main: ChildProcess, startMsMax: number, stderr: () => string): Promise<string> {
  return new Promise((resolve, reject) => {
    let out = '';
    const fail = (message: string) => {
      clearTimeout(timer);
      reject(new StartError(message, stderr()));
    };
    const timer = setTimeout(() => {
      signal(-main.pid!, 'SIGKILL');
      fail(`the stack did not start within ${startMsMax} ms`);
    }, startMsMax);
    main.stdout!.on('data', (chunk: Buffer) => {
      out += chunk.toString();
      const line = out.split('\n').find((one) => one.startsWith('{'));
      if (line === undefined || !out.includes(`${line}\n`)) return;
      clearTimeout(timer);
      resolve((JSON.parse(line) as { readonly url: string }).url);
    });
    main.once('exit', (code, exitSignal) => fail(`the stack ended at its start (${exitSignal ?? `exit ${code}`})`));
  });
}

/** The sample hierarchy with every CA's key in a file. */
export function softwareHierarchy(text: string): string {
  return text
    .replaceAll(/backend: (acm-pca|pkcs11)/g, 'backend: software')
    .replaceAll(/^ {4}pkcs11: .*\n/gm, '')
    .replaceAll(/^ {4}mode: .*\n/gm, '')
    .replaceAll(/custody: \{.*\}/g, 'custody: { model: software, securityLevelMin: 0, cmvpAccepted: [] }');
}

export interface LocalStack extends RunningStack {
  readonly stack: EmbeddedStack;
  /** What the host could not handle. */
  readonly hostErrors: readonly unknown[];
  close(): Promise<void>;
}

export interface LocalOptions {
  /** Changes hierarchy.yaml, its backends already software. */
  readonly editHierarchy?: (text: string) => string;
}

/**
 * The host in this process. Once a process: the functions are wired at their first import, as in a Lambda. Each test
 * file has a process of its own.
 */
export async function startLocalStack(options: LocalOptions = {}): Promise<LocalStack> {
  const stateDir = newStateDir();
  const hierarchyFile = join(stateDir, 'hierarchy.yaml');
  const edit = options.editHierarchy ?? ((text: string) => text);
  writeFileSync(hierarchyFile, edit(softwareHierarchy(readFileSync(join(projectDir, 'hierarchy.yaml'), 'utf8'))));
  const folder = join(stateDir, 'state');
  mkdirSync(folder);
  Object.assign(process.env, {
    SEALWRIGHT_STACK: 'embedded',
    SEALWRIGHT_HIERARCHY: hierarchyFile,
    SEALWRIGHT_STATE: folder,
    SEALWRIGHT_BACKENDS: 'software',
    SEALWRIGHT_LOG_LEVEL: 'ERROR',
    POWERTOOLS_DEV: 'false',
  });
  const { readHierarchy } = await import('../../shared/adapters/stack/hierarchy-file.ts');
  const { enrolmentQueueName, signingQueueName } = await import('../../shared/adapters/stack/stack.ts');
  const { processEmbeddedStack } = await import('../../shared/adapters/stack/embedded-stack.ts');
  const { openStateFolder } = await import('../../localstack/embedded/state-folder.ts');
  const { setUp } = await import('../../localstack/embedded/set-up.ts');
  const { startHost } = await import('../../localstack/embedded/host.ts');
  const state = openStateFolder(folder, false);
  const up = await setUp({
    hierarchy: readHierarchy(hierarchyFile),
    state,
    acmPcaEndpoint: undefined,
    region: 'us-east-1',
    pkcs11Module: undefined,
    report: () => undefined,
  });
  const stack = processEmbeddedStack();
  const hostErrors: unknown[] = [];
  const host = await startHost({
    projectDir,
    queue: stack.queue,
    servedQueues: new Set([enrolmentQueueName, signingQueueName('software')]),
    address: '127.0.0.1',
    port: 0,
    onError: (cause) => hostErrors.push(cause),
  });
  return {
    url: host.url,
    stateDir: folder,
    tokens: up.tokens,
    rootPem: up.trustAnchorsPem,
    log: () => (existsSync(state.logFile) ? readFileSync(state.logFile, 'utf8') : ''),
    stack,
    hostErrors,
    async close() {
      await host.stop();
      await stack.close();
      rmSync(stateDir, { recursive: true, force: true });
    },
  };
}

// ---------------------------------------------------------------------------------------------------------- requests

export interface TestKeyPair {
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}

export function newP256(): TestKeyPair {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' });
}

export function newEd25519(): TestKeyPair {
  return generateKeyPairSync('ed25519');
}

export function dns(value: string): GeneralName {
  return { kind: 'dns', value };
}

export function uri(value: string): GeneralName {
  return { kind: 'uri', value };
}

/** A sound request for the names given: empty subject, one subjectAltName. DER. */
export function requestFor(names: readonly GeneralName[], key: TestKeyPair = newP256()): Uint8Array {
  const isEd25519 = key.privateKey.asymmetricKeyType === 'ed25519';
  return makeRequest({
    subject: sequence(),
    spki: spkiOf(key.publicKey),
    privateKey: key.privateKey,
    attributes: attributesOf(extensionRequest(altNames(...names))),
    ...(isEd25519
      ? {
          signatureAlgorithm: sequence(ed25519Oid),
          signature: (info) => new Uint8Array(sign(null, info, key.privateKey)),
        }
      : {}),
  });
}

/** OBJECT IDENTIFIER 1.3.101.112 (RFC 8410). */
const ed25519Oid = Uint8Array.of(0x06, 0x03, 0x2b, 0x65, 0x70);

export function pemOf(der: Uint8Array): string {
  return encodePem('CERTIFICATE REQUEST', der);
}

let named = 0;

/** A DNS name below fleet.example that no other test has. */
export function freshName(prefix = 'unit'): string {
  named += 1;
  return `${prefix}-${process.pid}-${named}.fleet.example`;
}
