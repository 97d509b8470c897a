/** What tests put between the SDK and its wire: a count of commands, capacity consumed, answers that get lost. */
import { randomUUID } from 'node:crypto';
import type { DynamoDBClient } from '@aws-sdk/client-dynamodb';

export interface CommandCount {
  readonly commands: Map<string, number>;
  /** Most items, by command, that one answer held; most bytes is DynamoDB's own bound. */
  readonly queries: { readonly limit: number | undefined; readonly isBounded: boolean }[];
}

interface Sent {
  readonly KeyConditionExpression?: string;
  readonly Limit?: number;
}

/** Counts what a client sends from now on, by command, each repeat of the SDK's own left out. */
export function countCommands(client: DynamoDBClient): CommandCount {
  const count: CommandCount = { commands: new Map(), queries: [] };
  client.middlewareStack.add(
    (next, context) => (args) => {
      const name = String(context.commandName);
      count.commands.set(name, (count.commands.get(name) ?? 0) + 1);
      if (name === 'QueryCommand') {
        const { KeyConditionExpression, Limit } = args.input as Sent;
        count.queries.push({ limit: Limit, isBounded: KeyConditionExpression !== undefined });
      }
      return next(args);
    },
    { step: 'initialize', name: 'countCommands' },
  );
  return count;
}

/** What a lost answer looks like: the write is made, and the connection ends. */
export class AnswerLost extends Error {
  override readonly name = 'TimeoutError';
}

/** What becomes of a call: `unsent` never reaches DynamoDB, `unanswered` takes effect. Both look the same to the caller. */
export type Loss = 'unsent' | 'unanswered' | undefined;

/**
 * Loses calls and answers: `lossOf` decides, for each call of a command with its input. The SDK does not repeat what is lost
 * here: it stands for the last of its attempts.
 */
export function loseAnswers(client: DynamoDBClient, lossOf: (command: string, input: object) => Loss): void {
  client.middlewareStack.add(
    (next, context) => async (args) => {
      const loss = lossOf(String(context.commandName), args.input);
      if (loss === 'unsent') throw new AnswerLost('connect ETIMEDOUT');
      const answer = await next(args);
      if (loss === 'unanswered') throw new AnswerLost('socket hang up');
      return answer;
    },
    { step: 'initialize', name: 'loseAnswers' },
  );
}

/** Gives every transaction a token of its own, as if DynamoDB had forgotten the one before: it does so after ten minutes. */
export function forgetTokens(client: DynamoDBClient): void {
  client.middlewareStack.add(
    (next, context) => (args) =>
      context.commandName === 'TransactWriteItemsCommand'
        ? next({ ...args, input: { ...args.input, ClientRequestToken: randomUUID() } as typeof args.input })
        : next(args),
    { step: 'initialize', name: 'forgetTokens' },
  );
}

/** What calls cost, as DynamoDB answers it in ConsumedCapacity. Write units of secondary indexes are apart. */
export interface Consumed {
  readonly requests: number;
  readonly readUnits: number;
  readonly tableWriteUnits: number;
  readonly indexWriteUnits: number;
}

/** First parts of the partition keys that calls touched, without their `#`, and the indexes that they queried. */
export interface Partitions {
  readonly read: readonly string[];
  readonly write: readonly string[];
  readonly check: readonly string[];
  readonly indexes: readonly string[];
}

interface Touched {
  readonly how: keyof Partitions;
  readonly what: string;
}

type Keyed = { readonly PK?: { readonly S?: string } };

