/** Where functions run: all in one process that starts again after its end, or each invocation in a sandbox of its own. */
import type { Role } from './faults.ts';
import type { Kernel } from './kernel.ts';
import { createProcess, type Process } from './processes.ts';
import type { Random } from './random.ts';

/** As serverless.yml has it: `timeout: 29`. */
const lambdaTimeoutMs = 29_000;

export interface Host {
  /** Where a function runs its next invocation; undefined while nothing runs. */
  sandbox(role: Role): Process | undefined;
  poller(): Process | undefined;
  readonly timeoutMs: number | undefined;
  /** Ends every process: nothing of this schedule goes on after it. */
  close(): void;
}

/** `onStart` is called after each start but the first. */
export function createOneProcess(kernel: Kernel, random: Random, onStart: () => void): Host {
  let starts = 0;
  let service: Process | undefined;
  let isClosed = false;

  function start(): Process {
    starts += 1;
    const process = createProcess(`service-${starts}`);
    process.onDeath(() => {
      service = undefined;
      if (isClosed) return;
      const restart = () => {
        service = start();
        onStart();
      };
      kernel.after(random.between(500, 30_000), restart, 'owed');
    });
    return process;
  }

  service = start();
  return {
    sandbox: () => service,
    poller: () => service,
    timeoutMs: undefined,
    close() {
      isClosed = true;
      service?.die();
    },
  };
}

export function createLambda(): Host {
  const poller = createProcess('lambda', true);
  const sandboxes: Process[] = [];
  const roles = new Map<Process, Role>();
  return {
    poller: () => poller,
    sandbox(role) {
      const idle = sandboxes.find((one) => one.isAlive && one.work.size === 0 && roles.get(one) === role);
      if (idle !== undefined) return idle;
      const fresh = createProcess(`${role}-${sandboxes.length + 1}`);
      sandboxes.push(fresh);
      roles.set(fresh, role);
      return fresh;
    },
    timeoutMs: lambdaTimeoutMs,
    close() {
      for (const sandbox of sandboxes) sandbox.die();
    },
  };
}
