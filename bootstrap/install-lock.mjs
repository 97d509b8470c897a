import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { root } from './project.mjs';
import { SetupError, say } from './say.mjs';

const waitMsMax = 20 * 60_000;

/**
 * The lock is a listening local socket: the kernel lets go of it when its holder ends, however it ends, so there is no
 * stale lock to judge. On Linux its name is abstract (no file); elsewhere it is a file that is removed when nobody
 * answers on it.
 */
function lockName() {
  const key = createHash('sha256')
    .update(`${process.getuid?.() ?? ''}:${root}`)
    .digest('hex')
    .slice(0, 24);
  return process.platform === 'linux' ? `\0sealwright-setup-${key}` : join(tmpdir(), `sealwright-setup-${key}.sock`);
}

/** @param {string} name @returns {Promise<import('node:net').Server | undefined>} undefined when another holds it */
function tryListen(name) {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => {
      // Waiters stay connected and notice the end of this process as the end of their connection.
      socket.on('error', () => undefined);
      socket.resume();
      socket.unref();
    });
    server.once('error', (/** @type {NodeJS.ErrnoException} */ error) => {
      if (error.code === 'EADDRINUSE') resolve(undefined);
      else reject(error);
    });
    server.listen(name, () => resolve(server.unref()));
  });
}

/** Resolves when the holder ends, or at once when nobody holds it. @param {string} name */
function untilReleased(name) {
  return new Promise((resolve) => {
    const socket = connect(name);
    const timer = setTimeout(() => socket.destroy(), waitMsMax);
    socket.on('error', (/** @type {NodeJS.ErrnoException} */ error) => {
      if (error.code === 'ECONNREFUSED' && !name.startsWith('\0')) rmSync(name, { force: true });
    });
    socket.on('close', () => {
      clearTimeout(timer);
      resolve(undefined);
    });
    socket.resume();
  });
}

const setupFolder = join(root, '.sealwright-setup');
const installerPidPath = join(setupFolder, 'installer.pid');

/** Notes the installer's process, which outlives a bootstrap that is killed. @param {number} pid */
export function noteInstaller(pid) {
  mkdirSync(setupFolder, { recursive: true });
  writeFileSync(installerPidPath, `${pid}\n`);
}

export function forgetInstaller() {
  rmSync(setupFolder, { recursive: true, force: true });
}

/** @param {number} pid */
function isInstaller(pid) {
  try {
    process.kill(pid, 0);
    return process.platform !== 'linux' || readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('npm');
  } catch {
    return false;
  }
}

/** Two installers in one folder would undo each other: waits for one that its bootstrap left behind. */
async function untilInstallerLeftBehindEnds() {
  if (!existsSync(installerPidPath)) return;
  const pid = Number.parseInt(readFileSync(installerPidPath, 'utf8'), 10);
  const giveUpAt = Date.now() + waitMsMax;
  if (isInstaller(pid)) say('an earlier installation is still running; waiting for it');
  while (Number.isInteger(pid) && isInstaller(pid)) {
    if (Date.now() > giveUpAt)
      throw new SetupError(`process ${pid} has been installing for too long; end it and start again`);
    await sleep(250);
  }
  forgetInstaller();
}

/**
 * Runs `work` while no other process sets up this folder; another one waits, and then finds the work done.
 * @template T
 * @param {() => Promise<T>} work
 * @returns {Promise<T>}
 */
export async function withInstallLock(work) {
  const name = lockName();
  const giveUpAt = Date.now() + waitMsMax;
  let told = false;
  for (;;) {
    const server = await tryListen(name);
    if (server !== undefined) {
      try {
        await untilInstallerLeftBehindEnds();
        return await work();
      } finally {
        server.close();
      }
    }
    if (Date.now() > giveUpAt) throw new SetupError('another process has been setting up this folder for too long');
    if (!told) say('another process is setting up this folder; waiting for it');
    told = true;
    await untilReleased(name);
    await sleep(50);
  }
}
