import type { QueryCommandInput } from '@aws-sdk/client-dynamodb';
import type { Table } from './calls.ts';
import { type Item, text } from './items.ts';

export interface ListOptions {
  /** Sort keys greater than this; all when absent. */
  readonly after?: string;
  /** Greatest sort key first. */
  readonly newestFirst?: boolean;
}

/**
 * Items of one partition in the order of their sort keys, at most `countMax`. Strongly consistent. As many pages as it takes:
 * DynamoDB ends one at 1 MB.
 */
export async function listPartition(
  table: Table,
  partition: string,
  countMax: number,
  { after, newestFirst = false }: ListOptions = {},
): Promise<readonly Item[]> {
  const items: Item[] = [];
  const shape: Omit<QueryCommandInput, 'TableName'> = {
    KeyConditionExpression: after === undefined ? 'PK = :pk' : 'PK = :pk AND SK > :after',
    ExpressionAttributeValues: { ':pk': text(partition), ...(after === undefined ? {} : { ':after': text(after) }) },
    ConsistentRead: true,
    ScanIndexForward: !newestFirst,
  };
  let start: Item | undefined;
  do {
    const page = await table.query({
      ...shape,
      Limit: countMax - items.length,
      ...(start === undefined ? {} : { ExclusiveStartKey: { ...start } }),
    });
    items.push(...page.items);
    start = page.next;
  } while (start !== undefined && items.length < countMax);
  return items;
}
