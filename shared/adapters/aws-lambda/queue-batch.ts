import type { SQSBatchResponse, SQSEvent } from 'aws-lambda';
import { again, type ItemOutcome } from '../../issuance/batch.ts';
import { parseIssuanceId } from '../../issuance/ids.ts';

/** Why a message stays on its queue. */
export type Deferral = Omit<Extract<ItemOutcome, { kind: 'again' }>, 'kind' | 'issuanceId'>;

/**
 * Beside what Lambda gives a function, the embedded host asks why a message failed, to keep it with the message. The
 * answer of the function has no room for that: Lambda fails the whole batch for an answer that is not as it expects.
 */
export interface BatchContext {
  readonly deferred?: (messageId: string, deferral: Deferral) => void;
}

/** The code of a message whose body is no issuance id. */
const bodyInvalid = 'body-invalid';

/**
 * Runs a use case over the ids of a batch and says which messages stay (ReportBatchItemFailures). Every failure is
 * reported for its own message; an answer for the whole batch would deliver what is done again. A body that is no
 * issuance id is a failure, so that it ends in the dead-letter queue, alone.
 */
export async function runBatch(
  event: SQSEvent,
  run: (issuanceIds: readonly string[]) => Promise<readonly ItemOutcome[]>,
  context?: BatchContext,
): Promise<SQSBatchResponse> {
  const failed = new Set<string>();
  const defer = (messageId: string, deferral: Deferral) => {
    failed.add(messageId);
    context?.deferred?.(messageId, deferral);
  };
  const valid = event.Records.filter((record) => {
    if (parseIssuanceId(record.body) !== undefined) return true;
    defer(record.messageId, { code: bodyInvalid });
    return false;
  });
  const outcomes = valid.length === 0 ? [] : await run(valid.map((record) => record.body));
  valid.forEach((record, index) => {
    const outcome = outcomes[index];
    if (outcome?.kind === 'done') return;
    const { kind: _, issuanceId: __, ...deferral } = outcome ?? again(record.body, 'no-outcome');
    defer(record.messageId, deferral as Deferral);
  });
  return { batchItemFailures: [...failed].map((itemIdentifier) => ({ itemIdentifier })) };
}
