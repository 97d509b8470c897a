/** Revocations and the ledger of one table, for the contract suites. */
import { createDynamoAuthorities } from '../../shared/adapters/dynamodb/authorities.ts';
import { createTable } from '../../shared/adapters/dynamodb/calls.ts';
import { createDynamoCredentials } from '../../shared/adapters/dynamodb/credentials.ts';
import { createDynamoCrlSource } from '../../shared/adapters/dynamodb/crl-source.ts';
import { createDynamoLedger } from '../../shared/adapters/dynamodb/ledger.ts';
import { createDynamoRevocations } from '../../shared/adapters/dynamodb/revocations.ts';
import type { CrlSourceHarness } from '../contract/crl-source-suite.ts';
import type { RevocationHarness } from '../contract/revocation-suite.ts';
import { type CommandCount, countCommands } from './dynamodb-middleware.ts';
import { createTestTable, type TestTable, testDynamoClient } from './dynamodb-table.ts';

export interface DynamoRevocations extends RevocationHarness, CrlSourceHarness {
  reopen(): Promise<DynamoRevocations>;
}

/** `onCount` is told of what each set of revocations sends; the ledger and the other stores have another client. */
export async function openDynamoRevocations(onCount: (count: CommandCount) => void) {
  return harnessOn(await createTestTable(), onCount);
}

function harnessOn(test: TestTable, onCount: (count: CommandCount) => void): DynamoRevocations {
  const client = testDynamoClient();
  onCount(countCommands(client));
  const table = createTable(test);
  const counted = createTable({ client, tableName: test.tableName });
  return {
    ledger: createDynamoLedger({ client: test.client, tableName: test.tableName }),
    credentials: createDynamoCredentials(table),
    authorities: createDynamoAuthorities(table),
    revocations: createDynamoRevocations(counted),
    crlSource: createDynamoCrlSource(counted),
    async reopen() {
      client.destroy();
      return harnessOn(test, onCount);
    },
    async close() {
      client.destroy();
      await test.drop();
    },
  };
}
