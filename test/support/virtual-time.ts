/** A clock for many that sleep at once: it moves to the earliest sleeper's end when nothing else is left to run. */
export interface VirtualTime {
  readonly clock: () => number;
  readonly sleep: (waitMs: number) => Promise<void>;
  /** Runs until `work` is done; throws when it waits for something that is no sleep. */
  run<T>(work: Promise<T>): Promise<T>;
}

/** Turns of the event loop in which a write to an in-memory store, and whoever waits for it, is done. */
const turns = 8;
const idleRoundsMax = 50;

export function createVirtualTime(start = 1_795_435_200_000): VirtualTime {
  let now = start;
  let sleepers: { readonly until: number; readonly wake: () => void }[] = [];

  function wakeEarliest(): boolean {
    const until = Math.min(...sleepers.map((sleeper) => sleeper.until));
    if (!Number.isFinite(until)) return false;
    now = Math.max(now, until);
    const due = sleepers.filter((sleeper) => sleeper.until <= now);
    sleepers = sleepers.filter((sleeper) => sleeper.until > now);
    for (const { wake } of due) wake();
    return true;
  }

  return {
    clock: () => now,
    sleep: (waitMs) => new Promise((wake) => sleepers.push({ until: now + waitMs, wake })),
    async run(work) {
      let done = false;
      const finish = () => {
        done = true;
      };
      work.then(finish, finish);
      for (let idle = 0; ; ) {
        for (let turn = 0; turn < turns; turn += 1) await new Promise((resolve) => setImmediate(resolve));
        if (done) return work;
        idle = wakeEarliest() ? 0 : idle + 1;
        if (idle > idleRoundsMax) throw new Error('nothing sleeps, and the work is not done');
      }
    },
  };
}
