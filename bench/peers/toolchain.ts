import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { withUndo } from '../interruption.ts';

/** A peer's command as Go's module system names it. */
export interface PeerModule {
  readonly command: string;
  readonly module: string;
  readonly version: string;
  /** Path of the command's package below the module. */
  readonly packagePath: string;
  readonly tags: readonly string[];
}

export const peerModules = {
  'step-ca': {
    command: 'step-ca',
    module: 'github.com/smallstep/certificates',
    version: 'v0.30.2',
    packagePath: 'cmd/step-ca',
    tags: ['noyubikey'],
  },
  cfssl: {
    command: 'cfssl',
    module: 'github.com/cloudflare/cfssl',
    version: 'v1.6.5',
    packagePath: 'cmd/cfssl',
    tags: [],
  },
} as const satisfies Record<string, PeerModule>;

export type PeerCommand = keyof typeof peerModules;

/** What a built command says of itself (`go version -m`). */
export interface BuildInfo {
  readonly go: string;
  readonly version: string | undefined;
  /** Versions of the modules it was linked with, by path. */
  readonly dependencies: ReadonlyMap<string, string>;
  /** `CGO_ENABLED` and the like. */
  readonly settings: ReadonlyMap<string, string>;
}

export interface BuiltPeer {
  readonly path: string;
  readonly info: BuildInfo;
}

/** What is missing on this machine, and what to do about it. */
export class ToolchainError extends Error {}

const run = promisify(execFile);

/** Below the user's cache folder, never in the tree. */
export function defaultCacheDir(env: NodeJS.ProcessEnv = process.env): string {
  const cache = env.XDG_CACHE_HOME;
  return join(cache === undefined || cache === '' ? join(homedir(), '.cache') : cache, 'sealwright', 'bench-peers');
}

/** The peer from the cache, built first when it is not there. Go fetches its module as it is configured to. */
export async function buildPeer(name: PeerCommand, cacheDir: string, say: (text: string) => void): Promise<BuiltPeer> {
  const module = peerModules[name];
  const go = findGo();
  const folder = join(cacheDir, `${module.command}-${module.version}`);
  const path = join(folder, module.command);
  const cached = existsSync(path) ? await buildInfo(go, path) : undefined;
  if (cached !== undefined && isAsked(cached, module)) return { path, info: cached };
  await requireCompiler(go);
  mkdirSync(folder, { recursive: true });
  say(`building ${module.command} ${module.version} into ${folder}: a few minutes, once`);
  await install(go, module, folder);
  const info = await buildInfo(go, path);
  if (info === undefined || !isAsked(info, module))
    throw new ToolchainError(`${path} was built and is not ${module.module} ${module.version} with cgo`);
  return { path, info };
}

/** Folder of the modules that Go has unpacked: the sources of what a peer was linked with. */
export async function moduleCacheDir(): Promise<string> {
  return (await run(findGo(), ['env', 'GOMODCACHE'])).stdout.trim();
}

const goFolders = ['/usr/local/go/bin', '/usr/lib/go/bin', '/opt/homebrew/bin'];

function findGo(): string {
  const folders = [...(process.env.PATH ?? '').split(delimiter), ...goFolders];
  const found = folders.filter((folder) => folder !== '').map((folder) => join(folder, 'go'));
  const go = found.find((path) => existsSync(path));
  if (go === undefined)
    throw new ToolchainError('the peers are built with Go: install Go 1.25 or later and a C compiler, then try again');
  return go;
}

/** SQLite in cfssl and PKCS #11 in step-ca are C. */
async function requireCompiler(go: string): Promise<void> {
  const compiler = (await run(go, ['env', 'CC'])).stdout.trim().split(' ')[0] ?? 'cc';
  try {
    await run(compiler, ['--version']);
  } catch {
    throw new ToolchainError(`the peers need cgo: install a C compiler (${compiler} does not run), then try again`);
  }
}

async function install(go: string, module: PeerModule, folder: string): Promise<void> {
  const what = `${module.module}/${module.packagePath}@${module.version}`;
  const args = ['install', ...(module.tags.length === 0 ? [] : ['-tags', module.tags.join(',')]), what];
  const child = spawn(go, args, {
    cwd: folder,
    env: { ...process.env, GOBIN: folder, CGO_ENABLED: '1', GO111MODULE: 'on' },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const errors = lastCharacters(child);
  const status = await withUndo(
    () => void child.kill('SIGTERM'),
    () => new Promise<number | null>((resolve) => child.once('close', resolve)),
  );
  if (status !== 0) throw new ToolchainError(`go ${args.join(' ')} failed:\n${errors()}`);
}

const errorCharactersMax = 4_000;

/** The end of what a process writes to standard error. */
export function lastCharacters(child: ChildProcess): () => string {
  let text = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    text = (text + chunk.toString('utf8')).slice(-errorCharactersMax);
  });
  return () => text;
}

async function buildInfo(go: string, path: string): Promise<BuildInfo | undefined> {
  try {
    return parseBuildInfo((await run(go, ['version', '-m', path])).stdout);
  } catch {
    return undefined;
  }
}

/** Reads `go version -m`: a line with the toolchain, then `path`, `mod`, `dep` and `build`, fields apart by tabs. */
export function parseBuildInfo(text: string): BuildInfo {
  const [first = '', ...lines] = text.split('\n');
  const dependencies = new Map<string, string>();
  const settings = new Map<string, string>();
  let version: string | undefined;
  for (const line of lines) {
    const [kind, one = '', two = ''] = line.trim().split('\t');
    if (kind === 'mod') version = two;
    if (kind === 'dep') dependencies.set(one, two);
    if (kind === 'build') settings.set(one.split('=')[0]!, one.slice(one.indexOf('=') + 1));
  }
  return { go: first.slice(first.lastIndexOf(' ') + 1), version, dependencies, settings };
}

function isAsked(info: BuildInfo, module: PeerModule): boolean {
  const tags = info.settings.get('-tags') ?? '';
  return info.version === module.version && info.settings.get('CGO_ENABLED') === '1' && tags === module.tags.join(',');
}
