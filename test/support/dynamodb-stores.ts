/** The stores beside the ledger, in a table of their own, for the contract suites. */
import { createDynamoAudits } from '../../shared/adapters/dynamodb/audits.ts';
import { createDynamoAuthorities } from '../../shared/adapters/dynamodb/authorities.ts';
import { createTable, type Table } from '../../shared/adapters/dynamodb/calls.ts';
import { createDynamoCredentials } from '../../shared/adapters/dynamodb/credentials.ts';
import { createDynamoOperatorLog, createDynamoOperators } from '../../shared/adapters/dynamodb/operators.ts';
import { createDynamoPermits } from '../../shared/adapters/dynamodb/permits.ts';
import type { PermitStore } from '../../shared/issuance/permits.ts';
import type {
  AuditStore,
  AuthorityRegistry,
  CredentialStore,
  OperatorLog,
  OperatorStore,
} from '../../shared/issuance/ports.ts';
import { type CommandCount, countCommands } from './dynamodb-middleware.ts';
import { createTestTable, type TestTable, testDynamoClient } from './dynamodb-table.ts';

export interface DynamoStores {
  readonly table: Table;
  readonly credentials: CredentialStore;
  readonly operators: OperatorStore;
  readonly operatorLog: OperatorLog;
  readonly authorities: AuthorityRegistry;
  readonly audits: AuditStore;
  readonly permits: PermitStore;
  /** Ends this one and opens the same table again, as the next process would. */
  reopen(): Promise<DynamoStores>;
  close(): Promise<void>;
}

/** `onCount` is told of what each set of stores sends. */
export async function openDynamoStores(onCount: (count: CommandCount) => void): Promise<DynamoStores> {
  return storesOf(await createTestTable(), onCount);
}

function storesOf(test: TestTable, onCount: (count: CommandCount) => void): DynamoStores {
  const client = testDynamoClient();
  onCount(countCommands(client));
  const table = createTable({ client, tableName: test.tableName });
  return {
    table,
    credentials: createDynamoCredentials(table),
    operators: createDynamoOperators(table),
    operatorLog: createDynamoOperatorLog(table),
    authorities: createDynamoAuthorities(table),
    audits: createDynamoAudits(table),
    permits: createDynamoPermits(table),
    async reopen() {
      client.destroy();
      return storesOf(test, onCount);
    },
    async close() {
      client.destroy();
      await test.drop();
    },
  };
}
