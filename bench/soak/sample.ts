import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { walBytes } from '../../shared/adapters/sqlite/database.ts';
import type { WatchedProcess } from '../process-usage.ts';
import type { ProbedMemory } from './probe.ts';

/** A process of the service at one instant. Bytes. */
export interface ProcessSample {
  readonly rss: number;
  /** What the last full collection left in the heap; 0 before the first. */
  readonly heapLive: number;
  /** Buffers and other memory outside the heap that the heap holds. */
  readonly external: number;
  readonly openFiles: number;
}

export interface Sample {
  readonly atMs: number;
  readonly issued: number;
  readonly processes: Readonly<Record<string, ProcessSample>>;
  readonly walBytes: number;
  /** Grows with what is issued, by intention. */
  readonly ledgerBytes: number;
}

/** Where each process writes its memory: see `probe.ts`. */
export function readProcess(probeDir: string, { pid }: WatchedProcess): ProcessSample {
  const memory = JSON.parse(readFileSync(join(probeDir, `${pid}.json`), 'utf8')) as ProbedMemory;
  const { external, heapLive, rss } = memory;
  return { rss, heapLive, external, openFiles: openFilesOf(pid) };
}

/** 0 where there is no `/proc`. */
function openFilesOf(pid: number): number {
  try {
    return readdirSync(`/proc/${pid}/fd`).length;
  } catch {
    return 0;
  }
}

export function readSample(
  probeDir: string,
  processes: readonly WatchedProcess[],
  ledgerPath: string,
  progress: { readonly atMs: number; readonly issued: number },
): Sample {
  return {
    ...progress,
    processes: Object.fromEntries(processes.map((one) => [one.name, readProcess(probeDir, one)])),
    walBytes: walBytes(ledgerPath),
    ledgerBytes: statSync(ledgerPath).size,
  };
}

/** `--import` of the probe, for the processes of a service. */
export function probeOption(probeDir: string): string {
  const url = new URL('probe.ts', import.meta.url);
  url.searchParams.set('dir', probeDir);
  return `--import=${url.href}`;
}
