/**
 * What became of one id of a batch. `again` leaves the message on its queue: the event source mapping reports it as a
 * partial failure, and it comes back after its visibility timeout. `later` is no failure of this message: there was no room
 * for it, or its CA stands still. Its id is sent again, to come after `retryAfterMs`, and the message acknowledged, so that
 * waiting for one's turn, or for a CA to be mended, never counts as a delivery in vain and never ends in the dead-letter queue.
 */
export type ItemOutcome =
  | { readonly kind: 'done'; readonly issuanceId: string }
  | { readonly kind: 'again'; readonly issuanceId: string; readonly code: string }
  | PostponedItem;

export interface PostponedItem {
  readonly kind: 'later';
  readonly issuanceId: string;
  readonly code: string;
  readonly retryAfterMs: number;
  /** Kind of backend whose queue the id is sent to. */
  readonly backend: string;
  /** False when it only waited for its turn. */
  readonly attempted: boolean;
}

export function done(issuanceId: string): ItemOutcome {
  return { kind: 'done', issuanceId };
}

const standstillMsMin = 10_000;
const standstillMsMax = 320_000;

/**
 * An issuance whose CA stands still as a whole: by itself it did nothing wrong. It comes again after ten seconds, and after
 * twice as long each time that it came in vain (`attempts`), so that a long queue is not turned over and over.
 */
export function whenItStandsNoMore(
  { issuanceId, attempts }: { readonly issuanceId: string; readonly attempts: number },
  code: string,
  backend: string,
): PostponedItem {
  const retryAfterMs = Math.min(standstillMsMax, standstillMsMin * 2 ** Math.min(attempts, 10));
  return { kind: 'later', issuanceId, code, retryAfterMs, backend, attempted: true };
}

export function again(issuanceId: string, code: string): ItemOutcome {
  return { kind: 'again', issuanceId, code };
}
