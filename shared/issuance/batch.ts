/**
 * What became of one id of a batch. `again` leaves the message on its queue: the event source mapping reports it as a
 * partial failure, and it comes back after its visibility timeout. `later` is no failure: nothing was tried, since there was
 * no room for it. Its id is sent again, to come after `retryAfterMs`, and the message acknowledged, so that waiting for one's
 * turn never counts as a delivery in vain and never ends in the dead-letter queue.
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
}

export function done(issuanceId: string): ItemOutcome {
  return { kind: 'done', issuanceId };
}

export function again(issuanceId: string, code: string): ItemOutcome {
  return { kind: 'again', issuanceId, code };
}
