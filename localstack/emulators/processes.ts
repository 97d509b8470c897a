/** Child processes that listen: started in a group of their own, waited for, and stopped by that group and nothing else. */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

export interface ListeningProcess {
  readonly name: string;
  stop(): Promise<void>;
}

export interface StartOptions {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  readonly logFile: string;
  /** Resolves to true once it serves. */
  readonly isReady: () => Promise<boolean>;
  readonly readyMsMax: number;
}

const pollMs = 100;
const termMsMax = 5_000;
const groups = new Set<number>();

// Whatever ends this process, its groups go with it (but for SIGKILL, which tells nobody).
process.on('exit', () => {
  for (const group of groups) signalGroup(group, 'SIGKILL');
});

/** Starts a process and waits until it serves. Throws with the end of its log when it does not. */
export async function startListening(options: StartOptions): Promise<ListeningProcess> {
  const log = openSync(options.logFile, 'w', 0o600);
  const child = spawn(options.command, options.args, {
    env: options.env,
    stdio: ['ignore', log, log],
    detached: true,
  });
  closeSync(log);
  const gone = new Promise<string>((resolve) => {
    child.on('error', (error) => resolve(error.message));
    child.on('exit', (code, signal) => resolve(signal ?? `exit status ${code}`));
  });
  const { pid } = child;
  if (pid !== undefined) groups.add(pid);
  const stop = () => stopGroup(child, gone);
  let ended: string | undefined;
  void gone.then((how) => {
    ended = how;
  });
  const until = performance.now() + options.readyMsMax;
  while (!(await options.isReady().catch(() => false))) {
    if (ended !== undefined || performance.now() > until) {
      await stop();
      const tail = readFileSync(options.logFile, 'utf8').trim().split('\n').slice(-12).join('\n  ');
      throw new Error(
        `${options.name} does not serve (${ended ?? 'it took too long'}); the end of its log:\n  ${tail}`,
      );
    }
    await sleep(pollMs);
  }
  return { name: options.name, stop };
}

async function stopGroup(child: ChildProcess, gone: Promise<string>): Promise<void> {
  const { pid } = child;
  if (pid === undefined) return;
  signalGroup(pid, 'SIGTERM');
  await Promise.race([gone, sleep(termMsMax)]);
  // What the process itself had started, and did not stop.
  signalGroup(pid, 'SIGKILL');
  groups.delete(pid);
}

function signalGroup(group: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-group, signal);
  } catch {
    // Nobody is left in it.
  }
}

/** A port of the loopback interface that nothing listens on now. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { readonly port: number };
      server.close(() => resolve(port));
    });
  });
}

/** Whether a GET answers 200. */
export async function answers(url: string): Promise<boolean> {
  const response = await fetch(url, { signal: AbortSignal.timeout(2_000) });
  await response.arrayBuffer();
  return response.status === 200;
}
