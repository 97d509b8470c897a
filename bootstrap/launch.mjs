import { spawn } from 'node:child_process';
import { constants } from 'node:os';

const parentPollMs = 250;
const repeatedSignalMs = 1000;
const stopMsMax = 10_000;

/**
 * Calls `onOrphaned` when the npm that started us is gone: npm killed with SIGKILL passes nothing on. npm is our parent
 * itself, since the scripts of package.json `exec` (else a shell would stand between and swallow signals, too).
 * @param {() => void} onOrphaned
 */
function watchNpm(onOrphaned) {
  if (process.env.npm_lifecycle_event === undefined) return;
  const parent = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(timer);
    onOrphaned();
  }, parentPollMs);
  timer.unref();
}

/**
 * Runs the command in `nodePath` and ends as it ends.
 *
 * Signals: SIGINT, SIGTERM and SIGHUP (as SIGTERM) are passed on once; a repetition within a second is the same request
 * (npm, a terminal and a process group each deliver their own copy), a later one is passed on again. A terminal has
 * already given SIGINT to the child, so there it is only announced over the channel.
 * The child of a service has an IPC channel: when it closes, this process is gone, however it ended.
 *
 * @param {string} nodePath
 * @param {readonly string[]} args
 * @param {{ cwd?: string, env: NodeJS.ProcessEnv, channel: boolean }} options
 * @returns {Promise<number>} exit status
 */
export function launch(nodePath, args, options) {
  return new Promise((resolve) => {
    const stdio = /** @type {import('node:child_process').StdioOptions} */ (
      options.channel ? ['inherit', 'inherit', 'inherit', 'ipc'] : 'inherit'
    );
    const child = spawn(nodePath, args, { stdio, env: options.env, cwd: options.cwd });
    const onTerminal = process.stdin.isTTY === true || process.stdout.isTTY === true || process.stderr.isTTY === true;
    let passedOnAt = Number.NEGATIVE_INFINITY;
    const passOn = (/** @type {NodeJS.Signals} */ signal) => {
      const now = performance.now();
      if (now - passedOnAt < repeatedSignalMs) return;
      passedOnAt = now;
      if (child.connected) child.send({ kind: 'signal', signal }, () => undefined);
      if (signal !== 'SIGINT' || !onTerminal) child.kill(signal === 'SIGHUP' ? 'SIGTERM' : signal);
    };
    for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP']))
      process.on(signal, () => passOn(signal));
    watchNpm(() => {
      passOn('SIGTERM');
      setTimeout(() => child.kill('SIGKILL'), stopMsMax).unref();
    });
    child.on('error', (error) => {
      process.stderr.write(`sealwright: ${nodePath} does not start: ${error.message}\n`);
      resolve(1);
    });
    child.on('exit', (status, signal) => resolve(status ?? 128 + (signal === null ? 1 : constants.signals[signal])));
  });
}
