import { readFileSync } from 'node:fs';

const lookMs = 20;

export interface Growth {
  readonly beforeMiB: number;
  readonly mostMiB: number;
  readonly growthMiB: number;
}

/** Resident set of a process (VmRSS, proc(5)) in bytes; undefined once it is gone, or where there is no `/proc`. */
export function residentBytes(pid: number): number | undefined {
  try {
    const kib = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1];
    return kib === undefined ? undefined : Number(kib) * 1024;
  } catch {
    return undefined;
  }
}

/** Looks every 20 ms how much of memory a process holds, from `mark` on; `end` says how much more than then it was at most. */
export function watchGrowth(pid: number) {
  let before: number | undefined;
  let most = 0;
  const look = setInterval(() => {
    const now = residentBytes(pid);
    if (now !== undefined && before !== undefined) most = Math.max(most, now);
  }, lookMs);
  return {
    mark() {
      before ??= residentBytes(pid);
      most = Math.max(most, before ?? 0);
    },
    end(): Growth | undefined {
      clearInterval(look);
      if (before === undefined) return undefined;
      const mib = (bytes: number) => Math.round((bytes / 2 ** 20) * 10) / 10;
      return { beforeMiB: mib(before), mostMiB: mib(most), growthMiB: mib(most - before) };
    },
  };
}
