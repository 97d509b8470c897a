import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { openSync } from 'node:fs';

/** What a child of ours says on its IPC channel. */
export type ServiceMessage =
  | { readonly kind: 'ready'; readonly url: string }
  | { readonly kind: 'refused'; readonly code: string; readonly message: string };

export interface ChildService {
  readonly url: string;
  readonly process: ChildProcess;
  /** SIGTERM, then SIGKILL when it has not gone within the grace. */
  stop(): Promise<void>;
}

export class ChildServiceError extends Error {
  readonly code: string;
  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

const readyMsMax = 30_000;
const stopMsMax = 15_000;

/**
 * Starts one of our own processes and waits until it serves. Its output goes to `logFile`. Throws `ChildServiceError`
 * with the child's own code when it refuses to start, and says where its log is when it dies without a word.
 */
export async function startChild(
  script: string,
  args: readonly string[],
  options: { readonly env: NodeJS.ProcessEnv; readonly logFile: string; readonly name: string },
): Promise<ChildService> {
  const log = openSync(options.logFile, 'a', 0o600);
  const child = fork(script, args, {
    env: options.env,
    stdio: ['ignore', log, log, 'ipc'],
    execArgv: ['--disable-warning=ExperimentalWarning'],
  });
  const url = await waitUntilReady(child, options);
  return { url, process: child, stop: () => stopChild(child) };
}

function waitUntilReady(
  child: ChildProcess,
  options: { readonly logFile: string; readonly name: string },
): Promise<string> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      reject(
        new ChildServiceError(
          'start-timeout',
          `${options.name} did not start within ${readyMsMax / 1000} s; its log is ${options.logFile}`,
        ),
      );
    }, readyMsMax);
    child.on('message', (message: ServiceMessage) => {
      clearTimeout(timer);
      if (message.kind === 'ready') resolve(message.url);
      else reject(new ChildServiceError(message.code, message.message));
    });
    child.once('exit', (code, signal) => {
      clearTimeout(timer);
      reject(
        new ChildServiceError(
          'start-failed',
          `${options.name} ended at its start (${signal ?? `exit ${code}`}); its log is ${options.logFile}`,
        ),
      );
    });
  });
}

export async function stopChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), stopMsMax);
  await gone;
  clearTimeout(timer);
}
