import type { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { createTable, type TableOptions } from '../../shared/adapters/dynamodb/calls.ts';
import { shareItems, usedOf } from '../../shared/adapters/dynamodb/credential-shares.ts';
import { isFrozen, setFrozen } from '../../shared/adapters/dynamodb/fence.ts';
import { document, documentOf, number, text } from '../../shared/adapters/dynamodb/items.ts';
import { createDynamoLedger } from '../../shared/adapters/dynamodb/ledger.ts';
import { keyItem, keys } from '../../shared/adapters/dynamodb/table.ts';
import type { EnrolmentCredential } from '../../shared/issuance/issuance-record.ts';
import type { AuthorityRegistry, CredentialStore } from '../../shared/issuance/ports.ts';
import type { LedgerHarness } from '../contract/ledger-suite.ts';
import { createTestTable, type TestTable, testDynamoClient } from './dynamodb-table.ts';

export interface DynamoHarnessOptions {
  /** Told of the client of each ledger, to put itself between. The stores beside the ledger have another. */
  readonly onLedgerClient?: (client: DynamoDBClient) => void;
  readonly ledger?: Partial<TableOptions>;
}

/** A ledger in a table of its own, which is dropped when it is closed. */
export async function openDynamoHarness(options: DynamoHarnessOptions = {}): Promise<LedgerHarness> {
  return harnessOn(await createTestTable(), options);
}

function harnessOn(test: TestTable, options: DynamoHarnessOptions): LedgerHarness {
  const table = createTable(test);
  const client = testDynamoClient();
  options.onLedgerClient?.(client);
  const credentials = {
    async create(c: EnrolmentCredential) {
      const shares = shareItems(c.id, c.countMax, c.used);
      await table.putMany([
        { ...keyItem(keys.credential(c.id)), doc: document(c), shares: number(shares.length) },
        ...shares,
      ]);
    },
    async get(id: string) {
      const { items } = await table.query({
        KeyConditionExpression: 'PK = :pk',
        ExpressionAttributeValues: { ':pk': text(keys.credential(id).PK) },
        ConsistentRead: true,
      });
      return { ...documentOf<EnrolmentCredential>(items[0]!, 'doc'), used: usedOf(items) };
    },
    async revoke(id: string, at: number) {
      const set = { expression: 'SET revokedAt = :at', values: { ':at': number(at) } };
      await table.update({ kind: 'update', key: keys.credential(id), set });
      const { items } = await table.query({
        KeyConditionExpression: 'PK = :pk',
        ExpressionAttributeValues: { ':pk': text(keys.credential(id).PK) },
        ConsistentRead: true,
      });
      for (const item of items.slice(1))
        await table.update({ kind: 'update', key: { PK: item.PK!.S!, SK: item.SK!.S! }, set });
      return true;
    },
  } as unknown as CredentialStore;
  const authorities = {
    setFrozen: (caId: string, frozen: boolean, at: number, by: string) => setFrozen(table, caId, frozen, at, by),
    isFrozen: (caId: string) => isFrozen(table, caId),
  } as unknown as AuthorityRegistry;
  return {
    ledger: createDynamoLedger({ client, tableName: test.tableName, ...options.ledger }),
    credentials,
    authorities,
    async reopen() {
      client.destroy();
      return harnessOn(test, options);
    },
    async close() {
      client.destroy();
      await test.drop();
    },
  };
}
