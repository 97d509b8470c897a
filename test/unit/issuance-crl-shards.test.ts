import { describe, expect, it } from 'vitest';
import { createCrlShards, crlShardCapacity, crlUrlOf } from '../../shared/issuance/crl-shards.ts';

function leases(first = 0) {
  let next = first;
  const taken: number[] = [];
  let failures = 0;
  return {
    taken,
    fail: (count: number) => {
      failures = count;
    },
    ledger: {
      async leaseCrlSlots(_caId: string, _generation: number, count: number) {
        await new Promise((resolve) => setImmediate(resolve));
        if (failures > 0) {
          failures -= 1;
          throw new Error('disk');
        }
        const start = next;
        next += count;
        taken.push(count);
        return start;
      },
    },
  };
}

describe('CRL shards', () => {
  it('take a lease for a hundred certificates', async () => {
    const { ledger, taken } = leases();
    const shards = createCrlShards(ledger);
    for (let n = 0; n < 100; n++) expect(await shards.take('workloads', 1, 1)).toEqual([0]);
    expect(taken).toEqual([100]);
    await shards.take('workloads', 1, 1);
    expect(taken).toEqual([100, 100]);
  });

  it('are never given more certificates than they hold, over leases and concurrent calls', async () => {
    const { ledger } = leases(crlShardCapacity - 50);
    const shards = createCrlShards(ledger);
    const given = (await Promise.all(Array.from({ length: 60 }, () => shards.take('workloads', 1, 7)))).flat();
    expect(given).toHaveLength(420);
    expect(given.filter((shard) => shard === 0)).toHaveLength(50);
    expect(given.filter((shard) => shard === 1)).toHaveLength(370);
  });

  it('of generations and CAs are counted apart', async () => {
    const { ledger, taken } = leases();
    const shards = createCrlShards(ledger);
    await shards.take('workloads', 1, 1);
    await shards.take('workloads', 2, 1);
    await shards.take('other', 1, 1);
    expect(taken).toHaveLength(3);
  });

  it('take nothing for none', async () => {
    const { ledger, taken } = leases();
    expect(await createCrlShards(ledger).take('workloads', 1, 0)).toEqual([]);
    expect(taken).toEqual([]);
  });

  it('take a lease as large as a batch that is larger', async () => {
    const { ledger, taken } = leases();
    expect(await createCrlShards(ledger).take('workloads', 1, 2_500)).toHaveLength(2_500);
    expect(taken).toEqual([2_500]);
  });

  it('go on after a lease that could not be had', async () => {
    const { ledger, fail } = leases();
    const shards = createCrlShards(ledger);
    fail(1);
    await expect(shards.take('workloads', 1, 1)).rejects.toThrow('disk');
    expect(await shards.take('workloads', 1, 1)).toEqual([0]);
  });

  it('are published over plain HTTP under their CA, generation and number [RFC 5280 8]', () => {
    expect(crlUrlOf('http://crl.example', 'workloads', 2, 17)).toBe('http://crl.example/v1/crls/workloads/2-17');
  });
});
