import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

/** What the kernel has counted for a process. */
export interface ProcessUsage {
  /** User and system time of all its threads, in the kernel's ticks (10 ms, as a rule). */
  readonly cpuMs: number;
  /** Of these, its first thread's: for Node the one that runs JavaScript. */
  readonly mainThreadCpuMs: number;
  /** Largest resident set so far. */
  readonly rssMaxBytes: number;
}

/** A process to watch, by the name it has in a result. */
export interface WatchedProcess {
  readonly name: string;
  readonly pid: number;
}

let tickMs: number | undefined;

/** `sysconf(_SC_CLK_TCK)`, the unit of the times in `/proc/PID/stat` (proc(5)); 100 a second wherever it cannot be asked. */
function clockTickMs(): number {
  if (tickMs === undefined) {
    try {
      tickMs = 1000 / Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));
    } catch {
      tickMs = 10;
    }
  }
  return tickMs;
}

/** Undefined where there is no `/proc` (not Linux), or no such process any more. */
export function readProcessUsage(pid: number): ProcessUsage | undefined {
  try {
    return {
      cpuMs: cpuTicks(`/proc/${pid}/stat`) * clockTickMs(),
      mainThreadCpuMs: cpuTicks(`/proc/${pid}/task/${pid}/stat`) * clockTickMs(),
      rssMaxBytes: Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1] ?? 0) * 1024,
    };
  } catch {
    return undefined;
  }
}

/** utime + stime: fields 14 and 15 of proc(5), counted behind the command, which may hold spaces and parentheses. */
function cpuTicks(file: string): number {
  const stat = readFileSync(file, 'latin1');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return Number(fields[11]) + Number(fields[12]);
}

/** Children of a process by the script they run: of `node … service.ts` the name is `service.ts`. Empty without `/proc`. */
export function childScripts(pid: number): ReadonlyMap<string, number> {
  const children = new Map<string, number>();
  try {
    for (const thread of readdirSync(`/proc/${pid}/task`)) {
      const text = readFileSync(`/proc/${pid}/task/${thread}/children`, 'latin1').trim();
      for (const child of text.split(' ').filter((one) => one !== '')) {
        const script = readFileSync(`/proc/${child}/cmdline`, 'utf8')
          .split('\0')
          .find((argument) => argument.endsWith('.ts'));
        if (script !== undefined) children.set(script, Number(child));
      }
    }
  } catch {
    return children;
  }
  return children;
}

/** CPU time of the whole machine that was not idle, in all its processors together; undefined without `/proc/stat`. */
export function readMachineBusyMs(): number | undefined {
  try {
    // user nice system idle iowait irq softirq steal (proc(5)); a guest's time is in user already.
    const [user, nice, system, , , irq, softirq, steal] = readFileSync('/proc/stat', 'latin1')
      .slice('cpu '.length, 500)
      .trim()
      .split(/\s+/, 8)
      .map(Number);
    return (user! + nice! + system! + irq! + softirq! + (steal ?? 0)) * clockTickMs();
  } catch {
    return undefined;
  }
}
