import type { IssuanceLedger } from './ports.ts';

/**
 * Certificates a CRL shard answers for. A CRL entry with a 16-byte serial, a time and a reason code takes 49 bytes of DER,
 * so that a shard on its worst day, every certificate revoked, stays below 128 KiB: 2,000 × 49 = 98 KB.
 */
export const crlShardCapacity = 2_000;
/** Slots taken from the ledger at once: one write for a hundred certificates; what a stopped signer has left is lost. */
const leaseCount = 100;

export interface CrlShards {
  /** The shard of each of `count` new certificates of a CA. */
  take(caId: string, generation: number, count: number): Promise<readonly number[]>;
}

interface Lease {
  next: number;
  end: number;
}

/** Hands out CRL shards from slots leased from the ledger. One caller at a time for each CA. */
export function createCrlShards(ledger: Pick<IssuanceLedger, 'leaseCrlSlots'>): CrlShards {
  const leases = new Map<string, Lease>();
  const turns = new Map<string, Promise<unknown>>();

  async function fill(caId: string, generation: number, count: number): Promise<readonly number[]> {
    const key = `${caId}#${generation}`;
    const shards: number[] = [];
    let lease = leases.get(key);
    while (shards.length < count) {
      if (lease === undefined || lease.next === lease.end) {
        const size = Math.max(leaseCount, count - shards.length);
        const first = await ledger.leaseCrlSlots(caId, generation, size);
        lease = { next: first, end: first + size };
        leases.set(key, lease);
      }
      shards.push(Math.floor(lease.next++ / crlShardCapacity));
    }
    return shards;
  }

  return {
    take(caId, generation, count) {
      const key = `${caId}#${generation}`;
      const turn = (turns.get(key) ?? Promise.resolve()).then(() => fill(caId, generation, count));
      turns.set(
        key,
        turn.catch(() => undefined),
      );
      return turn;
    },
  };
}

/** Where a shard is published, as written into the CRL distribution point of its certificates. Plain HTTP (RFC 5280 8). */
export function crlUrlOf(crlBaseUrl: string, caId: string, generation: number, shard: number): string {
  return `${crlBaseUrl}/v1/crls/${caId}/${generation}-${shard}`;
}
