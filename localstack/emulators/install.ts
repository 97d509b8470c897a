/**
 * Puts the emulators into `.emulators/`, a folder of the project's own: Python packages into virtual environments, pinned by
 * requirements/, DynamoDB Local's jars by Maven. What is there already, as pinned, is left as it is.
 */
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

export const projectDir = join(import.meta.dirname, '..', '..');
export const emulatorsDir = join(projectDir, '.emulators');
const requirementsDir = join(import.meta.dirname, 'requirements');
const pomFile = join(import.meta.dirname, 'dynamodb-local', 'pom.xml');

export type PythonTool = 'localstack' | 'ministack' | 'moto' | 'lint';

/** Why something cannot be had on this machine, for a person. */
export class MissingError extends Error {
  readonly code = 'emulator-missing';
}

const installMsMax = 900_000;

/** The interpreter of a tool's environment, which `installPythonTool` makes. */
export function pythonOf(tool: PythonTool): string {
  return join(emulatorsDir, tool, 'bin', 'python');
}

/** The version a tool is pinned to. */
export function pinnedVersion(tool: PythonTool, distribution: string): string {
  const line = new RegExp(`^${distribution}==(\\S+)$`, 'mi').exec(readFileSync(requirementsFile(tool), 'utf8'));
  return line?.[1] ?? 'unknown';
}

export function dynamoDbLocalVersion(): string {
  return /DynamoDBLocal<\/artifactId>\s*<version>([^<]+)</.exec(readFileSync(pomFile, 'utf8'))?.[1] ?? 'unknown';
}

function requirementsFile(tool: PythonTool): string {
  return join(requirementsDir, `${tool}.txt`);
}

/** The oldest Python that each tool runs on: LocalStack's sources import warnings.deprecated, whatever its package says. */
const pythonMinorMin: Readonly<Record<PythonTool, number>> = { localstack: 13, ministack: 10, moto: 10, lint: 10 };
const pythonNames = ['python3', 'python3.14', 'python3.13'];

/** Those in PATH, then those that pyenv keeps beside them. */
function pythonCandidates(): readonly string[] {
  const versions = join(process.env.PYENV_ROOT ?? join(homedir(), '.pyenv'), 'versions');
  const kept = existsSync(versions) ? readdirSync(versions).filter((version) => /^3\.\d+\.\d+$/.test(version)) : [];
  return [...pythonNames, ...kept.sort().map((version) => join(versions, version, 'bin', 'python3'))];
}

/** A Python that can make virtual environments for a tool. Throws `MissingError` where there is none. */
function findPython(tool: PythonTool): string {
  const minorMin = pythonMinorMin[tool];
  const faults: string[] = [];
  for (const name of pythonCandidates()) {
    const probe = 'import sys, venv, ensurepip; print(sys.version_info[1])';
    const asked = spawnSync(name, ['-c', probe], { encoding: 'utf8', timeout: 20_000 });
    // 127: a shim for a version that is not chosen.
    if (asked.error !== undefined || asked.status === 127) continue;
    if (asked.status === 0 && Number(asked.stdout) >= minorMin) return name;
    faults.push(
      asked.status === 0
        ? `${name} is 3.${asked.stdout.trim()}`
        : `${name} has no venv or ensurepip (Debian and Ubuntu: apt-get install python3-venv)`,
    );
  }
  const found = faults.length === 0 ? 'there is no python3 on this machine' : faults.join(', ');
  throw new MissingError(`it needs Python 3.${minorMin} or later: ${found}`);
}

/** Throws `MissingError` without Java 17, a JDK not being needed, and Maven. */
export function requireJava(): void {
  const java = spawnSync('java', ['-version'], { encoding: 'utf8', timeout: 20_000 });
  if (java.error !== undefined) throw new MissingError('there is no java on this machine; DynamoDB Local runs on 17');
  const major = Number(/version "(\d+)/.exec(java.stderr)?.[1] ?? 0);
  if (major < 17) throw new MissingError(`java is ${major}; DynamoDB Local runs on 17 or later`);
  const maven = spawnSync('mvn', ['--version'], { encoding: 'utf8', timeout: 60_000 });
  if (maven.error !== undefined || maven.status !== 0)
    throw new MissingError('there is no mvn (Maven), which fetches DynamoDB Local');
}

/** Makes a tool's virtual environment. Throws `MissingError` where Python is missing or the packages cannot be had. */
export async function installPythonTool(tool: PythonTool, say: (line: string) => void): Promise<void> {
  const python = findPython(tool);
  await converge(join(emulatorsDir, tool), readFileSync(requirementsFile(tool)), async (folder) => {
    say(`installing ${tool} with pip into .emulators/${tool}`);
    await run(python, ['-m', 'venv', folder], `the virtual environment of ${tool}`);
    const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '-r', requirementsFile(tool)];
    await run(pythonOf(tool), pip, `the packages of ${tool}`);
  });
}

