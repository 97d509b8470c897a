import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { basename, join } from 'node:path';
import { forgetInstaller, noteInstaller } from './install-lock.mjs';
import { root } from './project.mjs';
import { runQuietly } from './run-quietly.mjs';
import { during, SetupError } from './say.mjs';

const installTimeoutMs = 15 * 60_000;

/**
 * How to start npm without a shell. npm itself stays on the Node that started it.
 * @returns {{ command: string, args: readonly string[] }}
 */
export function findNpm() {
  const cli = process.env.npm_execpath;
  if (cli !== undefined && basename(cli) === 'npm-cli.js' && existsSync(cli))
    return { command: process.execPath, args: [cli] };
  if (spawnSync('npm', ['--version'], { stdio: 'ignore' }).status !== 0) {
    throw new SetupError('npm is not there; install Node.js with npm (https://nodejs.org), then type this again');
  }
  return { command: 'npm', args: [] };
}

function isMusl() {
  const report = /** @type {{ header?: { glibcVersionRuntime?: string } }} */ (process.report?.getReport() ?? {});
  return process.platform === 'linux' && report.header?.glibcVersionRuntime === undefined;
}

/** @typedef {{ version?: string, optional?: boolean, os?: string | string[], cpu?: string | string[], libc?: string | string[] }} LockEntry */

/** Whether npm would install this entry on this machine. @param {LockEntry} entry @param {boolean} musl */
function isForThisMachine(entry, musl) {
  const fits = (/** @type {string | string[] | undefined} */ wanted, /** @type {string} */ have) => {
    if (wanted === undefined) return true;
    const list = Array.isArray(wanted) ? wanted : [wanted];
    return list.includes(have) || (list.every((item) => item.startsWith('!')) && !list.includes(`!${have}`));
  };
  return fits(entry.os, process.platform) && fits(entry.cpu, process.arch) && fits(entry.libc, musl ? 'musl' : 'glibc');
}

/**
 * Whether node_modules is already what package-lock.json describes, as npm's own record inside it says: a person who
 * typed `npm install` need not wait for another installation. npm writes that record last.
 */
export function installedAsLocked() {
  try {
    const locked = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages;
    const installed = JSON.parse(readFileSync(join(root, 'node_modules', '.package-lock.json'), 'utf8')).packages;
    const musl = isMusl();
    const ours = Object.keys(locked['']?.optionalDependencies ?? {}).map((name) => `node_modules/${name}`);
    const mayBeMissing = (/** @type {string} */ path, /** @type {LockEntry} */ entry) =>
      entry.optional === true && !((ours.includes(path) || entry.os !== undefined) && isForThisMachine(entry, musl));
    return Object.entries(/** @type {Record<string, LockEntry>} */ (locked)).every(([path, entry]) => {
      if (path === '') return true;
      return installed[path] === undefined ? mayBeMissing(path, entry) : installed[path].version === entry.version;
    });
  } catch {
    return false;
  }
}

/** npm's settings of the script that started us are not those of the installation; registry and proxies stay. */
function installEnvironment() {
  const env = { ...process.env };
  for (const name of Object.keys(env)) {
    if (/^npm_(lifecycle|package|command|config_(json|workspace|prefix|omit|include|dry_run|offline_mode)$)/.test(name))
      delete env[name];
  }
  return env;
}

/** Last lines of npm's output that say what went wrong. @param {string} output */
function essence(output) {
  const lines = output.split('\n').map((line) => line.trim());
  const errors = lines.filter((line) => /^npm (error|ERR!)/.test(line) && !/complete log|_logs/.test(line));
  return (errors.length > 0 ? errors : lines.filter((line) => line !== '')).slice(0, 6).join('\n  ');
}

/** Installs exactly what package-lock.json says. No install script runs: what needs building is built by us, visibly. */
export async function installDependencies() {
  const npm = findNpm();
  const args = [
    ...npm.args,
    ...['ci', '--ignore-scripts', '--include=dev', '--include=optional', '--include=prod'],
    ...['--no-audit', '--no-fund', '--no-progress', '--loglevel=error'],
  ];
  const finished = await during('installing dependencies (once, about a minute)', () =>
    runQuietly(npm.command, args, {
      cwd: root,
      env: installEnvironment(),
      timeoutMs: installTimeoutMs,
      onPid: noteInstaller,
    }),
  );
  forgetInstaller();
  if (!finished.ok) {
    throw new SetupError(
      `the dependencies could not be installed (${finished.reason}):\n  ${essence(finished.output)}\nTo see it all, type: npm ci --ignore-scripts`,
    );
  }
}

/** Puts the project's own command where npx looks first, so that npx neither installs nor asks anything. */
export function linkCommand() {
  const link = join(root, 'node_modules', '.bin', 'sealwright');
  mkdirSync(join(root, 'node_modules', '.bin'), { recursive: true });
  rmSync(link, { force: true });
  symlinkSync(join('..', '..', 'bootstrap', 'sealwright.mjs'), link);
  const command = join(root, 'bootstrap', 'sealwright.mjs');
  if ((statSync(command).mode & 0o111) !== 0o111) chmodSync(command, 0o755);
}
