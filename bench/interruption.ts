import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** What is to be undone should the bench be interrupted, the last first. */
const undoings = new Set<() => unknown>();

/** Runs `work`; `undo` runs after it, or when the bench is interrupted meanwhile. */
export async function withUndo<T>(undo: () => unknown, work: () => Promise<T>): Promise<T> {
  undoings.add(undo);
  try {
    return await work();
  } finally {
    undoings.delete(undo);
    await undo();
  }
}

/** A folder of its own for `work`, gone afterwards. */
export function withTemporaryFolder<T>(work: (dir: string) => Promise<T>): Promise<T> {
  const dir = mkdtempSync(join(tmpdir(), 'sealwright-bench-'));
  return withUndo(
    () => rmSync(dir, { recursive: true, force: true }),
    () => work(dir),
  );
}

/** On Ctrl-C, or when whoever started us is gone: stops what was started, removes what was written, and ends. */
export function undoWhenInterrupted(): void {
  let interrupted = false;
  const interrupt = async () => {
    if (interrupted) return;
    interrupted = true;
    for (const undo of [...undoings].toReversed()) {
      try {
        await undo();
      } catch {
        // What cannot be undone must not keep the rest from it.
      }
    }
    process.exit(130);
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'disconnect'] as const) process.on(signal, interrupt);
}
