import { spawn } from 'node:child_process';

/** @type {Set<import('node:child_process').ChildProcess>} */
const running = new Set();

/** Asks every child under way to end, and waits at most two seconds for it. */
export async function endRunning() {
  const ended = [...running].map((child) => new Promise((resolve) => child.once('close', resolve)));
  for (const child of running) child.kill('SIGTERM');
  await Promise.race([Promise.all(ended), new Promise((resolve) => setTimeout(resolve, 2000))]);
}

/**
 * @typedef {{ ok: boolean, status: number | null, output: string, reason: string }} Finished
 *   `output` is the end of stdout and stderr together, at most 64 KiB; `reason` is prose when not ok.
 */

/**
 * Runs a command to its end with nothing shown. Never throws: a missing command is a result too.
 * @param {string} command
 * @param {readonly string[]} args
 * @param {{ cwd?: string, env?: NodeJS.ProcessEnv, timeoutMs: number, onPid?: (pid: number) => void }} options
 * @returns {Promise<Finished>}
 */
export function runQuietly(command, args, options) {
  return new Promise((resolve) => {
    let output = '';
    let timedOut = false;
    const child = spawn(command, args, {
      cwd: options.cwd,
      env: options.env ?? process.env,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    running.add(child);
    if (child.pid !== undefined) options.onPid?.(child.pid);
    const timer = setTimeout(() => {
      timedOut = true;
      child.kill('SIGKILL');
    }, options.timeoutMs);
    const keep = (/** @type {Buffer} */ chunk) => {
      output = (output + chunk.toString('utf8')).slice(-65_536);
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    const finish = (/** @type {number | null} */ status, /** @type {string} */ reason) => {
      clearTimeout(timer);
      running.delete(child);
      resolve({ ok: status === 0, status, output, reason });
    };
    child.on('error', (error) => finish(null, error.message));
    child.on('close', (status, signal) => {
      if (timedOut) finish(null, `gave up after ${Math.round(options.timeoutMs / 1000)} s`);
      else finish(status, signal === null ? `exit status ${status}` : `ended by ${signal}`);
    });
  });
}
