import type { QueryCommandInput } from '@aws-sdk/client-dynamodb';
import type { Table } from './calls.ts';
import { type Item, text } from './items.ts';

export interface ListOptions {
  /** Sort keys greater than this; all when absent. Not together with `begin`. */
  readonly after?: string;
  /** Sort keys that begin so. */
  readonly begin?: string;
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
  { after, begin, newestFirst = false }: ListOptions = {},
): Promise<readonly Item[]> {
  const items: Item[] = [];
  const conditions = [
    ...(after === undefined ? [] : ['SK > :after']),
    ...(begin === undefined ? [] : ['begins_with(SK, :begin)']),
  ];
  const shape: Omit<QueryCommandInput, 'TableName'> = {
    KeyConditionExpression: ['PK = :pk', ...conditions].join(' AND '),
    ExpressionAttributeValues: {
      ':pk': text(partition),
      ...(after === undefined ? {} : { ':after': text(after) }),
      ...(begin === undefined ? {} : { ':begin': text(begin) }),
    },
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
