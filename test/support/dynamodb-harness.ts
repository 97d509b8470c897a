import type { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { createDynamoAuthorities } from '../../shared/adapters/dynamodb/authorities.ts';
import { createTable, type TableOptions } from '../../shared/adapters/dynamodb/calls.ts';
import { createDynamoCredentials } from '../../shared/adapters/dynamodb/credentials.ts';
import { createDynamoLedger } from '../../shared/adapters/dynamodb/ledger.ts';
import type { LedgerHarness } from '../contract/ledger-suite.ts';
import { createTestTable, type TestTable, testDynamoClient } from './dynamodb-table.ts';

export interface DynamoHarnessOptions {
  /** Told of the client of each ledger, to put itself between. The stores beside the ledger have another. */
  readonly onLedgerClient?: (client: DynamoDBClient) => void;
  readonly ledger?: Partial<TableOptions>;
}

export interface DynamoHarness extends LedgerHarness {
  readonly tableName: string;
}

/** A ledger in a table of its own, which is dropped when it is closed. */
export async function openDynamoHarness(options: DynamoHarnessOptions = {}): Promise<DynamoHarness> {
  return harnessOn(await createTestTable(), options);
}

function harnessOn(test: TestTable, options: DynamoHarnessOptions): DynamoHarness {
  const table = createTable(test);
  const client = testDynamoClient();
  options.onLedgerClient?.(client);
  return {
    tableName: test.tableName,
    ledger: createDynamoLedger({ client, tableName: test.tableName, ...options.ledger }),
    credentials: createDynamoCredentials(table),
    authorities: createDynamoAuthorities(table),
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
