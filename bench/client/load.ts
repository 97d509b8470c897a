import { cpus } from 'node:os';
import { type ProcessUsage, readMachineBusyMs, readProcessUsage, type WatchedProcess } from '../process-usage.ts';
import { type Connection, openConnection, type Reply, type Target } from './connection.ts';

export interface LoadOptions {
  readonly target: Target;
  /** Whole HTTP requests, each sent once. */
  readonly requests: readonly Uint8Array[];
  readonly connections: number;
  /** No request is begun after this; the load also ends with its requests. */
  readonly secondsMax: number;
  /** Processes whose CPU is read at the first request and after the last answer. */
  readonly watch: readonly WatchedProcess[];
}

export interface UsageOfProcess extends ProcessUsage {
  readonly name: string;
}

/** What the whole machine did during a load: what is neither the server's nor the client's is other work. */
export interface MachineUsage {
  /** CPU time of all its processors that was not idle, stolen time included. */
  readonly busyMs: number;
  /** The most there could have been. */
  readonly availableMs: number;
}

export interface LoadResult {
  /** By request; undefined for those not begun. */
  readonly replies: readonly (Reply | undefined)[];
  readonly answered: number;
  readonly seconds: number;
  /** Ascending, in milliseconds, from the request's first byte to the answer's last. */
  readonly latenciesMs: Float64Array;
  /** CPU spent between the first request and the last answer; memory up to then. Empty without `/proc`. */
  readonly usage: readonly UsageOfProcess[];
  /** CPU of this process. */
  readonly clientCpuMs: number;
  /** As the first connection has it. */
  readonly transport: string;
  readonly machine?: MachineUsage;
}

/** Every connection sends its next request as soon as it has an answer (a closed loop). Rejects when a connection fails. */
export async function runLoad(options: LoadOptions): Promise<LoadResult> {
  const { requests, target } = options;
  const connections = await Promise.all(Array.from({ length: options.connections }, () => openConnection(target)));
  const replies: (Reply | undefined)[] = new Array(requests.length).fill(undefined);
  const latencies: number[] = [];
  const before = options.watch.map(({ pid }) => readProcessUsage(pid));
  const busyBefore = readMachineBusyMs();
  const cpuBefore = process.cpuUsage();
  const startedAt = performance.now();
  const endsAt = startedAt + options.secondsMax * 1000;
  let next = 0;

  async function loop(connection: Connection): Promise<void> {
    let sentAt = performance.now();
    while (next < requests.length && sentAt < endsAt) {
      const index = next++;
      replies[index] = await connection.send(requests[index]!);
      const now = performance.now();
      latencies.push(now - sentAt);
      sentAt = now;
    }
  }

  try {
    await Promise.all(connections.map(loop));
    const seconds = (performance.now() - startedAt) / 1000;
    const cpu = process.cpuUsage(cpuBefore);
    const busyAfter = readMachineBusyMs();
    const machine =
      busyBefore === undefined || busyAfter === undefined
        ? {}
        : { machine: { busyMs: busyAfter - busyBefore, availableMs: seconds * 1000 * cpus().length } };
    return {
      replies,
      answered: latencies.length,
      seconds,
      latenciesMs: Float64Array.from(latencies).sort(),
      usage: options.watch.flatMap(({ name, pid }, index) => usageSince(name, before[index], readProcessUsage(pid))),
      clientCpuMs: (cpu.user + cpu.system) / 1000,
      transport: connections[0]!.transport,
      ...machine,
    };
  } finally {
    for (const connection of connections) connection.close();
  }
}

function usageSince(
  name: string,
  before: ProcessUsage | undefined,
  after: ProcessUsage | undefined,
): readonly UsageOfProcess[] {
  if (before === undefined || after === undefined) return [];
  return [
    {
      name,
      cpuMs: after.cpuMs - before.cpuMs,
      mainThreadCpuMs: after.mainThreadCpuMs - before.mainThreadCpuMs,
      rssMaxBytes: after.rssMaxBytes,
    },
  ];
}
