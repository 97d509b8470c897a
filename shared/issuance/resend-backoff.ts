import type { EpochMs } from '../pki/epoch.ts';
import type { IssuanceState } from './issuance-state.ts';

/**
 * Whether a stale issuance is due to be sent again. What keeps it from moving, a frozen CA or a module that is down, is
 * mended by nobody's queue: each further message would only die in the dead-letter queue.
 */
export interface ResendBackoff {
  due(issuanceId: string, state: IssuanceState, at: EpochMs): boolean;
}

const firstWaitMs = 120_000;
const waitMsMax = 3_600_000;
const rememberedMax = 50_000;

interface Memory {
  readonly state: IssuanceState;
  readonly nextAt: EpochMs;
  readonly waitMs: number;
}

/**
 * Doubles the wait after each sending, from two minutes to an hour, for as long as an issuance stays in its state. Kept in
 * memory: a process that starts anew sends once more, which does no harm.
 */
export function createResendBackoff(): ResendBackoff {
  const memories = new Map<string, Memory>();
  return {
    due(issuanceId, state, at) {
      const memory = memories.get(issuanceId);
      const known = memory?.state === state ? memory : undefined;
      if (known !== undefined && at < known.nextAt) return false;
      const waitMs = known === undefined ? firstWaitMs : Math.min(known.waitMs * 2, waitMsMax);
      // Put last, so that what is dropped first is what has not been looked at for longest.
      memories.delete(issuanceId);
      memories.set(issuanceId, { state, nextAt: at + waitMs, waitMs });
      if (memories.size > rememberedMax) memories.delete(memories.keys().next().value!);
      return true;
    },
  };
}
