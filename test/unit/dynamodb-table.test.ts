import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { shareCountOf, shareItems, usedOf } from '../../shared/adapters/dynamodb/credential-shares.ts';
import { numberOf } from '../../shared/adapters/dynamodb/items.ts';
import {
  indexes,
  keyPart,
  keys,
  partOfKey,
  shardOf,
  tableDefinition,
  timeText,
} from '../../shared/adapters/dynamodb/table.ts';

const texts = fc.string({ unit: 'grapheme', maxLength: 700 });

describe('a part of a key', () => {
  it('ends nowhere but at its end, and is another for another text (key-part)', () => {
    fc.assert(
      fc.property(texts, texts, (a, b) => {
        expect(keyPart(a)).not.toContain('#');
        expect(Buffer.byteLength(keyPart(a))).toBeLessThanOrEqual(3 * 512);
        expect(keyPart(a) === keyPart(b)).toBe(a === b);
        if (Buffer.byteLength(a) <= 512) expect(partOfKey(keyPart(a))).toBe(a);
      }),
    );
    const long = 'x'.repeat(513);
    expect(keyPart(long)).not.toBe(keyPart(keyPart(long)));
  });

  it('fits a key of DynamoDB, however long the name (key-bytes)', () => {
    const name = '#'.repeat(512);
    for (const { PK, SK } of [keys.holder(name), keys.certificateOfName(name, `${'a'.repeat(43)}.999999999`)]) {
      expect(Buffer.byteLength(PK)).toBeLessThanOrEqual(2_048);
      expect(Buffer.byteLength(SK)).toBeLessThanOrEqual(1_024);
    }
  });
});

it('spreads ids over the shards within a fifth of even (shards-even)', () => {
  const counts = new Map<number, number>();
  for (let n = 0; n < 16_000; n++) {
    const id = `${Buffer.from(`request ${n}`.padEnd(32)).toString('base64url')}.1`;
    const shard = shardOf(id, 16);
    counts.set(shard, (counts.get(shard) ?? 0) + 1);
  }
  expect(counts.size).toBe(16);
  for (const count of counts.values()) expect(Math.abs(count - 1_000)).toBeLessThan(200);
});

it('writes times so that text sorts as time does (time-text)', () => {
  fc.assert(
    fc.property(fc.nat(4_102_444_800_000), fc.nat(4_102_444_800_000), (a, b) => {
      expect(timeText(a) < timeText(b)).toBe(a < b);
    }),
  );
});

describe('the shares of a credential', () => {
  it('add up to its count and to what is used of it (shares-add-up)', () => {
    fc.assert(
      fc.property(fc.nat(200_000), fc.nat(200_000), (countMax, used) => {
        const items = shareItems('c', countMax, used);
        expect(items).toHaveLength(shareCountOf(countMax));
        expect(items.reduce((sum, item) => sum + numberOf(item, 'max'), 0)).toBe(countMax);
        expect(usedOf(items)).toBe(used);
      }),
    );
  });

  it('are one for a credential of one device, sixteen for a fleet (share-count)', () => {
    expect([0, 1, 127, 128, 1_024, 100_000].map(shareCountOf)).toEqual([1, 1, 1, 2, 16, 16]);
  });
});

it('defines each key attribute once, and no index of all there is (table-definition)', () => {
  const defined = tableDefinition.AttributeDefinitions.map(({ AttributeName }) => AttributeName);
  const used = [tableDefinition.KeySchema, ...tableDefinition.GlobalSecondaryIndexes.map(({ KeySchema }) => KeySchema)];
  expect(new Set(defined)).toEqual(new Set(used.flat().map(({ AttributeName }) => AttributeName)));
  expect(tableDefinition.GlobalSecondaryIndexes.map(({ IndexName }) => IndexName)).toEqual(
    Object.values(indexes).map(({ name }) => name),
  );
  for (const { Projection } of tableDefinition.GlobalSecondaryIndexes) {
    expect(Projection.ProjectionType).toBe('INCLUDE');
    expect(Projection.NonKeyAttributes.length).toBeLessThanOrEqual(20);
  }
});
