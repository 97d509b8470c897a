/** A table of its own for each test file, on the emulator that `SEALWRIGHT_TEST_DYNAMODB_ENDPOINT` names. */
import { randomUUID } from 'node:crypto';
import { CreateTableCommand, DeleteTableCommand, type DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { createDynamoClient } from '../../shared/adapters/dynamodb/client.ts';
import { tableDefinition } from '../../shared/adapters/dynamodb/table.ts';

export interface TestTable {
  readonly client: DynamoDBClient;
  readonly tableName: string;
  /** Twice is no error. */
  drop(): Promise<void>;
}

export function testDynamoClient(): DynamoDBClient {
  const endpoint = process.env.SEALWRIGHT_TEST_DYNAMODB_ENDPOINT;
  if (endpoint === undefined) {
    throw new Error('SEALWRIGHT_TEST_DYNAMODB_ENDPOINT names no emulator: npm run test:aws starts one');
  }
  const credentials = { accessKeyId: 'sealwright', secretAccessKey: 'sealwright' };
  return createDynamoClient({ region: 'eu-central-1', endpoint, credentials });
}

export async function createTestTable(): Promise<TestTable> {
  const client = testDynamoClient();
  const tableName = `sealwright-${randomUUID()}`;
  await client.send(new CreateTableCommand({ TableName: tableName, ...structuredClone(tableDefinition) }));
  let dropped = false;
  return {
    client,
    tableName,
    async drop() {
      if (dropped) return;
      dropped = true;
      await client.send(new DeleteTableCommand({ TableName: tableName }));
      client.destroy();
    },
  };
}
