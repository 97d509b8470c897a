import { again, done, type ItemOutcome, type PostponedItem } from './batch.ts';
import type { WorkQueue } from './ports.ts';

/** As long as SQS delays a message at most (DelaySeconds), which counts whole seconds. */
const delayMsMax = 900_000;

/**
 * Sends what is `later` to its queue again, as new messages that come when it is time, and then lets the old ones be
 * acknowledged: deliveries are counted for a message, and waiting for one's turn is no failed delivery. What the queue does
 * not take is delivered `again`. A message that is sent and not acknowledged comes twice, which harms nothing.
 */
export async function sendLater(
  ports: { readonly signingQueue: (backend: string) => WorkQueue | undefined },
  outcomes: readonly ItemOutcome[],
): Promise<readonly ItemOutcome[]> {
  const postponed = outcomes.filter((outcome) => outcome.kind === 'later');
  if (postponed.length === 0) return outcomes;
  const sent = new Set<string>();
  const groups = Map.groupBy(postponed, (item) => `${item.backend} ${delayMsOf(item)}`);
  await Promise.all(
    [...groups.values()].map(async (items) => {
      const queue = ports.signingQueue(items[0]!.backend);
      if (queue === undefined) return;
      const ids = items.map(({ issuanceId }) => issuanceId);
      try {
        await queue.send(ids, delayMsOf(items[0]!));
        for (const id of ids) sent.add(id);
      } catch {
        // They stay on the queue as they are, and are delivered again.
      }
    }),
  );
  return outcomes.map((outcome) => {
    if (outcome.kind !== 'later') return outcome;
    const { issuanceId, code } = outcome;
    return sent.has(issuanceId) ? done(issuanceId) : again(issuanceId, code);
  });
}

function delayMsOf({ retryAfterMs }: PostponedItem): number {
  return Math.min(delayMsMax, Math.max(1, Math.ceil(retryAfterMs / 1000)) * 1000);
}
