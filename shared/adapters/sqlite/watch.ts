import type { IssuanceWatch } from '../../issuance/ports.ts';

export interface SettledWatch extends IssuanceWatch {
  /** Wakes those who wait for this issuance. */
  settled(issuanceId: string): void;
  close(): void;
}

/** Whoever is answered that its request was received may ask only after that was settled, in the same commit. */
const rememberedMax = 4_096;

/**
 * Waiters of this process, woken after the commit that settles their issuance. Beyond `waitersMax` a wait returns at
 * once: its caller answers what it knows, as after a wait that ran out.
 */
export function createWatch(waitersMax: number): SettledWatch {
  const waiters = new Map<string, Set<() => void>>();
  /** Settled lately, oldest first. */
  const settled = new Set<string>();
  let count = 0;
  let closed = false;

  function wake(issuanceId: string): void {
    const waiting = waiters.get(issuanceId);
    if (waiting !== undefined) for (const done of [...waiting]) done();
  }

  function remember(issuanceId: string): void {
    settled.add(issuanceId);
    if (settled.size > rememberedMax) for (const oldest of settled) return void settled.delete(oldest);
  }

  return {
    untilSettled(issuanceId, waitMsMax) {
      if (closed || count >= waitersMax || waitMsMax <= 0 || settled.has(issuanceId)) return Promise.resolve();
      return new Promise((resolve) => {
        const waiting = waiters.get(issuanceId) ?? new Set();
        const done = () => {
          clearTimeout(timer);
          if (!waiting.delete(done)) return;
          count -= 1;
          if (waiting.size === 0) waiters.delete(issuanceId);
          resolve();
        };
        const timer = setTimeout(done, waitMsMax);
        waiting.add(done);
        waiters.set(issuanceId, waiting);
        count += 1;
      });
    },
    settled(issuanceId) {
      remember(issuanceId);
      wake(issuanceId);
    },
    close() {
      closed = true;
      for (const issuanceId of [...waiters.keys()]) wake(issuanceId);
    },
  };
}
