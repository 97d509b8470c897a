import type { ItemOutcome } from './batch.ts';
import type { IssuanceError } from './issuance-record.ts';
import type { Clock, IssuanceLedger } from './ports.ts';

/** What our own codes say to an operator; the words of a CA or module are noted where they are heard. */
const meanings: Readonly<Record<string, string>> = {
  'signer-failed': 'the ledger or the backend failed for the batch as a whole',
  'backend-unavailable': 'this signer has no backend for the CA',
  'custody-stopped': 'the key of the CA is not held as the hierarchy demands',
  'custody-unknown': 'the module or provider did not say how it holds the key of the CA',
  'evaluation-failed': 'the request could not be evaluated',
  'lint-failed': 'the intent could not be linted again',
  'send-failed': 'the signing queue did not take the id',
  'with-another-signer': 'another signer has it under way',
  frozen: 'the CA is frozen',
};

/**
 * Writes down, for those of these ids that are delivered again, why: the attempt and its error; waiting for one's turn is no
 * attempt. Best effort: the outcome stands whether or not
 * the ledger takes it, and the next delivery fails for the same reason if that lasts.
 */
export async function noteDeferred(
  ports: { readonly ledger: Pick<IssuanceLedger, 'noteAttempts'>; readonly clock: Clock },
  outcomes: ReadonlyMap<string, ItemOutcome>,
  issuanceIds: readonly string[],
): Promise<void> {
  const at = ports.clock();
  const attempts: { readonly issuanceId: string; readonly error: IssuanceError }[] = [];
  for (const issuanceId of issuanceIds) {
    const outcome = outcomes.get(issuanceId);
    if (outcome === undefined || outcome.kind === 'done') continue;
    if (outcome.kind === 'later' && !outcome.attempted) continue;
    const { code } = outcome;
    attempts.push({ issuanceId, error: { code, message: meanings[code] ?? `deferred: ${code}`, at } });
  }
  if (attempts.length === 0) return;
  try {
    await ports.ledger.noteAttempts(attempts);
  } catch {
    // The ledger that failed the batch may fail this too; the queue keeps the code with the message.
  }
}
