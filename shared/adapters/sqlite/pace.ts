/**
 * Says when what is gathered goes on: a batch to its consumer, a group of writes to its COMMIT. At once, in the next check
 * phase of the event loop, when nothing is under way that would join it soon; under load not before enough has come together.
 * So a lone request waits for nothing, and the busier the process, the fewer and larger its batches and commits. No timers:
 * the end of what is under way is what wakes.
 */
export interface Pace {
  /** Work on another thread begins, and ends: what it leads to joins what is gathered. */
  begin(): void;
  end(): void;
  /** Calls `want.go` once, when it is time; asked again before that, it is still called once. */
  ask(want: Want): void;
  /** To be called when a want's count has grown by itself. */
  poke(): void;
}

/** The same function, whose calls are known to be under way. */
export function pacedBy<P extends readonly unknown[], T>(
  pace: Pace,
  call: (...parameters: P) => Promise<T>,
): (...parameters: P) => Promise<T> {
  return async (...parameters) => {
    pace.begin();
    try {
      return await call(...parameters);
    } finally {
      pace.end();
    }
  };
}

export interface Want {
  /** How much is gathered. */
  readonly count: () => number;
  readonly go: () => void;
  /** Not yet, whatever is gathered; whoever says so pokes when it ends. */
  readonly held?: () => boolean;
  /** What goes on first: a commit comes after the batches whose writes it can take along. */
  readonly last: boolean;
}

export interface PaceOptions {
  /** So many go on although something is under way, unless that is more: then what is gathered grows with it. */
  readonly countMin: number;
  /** Nothing is held longer, while the loop turns. */
  readonly holdMsMax: number;
}

/** Sixteen fill a commit well (a sync costs as much as some ten certificates), and 4 ms are less than anyone sees. */
export const paceDefaults: PaceOptions = { countMin: 16, holdMsMax: 4 };

export function createPace({ countMin, holdMsMax }: PaceOptions = paceDefaults): Pace {
  const wants = new Map<Want, number>();
  let underWay = 0;
  let scheduled = false;

  function schedule(): void {
    if (scheduled || wants.size === 0) return;
    scheduled = true;
    // The check phase comes after all input that is ready has been read: every request of this turn has been seen.
    setImmediate(evaluate);
  }

  function goesOn(want: Want, since: number, now: number): boolean {
    if (want.held?.() === true) return false;
    return underWay === 0 || want.count() >= Math.max(countMin, underWay) || now - since >= holdMsMax;
  }

  function evaluate(): void {
    scheduled = false;
    const now = performance.now();
    let gone = false;
    for (const [want, since] of [...wants]) {
      if (want.last || !goesOn(want, since, now)) continue;
      wants.delete(want);
      gone = true;
      want.go();
    }
    for (const [want, since] of [...wants]) {
      // What has just gone on brings more: the next turn has it.
      if (!want.last || (gone && now - since < holdMsMax) || !goesOn(want, since, now)) continue;
      wants.delete(want);
      want.go();
    }
    if (gone) schedule();
  }

  return {
    begin() {
      underWay += 1;
    },
    end() {
      underWay -= 1;
      schedule();
    },
    ask(want) {
      if (!wants.has(want)) wants.set(want, performance.now());
      schedule();
    },
    poke: schedule,
  };
}
