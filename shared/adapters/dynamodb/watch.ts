import { type IssuanceState, isPending } from '../../issuance/issuance-state.ts';
import type { IssuanceWatch } from '../../issuance/ports.ts';
import { createTable, type TableOptions } from './calls.ts';
import { failureOf } from './errors.ts';
import { textOf } from './items.ts';
import { keys } from './table.ts';

export interface WatchOptions extends TableOptions {
  /** Milliseconds since any fixed moment. */
  readonly clock: () => number;
}

/** The pipeline takes a second or more, most of it in the windows of the queues: asking earlier finds nothing. */
const pauseMsFirst = 250;
const pauseMsMax = 1_500;
const growth = 1.4;
/** A look that DynamoDB does not answer at once is worth less than the time it takes. */
const attemptsMax = 2;

/**
 * Watches by asking: another Lambda settles what this one waits for. Half a read unit a time, some nine times in ten seconds;
 * eventually consistent, since whoever is woken reads for itself. A failure to read ends the wait: the caller finds out.
 */
export function createDynamoWatch(options: WatchOptions): IssuanceWatch {
  const table = createTable({ attemptsMax, ...options });
  const { clock } = options;
  const { pause, random } = table.patience;

  async function isSettled(issuanceId: string): Promise<boolean> {
    const key = keys.record(issuanceId);
    if (key === undefined) return true;
    try {
      const rec = await table.get(key, { consistent: false, attributes: 'PK, SK, st' });
      // Not there yet, for a reader that may lag.
      return rec !== undefined && !isPending(textOf(rec, 'st') as IssuanceState);
    } catch (error) {
      if (failureOf(error).kind === 'refused') throw error;
      return true;
    }
  }

  return {
    async untilSettled(issuanceId, waitMsMax) {
      const end = clock() + waitMsMax;
      let pauseMs = pauseMsFirst;
      for (let left = waitMsMax; left > 0; left = end - clock()) {
        // Jitter, so that devices that came together do not ask together.
        await pause(Math.min(left, pauseMs * (0.75 + random() / 2)));
        if (await isSettled(issuanceId)) return;
        pauseMs = Math.min(pauseMsMax, pauseMs * growth);
      }
    },
  };
}
