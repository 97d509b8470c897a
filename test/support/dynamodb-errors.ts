/** Errors as the SDK throws them for answers of DynamoDB. */
import { DynamoDBServiceException, TransactionCanceledException } from '@aws-sdk/client-dynamodb';

export function serviceError(name: string, httpStatusCode = 400): Error {
  const $fault = httpStatusCode < 500 ? 'client' : 'server';
  return new DynamoDBServiceException({ name, $fault, message: name, $metadata: { httpStatusCode } });
}

/** A cancelled transaction, with the code of each action's reason. */
export function cancelled(...codes: readonly string[]): TransactionCanceledException {
  return new TransactionCanceledException({
    message: `Transaction cancelled, please refer cancellation reasons for specific reasons [${codes.join(', ')}]`,
    $metadata: { httpStatusCode: 400 },
    CancellationReasons: codes.map((Code) => ({ Code, Message: Code })),
  });
}
