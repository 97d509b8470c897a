/**
 * The calls that the stores make of one table, with what DynamoDB's answers ask for: partial results inside a 200 are
 * completed, throttles and conflicts are waited out within bounds, and what is left is a coded error. There is no Scan.
 */
import { randomFillSync } from 'node:crypto';
import {
  BatchGetItemCommand,
  BatchWriteItemCommand,
  type DynamoDBClient,
  GetItemCommand,
  QueryCommand,
  type QueryCommandInput,
  type TransactWriteItem,
  TransactWriteItemsCommand,
  UpdateItemCommand,
  type UpdateItemCommandInput,
} from '@aws-sdk/client-dynamodb';
import { type Cancellation, DynamoError, type Failure, failureOf } from './errors.ts';
import type { Item } from './items.ts';
import { attemptsOf, mapBounded, type Patience, patienceDefaults, pauseBefore } from './retry.ts';
import { type Key, keyItem, keyText } from './table.ts';

export interface TableOptions {
  readonly client: DynamoDBClient;
  readonly tableName: string;
  /** Answers [0, 1): jitter, and what makes the id of a write its own. */
  readonly random?: () => number;
  readonly pause?: (ms: number) => Promise<void>;
  readonly attemptsMax?: number;
  readonly silencesMax?: number;
  /** Requests of one call in flight at once. */
  readonly inFlightMax?: number;
}

/** One action of a transaction; the table's name is added. */
export type Action =
  | { readonly kind: 'put'; readonly item: Item; readonly condition?: Expression }
  | { readonly kind: 'update'; readonly key: Key; readonly set: Expression; readonly condition?: string }
  | { readonly kind: 'delete'; readonly key: Key; readonly condition?: Expression }
  | { readonly kind: 'check'; readonly key: Key; readonly condition: Expression };

/** An expression with what it refers to. `names` is needed for words that DynamoDB reserves only. */
export interface Expression {
  readonly expression: string;
  readonly values?: Item;
  readonly names?: Readonly<Record<string, string>>;
}

export type WriteOutcome =
  | { readonly kind: 'written'; readonly attributes?: Item }
  /** `item` is what stands there, undefined when nothing does. */
  | { readonly kind: 'condition'; readonly item: Item | undefined };

export type TransactionOutcome =
  | { readonly kind: 'written' }
  /** At least one is `condition`; in the order of the actions. DynamoDB may stop looking at the first. */
  | { readonly kind: 'cancelled'; readonly reasons: readonly Cancellation[] };

export interface QueryPage {
  readonly items: readonly Item[];
  /** Of the items, or of those that `Select: 'COUNT'` counted without sending them. */
  readonly count: number;
  /** ExclusiveStartKey of the next page; undefined after the last. */
  readonly next: Item | undefined;
}

export interface Table {
  readonly patience: Patience;
  readonly inFlightMax: number;
  /** An id for one write: 12 characters of base64url, so that a write whose answer was lost knows itself again. */
  newWriteId(): string;
  /** A client token for one transaction, 22 characters of base64url. */
  newToken(): string;
  /** Strongly consistent unless said otherwise. */
  get(key: Key, options?: { readonly consistent?: boolean; readonly attributes?: string }): Promise<Item | undefined>;
  /** In the order asked, undefined where there is none; the same key may be asked twice. Strongly consistent. */
  getMany(keys: readonly Key[], attributes?: string): Promise<readonly (Item | undefined)[]>;
  /** Without conditions, and not together: entries that say nothing until another write makes them true. */
  putMany(items: readonly Item[]): Promise<void>;
  query(input: Omit<QueryCommandInput, 'TableName'>): Promise<QueryPage>;
  /** A single update, at half the price of a transaction. */
  update(action: Extract<Action, { kind: 'update' }>, returned?: 'UPDATED_NEW' | 'ALL_OLD'): Promise<WriteOutcome>;
  /**
   * All or nothing, once: undefined when written, else why not. The client token makes the SDK's own repeats one write, for
   * ten minutes; whoever repeats later has to know its write again by the id in the item.
   */
  attempt(actions: readonly Action[], token: string): Promise<Failure | undefined>;
  /** As `attempt`, with patience for conflicts, throttles and lost answers. DynamoError when that is not enough. */
  transact(actions: readonly Action[]): Promise<TransactionOutcome>;
}

const inFlightMaxDefault = 32;
/** BatchGetItem takes 100 keys, BatchWriteItem 25 items, TransactWriteItems 100 actions (API reference). */
const keysPerReadMax = 100;
const itemsPerWriteMax = 25;
export const actionsMax = 100;

