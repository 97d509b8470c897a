import { afterAll, describe, expect, it } from 'vitest';
import { keys } from '../../shared/adapters/dynamodb/table.ts';
import { auditStoreSuite } from '../contract/audit-store-suite.ts';
import { authorityRegistrySuite } from '../contract/authority-registry-suite.ts';
import { credentialSuite } from '../contract/credential-suite.ts';
import { permitSuite } from '../contract/permit-suite.ts';
import { disposable } from '../support/disposable.ts';
import type { CommandCount } from '../support/dynamodb-middleware.ts';
import { openDynamoStores } from '../support/dynamodb-stores.ts';
import { ledgerTime, newCredential } from '../support/ledger-fixtures.ts';

const counts: CommandCount[] = [];
const open = () => openDynamoStores((count) => counts.push(count));

credentialSuite('DynamoDB', open, { durable: true });
authorityRegistrySuite('DynamoDB', open, { durable: true });
auditStoreSuite('DynamoDB', open, true);
permitSuite('DynamoDB', open);

describe('credentials on DynamoDB', () => {
  it('list with what was used of every share, over the bounds of one read (credential-pages-large)', async () => {
    await using h = disposable(await open());
    const created = Array.from({ length: 30 }, (_, n) =>
      newCredential({ id: `credential-${String(n).padStart(3, '0')}`, countMax: 10_000, used: 700 * n }),
    );
    await Promise.all(created.map((credential) => h.credentials.create(credential)));
    expect(await h.credentials.list(100)).toEqual(created);
    expect(await h.credentials.list(5, created[9]!.id)).toEqual(created.slice(10, 15));
  });

  it('are revoked on every share of their count, so that no POST passes (revoke-shares)', async () => {
    await using h = disposable(await open());
    const credential = newCredential({ countMax: 10_000 });
    await h.credentials.create(credential);
    await h.credentials.revoke(credential.id, ledgerTime);
    const shares = Array.from({ length: 16 }, (_, n) => keys.credentialShare(credential.id, n));
    const items = await h.table.getMany(shares);
    expect(items.map((item) => item?.revokedAt?.N)).toEqual(shares.map(() => String(ledgerTime)));
  });
});

describe('what the stores sent in all of the above', () => {
  it('is no Scan, and no Query but of one partition (no-scan)', () => {
    const names = new Set(counts.flatMap(({ commands }) => [...commands.keys()]));
    expect([...names].sort()).toEqual([
      'BatchGetItemCommand',
      'BatchWriteItemCommand',
      'GetItemCommand',
      'QueryCommand',
      'TransactWriteItemsCommand',
      'UpdateItemCommand',
    ]);
    expect(counts.flatMap(({ queries }) => queries).filter(({ isBounded }) => !isBounded)).toEqual([]);
  });

  afterAll(() => counts.splice(0));
});