/** What one command touches, from its input. */
function touchedBy(name: string, input: Readonly<Record<string, never>>): readonly Touched[] {
  const one = (how: keyof Partitions, { PK }: Keyed): Touched => ({ how, what: PK!.S!.split('#')[0]! });
  const requests = Object.values((input.RequestItems ?? {}) as object);
  switch (name) {
    case 'GetItemCommand':
      return [one('read', input.Key!)];
    case 'UpdateItemCommand':
      return [one('write', input.Key!)];
    case 'QueryCommand': {
      if (input.IndexName !== undefined) return [{ how: 'indexes', what: input.IndexName }];
      return [one('read', { PK: input.ExpressionAttributeValues![':pk'] })];
    }
    case 'BatchGetItemCommand':
      return requests.flatMap(({ Keys }) => Keys.map((key: Keyed) => one('read', key)));
    case 'BatchWriteItemCommand':
      return requests.flatMap((puts) =>
        puts.map(({ PutRequest }: { PutRequest: { Item: Keyed } }) => one('write', PutRequest.Item)),
      );
    default:
      return (input.TransactItems as unknown as readonly Readonly<Record<string, { Key?: Keyed; Item?: Keyed }>>[]).map(
        (action) => {
          const [[kind, body]] = Object.entries(action) as [[string, { Key?: Keyed; Item?: Keyed }]];
          return one(kind === 'ConditionCheck' ? 'check' : 'write', body.Key ?? body.Item!);
        },
      );
  }
}

/** Notes what a client touches; the answer takes what it touched since it was last called. */
export function notePartitions(client: DynamoDBClient): () => Partitions {
  const seen = {
    read: new Set<string>(),
    write: new Set<string>(),
    check: new Set<string>(),
    indexes: new Set<string>(),
  };
  client.middlewareStack.add(
    (next, context) => (args) => {
      for (const { how, what } of touchedBy(String(context.commandName), args.input as never)) seen[how].add(what);
      return next(args);
    },
    { step: 'initialize', priority: 'high', name: 'notePartitions' },
  );
  const taken = (set: Set<string>) => {
    const all = [...set].sort();
    set.clear();
    return all;
  };
  return () => ({
    read: taken(seen.read),
    write: taken(seen.write),
    check: taken(seen.check),
    indexes: taken(seen.indexes),
  });
}

interface Capacity {
  readonly CapacityUnits?: number;
  readonly Table?: { readonly CapacityUnits?: number };
}

const reads = new Set(['GetItemCommand', 'BatchGetItemCommand', 'QueryCommand']);

/**
 * Asks for the consumed capacity of every call of a client; the answer is a function that takes what came together since it
 * was last called. DynamoDB Local 3.1.0 answers for a transaction the capacity of one action of each kind, whatever their
 * number: so a transaction is sent here action by action, each a transaction of its own, whose capacities it answers right.
 * That is no transaction any more: good for measuring what passes, with nobody else about.
 */
export function meterCapacity(client: DynamoDBClient): () => Consumed {
  const none: Consumed = { requests: 0, readUnits: 0, tableWriteUnits: 0, indexWriteUnits: 0 };
  let sum = none;

  function add(isRead: boolean, output: unknown): void {
    const { ConsumedCapacity: consumed } = output as { ConsumedCapacity?: Capacity | readonly Capacity[] };
    for (const { CapacityUnits = 0, Table } of [consumed ?? []].flat() as readonly Capacity[]) {
      const table = Table?.CapacityUnits ?? 0;
      sum = isRead
        ? { ...sum, readUnits: sum.readUnits + CapacityUnits }
        : {
            ...sum,
            tableWriteUnits: sum.tableWriteUnits + table,
            indexWriteUnits: sum.indexWriteUnits + CapacityUnits - table,
          };
    }
  }

  client.middlewareStack.add(
    (next, context) => async (args) => {
      const name = String(context.commandName);
      sum = { ...sum, requests: sum.requests + 1 };
      const inputs = name === 'TransactWriteItemsCommand' ? singleActions(args.input) : [args.input];
      let answer: Awaited<ReturnType<typeof next>> | undefined;
      for (const input of inputs) {
        answer = await next({ ...args, input: { ...input, ReturnConsumedCapacity: 'INDEXES' } as never });
        add(reads.has(name), answer.output);
      }
      return answer!;
    },
    { step: 'initialize', name: 'meterCapacity' },
  );
  return () => {
    const taken = sum;
    sum = none;
    return taken;
  };
}

function singleActions(input: object): readonly object[] {
  const { TransactItems } = input as { readonly TransactItems: readonly object[] };
  return TransactItems.map((action) => ({ TransactItems: [action], ClientRequestToken: randomUUID() }));
}