export function createTable(options: TableOptions): Table {
  const { client, tableName, inFlightMax = inFlightMaxDefault } = options;
  const random = options.random ?? systemRandom;
  const patience: Patience = {
    random,
    pause: options.pause ?? patienceDefaults.pause,
    attemptsMax: options.attemptsMax ?? patienceDefaults.attemptsMax,
    silencesMax: options.silencesMax ?? patienceDefaults.silencesMax,
  };
  const patiently = <T>(send: () => Promise<T>) => withPatience(send, patience);
  const attempt = createAttempt(client, tableName);
  return {
    patience,
    inFlightMax,
    newWriteId: () => writeId(random, 12),
    newToken: () => writeId(random, 22),
    attempt,
    transact: (actions) => transactPatiently(actions, attempt, patience, () => writeId(random, 22)),
    async get(key, { consistent = true, attributes } = {}) {
      const command = new GetItemCommand({
        TableName: tableName,
        Key: keyItem(key),
        ConsistentRead: consistent,
        ...projection(attributes),
      });
      return (await patiently(() => client.send(command))).Item;
    },
    getMany: gathered(createGetMany(client, tableName, patience, inFlightMax)),
    putMany: createPutMany(client, tableName, patience, inFlightMax),
    async query(input) {
      const page = await patiently(() => client.send(new QueryCommand({ TableName: tableName, ...input })));
      return { items: page.Items ?? [], count: page.Count ?? 0, next: page.LastEvaluatedKey };
    },
    async update(action, returned) {
      const { Update } = transactItem(tableName, action);
      const input = { ...Update, ...(returned === undefined ? {} : { ReturnValues: returned }) };
      return patiently(async () => {
        try {
          const { Attributes } = await client.send(new UpdateItemCommand(input as UpdateItemCommandInput));
          return { kind: 'written', ...(Attributes === undefined ? {} : { attributes: Attributes }) };
        } catch (error) {
          const failure = failureOf(error);
          if (failure.kind === 'condition') return { kind: 'condition', item: failure.item };
          throw error;
        }
      });
    },
  };
}

const pool = Buffer.alloc(6 * 1_024);
let used = pool.length;

