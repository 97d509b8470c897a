/** Bounded patience: full jitter between doubling bounds, as the AWS Builders' Library advises against synchronised retries. */

export interface Patience {
  /** Answers [0, 1). */
  readonly random: () => number;
  /** Resolves after so many milliseconds. */
  readonly pause: (ms: number) => Promise<void>;
  /** Attempts at one call, the first included. */
  readonly attemptsMax: number;
  /** Of those, how many may go without an answer: each is as long as the SDK's own attempts at it, some six seconds. */
  readonly silencesMax: number;
}

export const patienceDefaults = {
  pause: (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms)),
  /** With the pauses below some four seconds in all. */
  attemptsMax: 12,
  /** Three last eighteen seconds: a Lambda of thirty is still there to say so. */
  silencesMax: 3,
} as const;

/** Counts the attempts at one call. */
export interface Attempts {
  /** True when another one is within bounds, after one that failed; `isSilent` when it had no answer. */
  another(isSilent: boolean): boolean;
  /** Waits as long as the next one is to wait. */
  pause(): Promise<void>;
}

export function attemptsOf(patience: Patience): Attempts {
  let [made, silent] = [0, 0];
  return {
    another(isSilent) {
      made += 1;
      if (isSilent) silent += 1;
      return made < patience.attemptsMax && silent < patience.silencesMax;
    },
    pause: () => pauseBefore(made, patience),
  };
}

const pauseMsFirst = 10;
const pauseMsMax = 800;

/** Waits before attempt `attempt` (from 1 for the first repeat): up to 10 ms, 20, 40, … 800. */
export function pauseBefore(attempt: number, { random, pause }: Patience): Promise<void> {
  return pause(random() * Math.min(pauseMsMax, pauseMsFirst * 2 ** Math.min(attempt, 10)));
}

/** Runs `work` over all items, at most `inFlightMax` at once; answers in order. The first rejection rejects, after all ended. */
export async function mapBounded<T, R>(
  items: readonly T[],
  inFlightMax: number,
  work: (item: T, index: number) => Promise<R>,
): Promise<R[]> {
  const results = new Array<R>(items.length);
  const failures: unknown[] = [];
  let next = 0;
  async function lane(): Promise<void> {
    while (next < items.length) {
      const index = next++;
      try {
        results[index] = await work(items[index]!, index);
      } catch (error) {
        failures.push(error);
      }
    }
  }
  await Promise.all(Array.from({ length: Math.min(inFlightMax, items.length) }, lane));
  if (failures.length > 0) throw failures[0];
  return results;
}
