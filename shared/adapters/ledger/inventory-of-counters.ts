import type { CountedDimension, LiveBucket } from '../../inventory/counted.ts';
import type { InventoryReads, InventoryUpkeep, RecountSource, StandingValue } from '../../issuance/inventory-ports.ts';
import type { CounterRow, IssuanceLedger } from '../../issuance/ports.ts';
import type { EpochMs } from '../../pki/epoch.ts';

export type LedgerInventory = InventoryReads & InventoryUpkeep & RecountSource;

export interface CounterInventoryOptions {
  readonly ledger: Pick<IssuanceLedger, 'counters'>;
  readonly certificatesOfKey: InventoryReads['certificatesOfKey'];
  readonly clock: () => EpochMs;
  /** Counters of a CA that were read are believed for so long. */
  readonly ageMsMax?: number;
}

/**
 * The inventory over `counters` alone, for a ledger that keeps no sums beside them: every counter of a CA is read, and
 * remembered for some seconds. Right, but its cost grows with the number of owners and buckets, which no scan is; contacts are not
 * kept, so that a rotation is not estimated, and there is no recount.
 */
export function createCounterInventory(options: CounterInventoryOptions): LedgerInventory {
  const read = remembered(options);

  async function rowsOf(caId: string, dimension: CountedDimension): Promise<readonly CounterRow[]> {
    return (await read(caId)).filter((row) => row.dimension === dimension);
  }

  async function valuesOf(caId: string, dimension: CountedDimension): Promise<ReadonlyMap<string, number>> {
    const standing = new Map<string, number>();
    for (const row of await rowsOf(caId, dimension))
      if (row.bucketStart + row.bucketMs > options.clock())
        standing.set(row.value, (standing.get(row.value) ?? 0) + row.issued - row.revoked);
    return new Map([...standing].filter(([, count]) => count > 0));
  }

  return {
    async sums(caId, dimension, value, at) {
      const rows = (await rowsOf(caId, dimension)).filter((row) => row.value === value);
      const sum = (of: (row: CounterRow) => number) => rows.reduce((total, row) => total + of(row), 0);
      return {
        issued: sum(({ issued }) => issued),
        revoked: sum(({ revoked }) => revoked),
        outstanding: sum((row) => (row.bucketStart + row.bucketMs > at ? row.issued - row.revoked : 0)),
      };
    },
    async liveBuckets(caId, dimension, value, at) {
      const rows = (await rowsOf(caId, dimension)).filter((row) => row.value === value);
      return rows
        .filter(({ bucketStart, bucketMs }) => bucketStart + bucketMs > at)
        .map(bucketOfRow)
        .sort((a, b) => a.bucketStart + a.bucketMs - (b.bucketStart + b.bucketMs));
    },
    async largest(caId, dimension, countMax, after) {
      const ranked = [...(await valuesOf(caId, dimension))]
        .map(([value, standing]): StandingValue => ({ value, standing }))
        .sort((a, b) => b.standing - a.standing || byText(a.value, b.value));
      const from = ranked.findIndex(
        ({ value, standing }) =>
          after === undefined ||
          standing < after.standing ||
          (standing === after.standing && byText(value, after.value) > 0),
      );
      return from < 0 ? [] : ranked.slice(from, from + countMax);
    },
    async standingValues(caId, dimension, after, countMax) {
      return [...(await valuesOf(caId, dimension))]
        .filter(([value]) => after === undefined || byText(value, after) > 0)
        .sort(([a], [b]) => byText(a, b))
        .slice(0, countMax)
        .map(([value, standing]) => ({ value, standing }));
    },
    async standings(caId, dimension, values) {
      const found = await valuesOf(caId, dimension);
      return values.map((value) => found.get(value) ?? 0);
    },
    async countValues(caIds, dimension, countMax) {
      const seen = new Set<string>();
      for (const caId of caIds) for (const value of (await valuesOf(caId, dimension)).keys()) seen.add(value);
      return { count: Math.min(seen.size, countMax), exact: seen.size <= countMax };
    },
    certificatesOfKey: options.certificatesOfKey,
    contacts: async () => [],
    expire: async () => ({ more: false }),
    open: async () => {
      throw new Error('this ledger has no view that a recount could read');
    },
  };
}

function remembered({ ledger, clock, ageMsMax = 10_000 }: CounterInventoryOptions) {
  const kept = new Map<string, { readonly at: EpochMs; readonly rows: Promise<readonly CounterRow[]> }>();
  return (caId: string): Promise<readonly CounterRow[]> => {
    const now = clock();
    const known = kept.get(caId);
    if (known !== undefined && now - known.at <= ageMsMax && now >= known.at) return known.rows;
    const rows = ledger.counters(caId);
    kept.set(caId, { at: now, rows });
    rows.catch(() => kept.delete(caId));
    return rows;
  };
}

/** When the certificates of a bucket end is not known here: some may end at once, some at its end. */
function bucketOfRow({ bucketStart, bucketMs, issued, revoked }: CounterRow): LiveBucket {
  const notAfterLast = bucketStart + bucketMs - 1_000;
  return { bucketStart, bucketMs, issued, revoked, notAfterFirst: bucketStart, notAfterLast };
}

function byText(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