/** 48 bits of the system's randomness. A call of the system for each costs more than the rest of a write's id. */
function systemRandom(): number {
  if (used === pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  used += 6;
  return pool.readUIntBE(used - 6, 6) / 2 ** 48;
}

const base64url = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

function writeId(random: () => number, length: number): string {
  return Array.from({ length }, () => base64url[Math.floor(random() * 64)]).join('');
}

/** `attributes` is a list of names with commas, none of them a reserved word. */
function projection(attributes: string | undefined): { readonly ProjectionExpression?: string } {
  return attributes === undefined ? {} : { ProjectionExpression: attributes };
}

/** Repeats what may pass when repeated. What cannot is thrown as it came: our mistake, for whoever reads the log. */
async function withPatience<T>(send: () => Promise<T>, patience: Patience): Promise<T> {
  const attempts = attemptsOf(patience);
  for (;;) {
    try {
      return await send();
    } catch (error) {
      const failure = failureOf(error);
      if (failure.kind === 'refused') throw error;
      if (!attempts.another(failure.kind === 'unknown')) throw exhausted(failure, error);
    }
    await attempts.pause();
  }
}

/** The coded error for a failure that outlasted our patience. */
export function exhausted(failure: Failure, cause?: unknown): DynamoError {
  if (failure.kind === 'unknown') return new DynamoError('storage-failed', 'DynamoDB did not answer', cause);
  const kinds = failure.kind === 'cancelled' ? failure.reasons.map(({ code }) => code) : [failure.kind];
  const what = kinds.includes('conflict') ? 'in conflict with other transactions' : 'throttled';
  return new DynamoError('ledger-overloaded', `DynamoDB: ${what} for longer than our patience`, cause);
}

function createGetMany(
  client: DynamoDBClient,
  tableName: string,
  patience: Patience,
  inFlightMax: number,
): Table['getMany'] {
  async function chunk(wanted: readonly Key[], attributes: string | undefined, found: Map<string, Item>) {
    let unread: readonly Item[] = wanted.map(keyItem);
    const shape = { ConsistentRead: true, ...projection(attributes) };
    for (let attempt = 1; unread.length > 0; attempt++) {
      const command = new BatchGetItemCommand({ RequestItems: { [tableName]: { Keys: [...unread], ...shape } } });
      const { Responses, UnprocessedKeys } = await withPatience(() => client.send(command), patience);
      for (const item of Responses?.[tableName] ?? []) {
        found.set(keyText({ PK: item.PK!.S!, SK: item.SK!.S! }), item);
      }
      unread = UnprocessedKeys?.[tableName]?.Keys ?? [];
      if (unread.length === 0) return;
      if (attempt >= patience.attemptsMax) throw exhausted({ kind: 'throttled' });
      await pauseBefore(attempt, patience);
    }
  }
  return async (wanted, attributes) => {
    const distinct = new Map(wanted.map((key) => [keyText(key), key]));
    const found = new Map<string, Item>();
    const chunks = chunksOf([...distinct.values()], keysPerReadMax);
    await mapBounded(chunks, inFlightMax, (one) => chunk(one, attributes, found));
    return wanted.map((key) => found.get(keyText(key)));
  };
}

/**
 * Reads asked for in one turn of the event loop go out together: a batch of a hundred issuances, each of which asks for the
 * holders of its own names, is two requests and not a hundred. What fails, fails for all of them.
 */
function gathered(getMany: Table['getMany']): Table['getMany'] {
  interface Waiting {
    readonly wanted: readonly Key[];
    readonly resolve: (items: readonly (Item | undefined)[]) => void;
    readonly reject: (error: unknown) => void;
  }
  let waiting: Waiting[] = [];

  async function flush(): Promise<void> {
    const together = waiting;
    waiting = [];
    try {
      const items = await getMany(together.flatMap(({ wanted }) => wanted));
      let start = 0;
      for (const { wanted, resolve } of together) {
        resolve(items.slice(start, start + wanted.length));
        start += wanted.length;
      }
    } catch (error) {
      for (const { reject } of together) reject(error);
    }
  }

  return (wanted, attributes) => {
    if (wanted.length === 0) return Promise.resolve([]);
    if (attributes !== undefined) return getMany(wanted, attributes);
    return new Promise((resolve, reject) => {
      waiting.push({ wanted, resolve, reject });
      if (waiting.length === 1) setImmediate(() => void flush());
    });
  };
}

function createPutMany(
  client: DynamoDBClient,
  tableName: string,
  patience: Patience,
  inFlightMax: number,
): Table['putMany'] {
  return async (items) => {
    await mapBounded(chunksOf(items, itemsPerWriteMax), inFlightMax, async (chunk) => {
      let unwritten = chunk.map((Item) => ({ PutRequest: { Item } }));
      for (let attempt = 1; unwritten.length > 0; attempt++) {
        const command = new BatchWriteItemCommand({ RequestItems: { [tableName]: unwritten } });
        const { UnprocessedItems } = await withPatience(() => client.send(command), patience);
        unwritten = (UnprocessedItems?.[tableName] ?? []) as typeof unwritten;
        if (unwritten.length === 0) return;
        if (attempt >= patience.attemptsMax) throw exhausted({ kind: 'throttled' });
        await pauseBefore(attempt, patience);
      }
    });
  };
}

export function chunksOf<T>(items: readonly T[], size: number): T[][] {
  const chunks: T[][] = [];
  for (let start = 0; start < items.length; start += size) chunks.push(items.slice(start, start + size));
  return chunks;
}

function createAttempt(client: DynamoDBClient, tableName: string): Table['attempt'] {
  return async (actions, token) => {
    const command = new TransactWriteItemsCommand({
      TransactItems: actions.map((action) => transactItem(tableName, action)),
      ClientRequestToken: token,
    });
    try {
      await client.send(command);
      return undefined;
    } catch (error) {
      const failure = failureOf(error);
      if (failure.kind === 'refused') throw error;
      return failure;
    }
  };
}

/** A cancellation that only asks for patience has no failed condition and nothing refused. */
export function isTransient({ reasons }: Extract<Failure, { kind: 'cancelled' }>): boolean {
  return reasons.every(({ code }) => code !== 'condition' && code !== 'refused');
}

/** Throws when a reason says that the transaction can never pass. */
export function assertNotRefused(reasons: readonly Cancellation[]): void {
  const refused = reasons.find(({ code }) => code === 'refused');
  if (refused !== undefined) throw new Error(`DynamoDB refuses the transaction: ${refused.message}`);
}

async function transactPatiently(
  actions: readonly Action[],
  attemptOnce: Table['attempt'],
  patience: Patience,
  newToken: () => string,
): Promise<TransactionOutcome> {
  const token = newToken();
  const attempts = attemptsOf(patience);
  for (;;) {
    const failure = await attemptOnce(actions, token);
    if (failure === undefined) return { kind: 'written' };
    if (failure.kind === 'cancelled' && !isTransient(failure)) {
      assertNotRefused(failure.reasons);
      return { kind: 'cancelled', reasons: failure.reasons };
    }
    if (!attempts.another(failure.kind === 'unknown')) throw exhausted(failure);
    await attempts.pause();
  }
}

function expressed(expression: Expression | undefined): object {
  if (expression === undefined) return {};
  const { values, names } = expression;
  return {
    ConditionExpression: expression.expression,
    ReturnValuesOnConditionCheckFailure: 'ALL_OLD',
    ...(values === undefined ? {} : { ExpressionAttributeValues: values }),
    ...(names === undefined ? {} : { ExpressionAttributeNames: names }),
  };
}

function transactItem(TableName: string, action: Action): TransactWriteItem {
  switch (action.kind) {
    case 'put':
      return { Put: { TableName, Item: { ...action.item }, ...expressed(action.condition) } };
    case 'delete':
      return { Delete: { TableName, Key: { ...keyItem(action.key) }, ...expressed(action.condition) } };
    case 'check':
      return {
        ConditionCheck: {
          TableName,
          Key: { ...keyItem(action.key) },
          ...expressed(action.condition),
        } as NonNullable<TransactWriteItem['ConditionCheck']>,
      };
    case 'update': {
      const { expression, values, names } = action.set;
      return {
        Update: {
          TableName,
          Key: { ...keyItem(action.key) },
          UpdateExpression: expression,
          ...(action.condition === undefined ? {} : expressed({ expression: action.condition })),
          ...(values === undefined ? {} : { ExpressionAttributeValues: { ...values } }),
          ...(names === undefined ? {} : { ExpressionAttributeNames: { ...names } }),
        },
      };
    }
  }
}
