import { afterAll, describe, expect, it } from 'vitest';
import { crlSourceSuite } from '../contract/crl-source-suite.ts';
import { revocationSuite } from '../contract/revocation-suite.ts';
import type { CommandCount } from '../support/dynamodb-middleware.ts';
import { openDynamoRevocations } from '../support/dynamodb-revocations.ts';

const counts: CommandCount[] = [];
const open = () => openDynamoRevocations((count) => counts.push(count));

revocationSuite('DynamoDB', open, true);
crlSourceSuite('DynamoDB', open, true);

describe('what revocations sent in all of the above', () => {
  it('is no Scan, and no Query but of one partition (no-scan)', () => {
    const names = new Set(counts.flatMap(({ commands }) => [...commands.keys()]));
    expect([...names].sort()).toEqual([
      'GetItemCommand',
      'QueryCommand',
      'TransactWriteItemsCommand',
      'UpdateItemCommand',
    ]);
    expect(counts.flatMap(({ queries }) => queries).filter(({ isBounded }) => !isBounded)).toEqual([]);
  });

  afterAll(() => counts.splice(0));
});
