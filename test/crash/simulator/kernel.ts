/**
 * Virtual time. One event runs at a time; the next is taken only when everything that the last one set going waits for
 * another event. So the order of all that happens follows from the events alone, and these from the seed.
 */
import type { EpochMs } from '../../../shared/pki/epoch.ts';

export interface Kernel {
  readonly now: EpochMs;
  /** Events that the schedule must not end without. */
  readonly owed: number;
  after(delayMs: number, run: () => void | Promise<void>, kind?: 'owed' | 'idle'): void;
  /** Takes events until `isOver`, checked after each, or until none is left or `untilMax` is passed. */
  run(isOver: () => boolean, untilMax: EpochMs): Promise<'over' | 'nothing-left' | 'time-out'>;
}

interface Event {
  readonly at: EpochMs;
  readonly order: number;
  readonly isOwed: boolean;
  readonly run: () => void | Promise<void>;
}

/** Everything that is ready runs: microtasks, and what the store has put off to the next turn. */
export const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function isBefore(one: Event, other: Event): boolean {
  return one.at < other.at || (one.at === other.at && one.order < other.order);
}

export function createKernel(start: EpochMs): Kernel {
  const heap: Event[] = [];
  let now = start;
  let order = 0;
  let owed = 0;

  function push(event: Event): void {
    let index = heap.push(event) - 1;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (isBefore(heap[parent]!, event)) break;
      heap[index] = heap[parent]!;
      index = parent;
    }
    heap[index] = event;
  }

  function pop(): Event | undefined {
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined || heap.length === 0) return first;
    let index = 0;
    for (;;) {
      const left = 2 * index + 1;
      if (left >= heap.length) break;
      const right = left + 1;
      const child = right < heap.length && isBefore(heap[right]!, heap[left]!) ? right : left;
      if (isBefore(last, heap[child]!)) break;
      heap[index] = heap[child]!;
      index = child;
    }
    heap[index] = last;
    return first;
  }

  return {
    get now() {
      return now;
    },
    get owed() {
      return owed;
    },
    after(delayMs, run, kind = 'idle') {
      if (kind === 'owed') owed += 1;
      push({ at: now + Math.max(0, Math.round(delayMs)), order: order++, isOwed: kind === 'owed', run });
    },
    async run(isOver, untilMax) {
      for (;;) {
        const event = pop();
        if (event === undefined) return 'nothing-left';
        if (event.at > untilMax) return 'time-out';
        now = event.at;
        await event.run();
        await turn();
        if (event.isOwed) owed -= 1;
        if (isOver()) return 'over';
      }
    },
  };
}
