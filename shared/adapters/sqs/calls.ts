import { setTimeout as setTimer } from 'node:timers/promises';
import { type QueueError, queueErrorOf } from './queue-error.ts';

/** How a call to SQS is tried. Time is that of the process: nothing of it is kept. */
export interface CallOptions {
  /** Attempts of a call, or of an entry of a batch. */
  readonly attemptsMax: number;
  /** Beyond this no attempt begins. */
  readonly totalMsMax: number;
  readonly sleep: (ms: number) => Promise<unknown>;
  /** In [0, 1): spreads the attempts of many. */
  readonly random: () => number;
}

/** A function of 30 s has time left to answer when SQS does not. */
export const defaultCallOptions: CallOptions = {
  attemptsMax: 5,
  totalMsMax: 8_000,
  sleep: (ms) => setTimer(ms),
  random: Math.random,
};

/** A call that is not a long poll is answered in tens of milliseconds. */
const callMsMax = 5_000;
const backoffMsFirst = 100;
const backoffMsMax = 2_000;

/** Exponential with full jitter: the n-th wait, from 0. */
export function backoffMs(attempt: number, random: () => number): number {
  return Math.ceil(random() * Math.min(backoffMsMax, backoffMsFirst * 2 ** attempt));
}

/**
 * One call, tried again while SQS throttles or does not answer. Throws `QueueError`. What was asked may have taken effect
 * more than once: every call that goes through here may.
 */
export async function callSqs<T>(
  options: CallOptions,
  send: (signal: AbortSignal) => Promise<T>,
  waitMs = 0,
): Promise<T> {
  const began = performance.now();
  for (let attempt = 0; ; attempt++) {
    try {
      return await send(AbortSignal.timeout(callMsMax + waitMs));
    } catch (cause) {
      const error = queueErrorOf(cause);
      if (!isPassing(error) || attempt + 1 >= options.attemptsMax) throw error;
      const pauseMs = backoffMs(attempt, options.random);
      if (performance.now() - began + pauseMs > options.totalMsMax) throw error;
      await options.sleep(pauseMs);
    }
  }
}

function isPassing({ code }: QueueError): boolean {
  return code === 'queue-throttled' || code === 'queue-unavailable';
}
