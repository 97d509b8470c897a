import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { openConnection, type Target } from '../client/connection.ts';
import { lastCharacters } from './toolchain.ts';

export interface ServerProcess {
  readonly pid: number;
  /** The end of what it wrote to standard error. */
  errors(): string;
  /** Lets it end what it has begun. */
  stop(): Promise<void>;
}

export interface ServerCommand {
  readonly path: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Ready when it accepts connections here. */
  readonly target: Target;
}

const startMsMax = 60_000;
const stopMsMax = 30_000;
const pollMs = 50;

/** Rejects with what it wrote when it ends or does not accept connections in time. */
export async function startServerProcess(command: ServerCommand): Promise<ServerProcess> {
  const child = spawn(command.path, command.args, {
    cwd: command.cwd,
    env: { ...process.env, ...command.env },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const errors = lastCharacters(child);
  const gone = new Promise<never>((_, reject) => {
    child.once('error', reject);
    child.once('exit', (status) => reject(new Error(`${command.path} ended with ${status}: ${errors()}`)));
  });
  gone.catch(() => undefined);
  try {
    await Promise.race([gone, waitUntilReady(command.target)]);
  } catch (cause) {
    await stop(child);
    throw new Error(`${command.path} did not start: ${errors()}`, { cause });
  }
  return { pid: child.pid!, errors, stop: () => stop(child) };
}

async function waitUntilReady(target: Target): Promise<void> {
  const until = performance.now() + startMsMax;
  for (;;) {
    try {
      (await openConnection(target)).close();
      return;
    } catch (cause) {
      if (performance.now() > until) throw cause;
      await sleep(pollMs);
    }
  }
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), stopMsMax);
  await gone;
  clearTimeout(timer);
}

/** A port of 127.0.0.1 that was free a moment ago: the peers cannot say which one they took. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}