/** Fetches DynamoDB Local's jars. Throws `MissingError` where Java or Maven is missing or the jars cannot be had. */
export async function installDynamoDbLocal(say: (line: string) => void): Promise<void> {
  requireJava();
  await converge(join(emulatorsDir, 'dynamodb-local'), readFileSync(pomFile), async (folder) => {
    say('fetching DynamoDB Local with Maven into .emulators/dynamodb-local');
    const args = ['-B', '-q', '-f', pomFile, 'dependency:copy-dependencies', '-DincludeScope=runtime'];
    await run('mvn', [...args, `-DoutputDirectory=${join(folder, 'lib')}`], 'the jars of DynamoDB Local');
  });
}

/**
 * The folder that LocalStack takes for the root of its file system, with DynamoDB Local where LocalStack looks for it, so
 * that it does not download one. Its Java is the system's, through a wrapper: LocalStack starts the jar of AWS's archive
 * with an agent that lifts the limit of 20 indexes; here the same classes are started from Maven's jars, without it.
 */
export function prepareLocalStackRoot(withDynamoDb: boolean): string {
  const root = join(emulatorsDir, 'localstack-root');
  if (!withDynamoDb) return root;
  const library = join(root, 'var', 'lib', 'localstack', 'lib');
  const dynamoDb = join(library, 'dynamodb-local', '2');
  const javaDir = join(library, 'java', '21', 'bin');
  rmSync(library, { recursive: true, force: true });
  mkdirSync(dynamoDb, { recursive: true });
  mkdirSync(javaDir, { recursive: true });
  for (const name of ['DynamoDBLocal.jar', 'ddb-local-loader-0.1.jar', 'javassist.jar'])
    writeFileSync(join(dynamoDb, name), '');
  symlinkSync(join(emulatorsDir, 'dynamodb-local', 'lib'), join(dynamoDb, 'DynamoDBLocal_lib'));
  const wrapper = [
    '#!/bin/sh',
    '# In the order of the arguments: the agent is left out, `-jar DynamoDBLocal.jar` becomes the class path and main class.',
    'count=$#',
    'while [ "$count" -gt 0 ]; do',
    '  argument=$1; shift; count=$((count - 1))',
    '  case "$argument" in',
    '    -javaagent:*) ;;',
    `    -jar) shift; count=$((count - 1)); set -- "$@" -cp "${join(emulatorsDir, 'dynamodb-local', 'lib')}/*" \\`,
    '      software.amazon.dynamodb.services.local.main.ServerRunner ;;',
    '    *) set -- "$@" "$argument" ;;',
    '  esac',
    'done',
    `exec "${whichJava()}" "$@"`,
    '',
  ].join('\n');
  const java = join(javaDir, 'java');
  writeFileSync(java, wrapper);
  chmodSync(java, 0o755);
  return root;
}

/** LocalStack puts its own Java first in PATH, so that the wrapper would call itself. */
function whichJava(): string {
  for (const folder of (process.env.PATH ?? '').split(':'))
    if (existsSync(join(folder, 'java'))) return join(folder, 'java');
  return 'java';
}

/** Runs `install` unless the folder was made from the same source before. The mark is written last. */
async function converge(folder: string, source: Buffer, install: (folder: string) => Promise<void>): Promise<void> {
  const mark = join(folder, 'sealwright-installed');
  const sha256 = createHash('sha256').update(source).digest('hex');
  if (existsSync(mark) && readFileSync(mark, 'utf8') === sha256) return;
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  await install(folder);
  writeFileSync(mark, sha256);
}

function run(command: string, args: readonly string[], what: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], timeout: installMsMax });
    let output = '';
    const keep = (chunk: Buffer) => {
      output = (output + chunk.toString('utf8')).slice(-8_192);
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    child.on('error', (error) => reject(new MissingError(`${what} could not be installed: ${error.message}`)));
    child.on('close', (status) => {
      if (status === 0) resolve();
      else
        reject(new MissingError(`${what} could not be installed: ${output.trim().split('\n').slice(-3).join(' / ')}`));
    });
  });
}
