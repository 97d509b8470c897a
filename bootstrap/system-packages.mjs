import { spawnSync } from 'node:child_process';
import { runQuietly } from './run-quietly.mjs';
import { during } from './say.mjs';

const updateTimeoutMs = 60_000;
const installTimeoutMs = 120_000;

/**
 * @typedef {{ apt: string, dnf: string, apk: string, brew: string }} PackageNames
 * @typedef {keyof PackageNames} Manager
 */

/** @type {readonly { manager: Manager, command: string, update?: readonly string[], install: readonly string[] }[]} */
const managers = [
  {
    manager: 'apt',
    command: 'apt-get',
    update: ['update', '-qq'],
    install: ['install', '-y', '-qq', '--no-install-recommends'],
  },
  { manager: 'dnf', command: 'dnf', install: ['install', '-y', '-q'] },
  { manager: 'apk', command: 'apk', update: ['update', '-q'], install: ['add', '-q'] },
  { manager: 'brew', command: 'brew', install: ['install', '--quiet'] },
];

/** @param {string} command @param {readonly string[]} args */
function succeeds(command, args) {
  return spawnSync(command, args, { stdio: 'ignore', timeout: 10_000 }).status === 0;
}

/** @returns {readonly string[] | undefined} what to put before a command that needs root; undefined when we may not */
function privilege() {
  if (process.getuid?.() === 0) return [];
  return succeeds('sudo', ['-n', 'true']) ? ['sudo', '-n'] : undefined;
}

/**
 * Installs one system package where we may (root, or sudo without a password; Homebrew needs neither), in bounded time.
 * SEALWRIGHT_NO_INSTALL=1 forbids it.
 * @param {string} what for people
 * @param {PackageNames} names
 * @returns {Promise<{ ok: boolean, command: string }>} `command` is what a person would type
 */
export async function installPackage(what, names) {
  const found = managers.find((entry) => succeeds(entry.command, ['--version']));
  if (found === undefined) return { ok: false, command: `(your system's way to install ${what})` };
  const name = names[found.manager];
  const isRoot = process.getuid?.() === 0;
  const typed = `${found.command} ${found.install.filter((word) => !word.startsWith('-')).join(' ')} ${name}`;
  const command = found.manager === 'brew' || isRoot ? typed : `sudo ${typed}`;
  const before = found.manager === 'brew' ? [] : privilege();
  if (process.env.SEALWRIGHT_NO_INSTALL === '1' || before === undefined) return { ok: false, command };
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', HOMEBREW_NO_AUTO_UPDATE: '1' };
  const run = (/** @type {readonly string[]} */ args, /** @type {number} */ timeoutMs) => {
    const [first = '', ...rest] = [...before, found.command, ...args];
    return runQuietly(first, rest, { env, timeoutMs });
  };
  const finished = await during(`installing ${what} (${name}, by ${found.command})`, async () => {
    if (found.update !== undefined) await run(found.update, updateTimeoutMs);
    return await run([...found.install, name], installTimeoutMs);
  });
  return { ok: finished.ok, command };
}
