/**
 * What became of one id of a batch. `again` leaves the message on its queue: the event source mapping reports it as a
 * partial failure, and it comes back after its visibility timeout.
 */
export type ItemOutcome =
  | { readonly kind: 'done'; readonly issuanceId: string }
  | { readonly kind: 'again'; readonly issuanceId: string; readonly code: string };

export function done(issuanceId: string): ItemOutcome {
  return { kind: 'done', issuanceId };
}

export function again(issuanceId: string, code: string): ItemOutcome {
  return { kind: 'again', issuanceId, code };
}
