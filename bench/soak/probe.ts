/**
 * Loaded first into every process of a measured service (`node --import`): writes its memory, by process id, each second.
 * The folder is the module's query: `probe.ts?dir=…`.
 */
import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { constants, PerformanceObserver } from 'node:perf_hooks';
import { isMainThread } from 'node:worker_threads';

/** Bytes. `heapLive`: after the last full collection. */
export interface ProbedMemory {
  readonly rss: number;
  readonly external: number;
  readonly heapLive: number;
}

const dir = new URL(import.meta.url).searchParams.get('dir');

if (dir !== null && isMainThread) {
  const file = join(dir, `${process.pid}.json`);
  let heapLive = 0;
  new PerformanceObserver((list) => {
    const isFull = list.getEntries().some((entry) => kindOf(entry) === constants.NODE_PERFORMANCE_GC_MAJOR);
    if (isFull) heapLive = process.memoryUsage().heapUsed;
  }).observe({ entryTypes: ['gc'] });
  setInterval(() => {
    try {
      const { external, rss } = process.memoryUsage();
      const memory: ProbedMemory = { rss, external, heapLive };
      writeFileSync(`${file}.new`, JSON.stringify(memory));
      renameSync(`${file}.new`, file);
    } catch {
      // The folder goes before the last process does.
    }
  }, 1_000).unref();
}

/** https://nodejs.org/api/perf_hooks.html#garbage-collection-gc-details */
function kindOf(entry: object): number | undefined {
  return (entry as { readonly detail?: { readonly kind?: number } }).detail?.kind;
}
