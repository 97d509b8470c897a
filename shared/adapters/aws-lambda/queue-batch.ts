import type { SQSBatchResponse, SQSEvent } from 'aws-lambda';
import type { ItemOutcome } from '../../issuance/batch.ts';
import { parseIssuanceId } from '../../issuance/ids.ts';

/**
 * Runs a use case over the ids of a batch and says which messages stay (ReportBatchItemFailures). Every failure is
 * reported for its own message; an answer for the whole batch would deliver what is done again. A body that is no
 * issuance id is a failure, so that it ends in the dead-letter queue, alone.
 */
export async function runBatch(
  event: SQSEvent,
  run: (issuanceIds: readonly string[]) => Promise<readonly ItemOutcome[]>,
): Promise<SQSBatchResponse> {
  const valid = event.Records.filter((record) => parseIssuanceId(record.body) !== undefined);
  const outcomes = valid.length === 0 ? [] : await run(valid.map((record) => record.body));
  const failed = new Set(
    event.Records.filter((record) => parseIssuanceId(record.body) === undefined).map((record) => record.messageId),
  );
  valid.forEach((record, index) => {
    if (outcomes[index]?.kind !== 'done') failed.add(record.messageId);
  });
  return { batchItemFailures: [...failed].map((itemIdentifier) => ({ itemIdentifier })) };
}
