import { createTable } from '../../shared/adapters/dynamodb/calls.ts';
import { shareItems, usedOf } from '../../shared/adapters/dynamodb/credential-shares.ts';
import { isFrozen, setFrozen } from '../../shared/adapters/dynamodb/fence.ts';
import { document, documentOf, number, text } from '../../shared/adapters/dynamodb/items.ts';
import { createDynamoLedger } from '../../shared/adapters/dynamodb/ledger.ts';
import { keyItem, keys } from '../../shared/adapters/dynamodb/table.ts';
import type { EnrolmentCredential } from '../../shared/issuance/issuance-record.ts';
import type { AuthorityRegistry, CredentialStore } from '../../shared/issuance/ports.ts';
import type { LedgerHarness } from '../contract/ledger-suite.ts';
import { createTestTable, type TestTable } from './dynamodb-table.ts';

export async function openDynamoHarness(): Promise<LedgerHarness> {
  return harnessOn(await createTestTable());
}

function harnessOn(test: TestTable): LedgerHarness {
  const table = createTable(test);
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
    ledger: createDynamoLedger(test),
    credentials,
    authorities,
    async reopen() {
      return harnessOn(test);
    },
    close: () => test.drop(),
  };
}
