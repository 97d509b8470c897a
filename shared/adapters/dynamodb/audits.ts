import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';
import type { AuditStore, Comparison, KnownReport } from '../../issuance/ports.ts';
import { readCountMax } from './bounds.ts';
import type { Table } from './calls.ts';
import { bytes, bytesOf, document, documentOf, type Item, number, numberOf } from './items.ts';
import { listPartition } from './lists.ts';
import { keyItem, keys, listPartitions } from './table.ts';

/** Of one item's 400 KB. A thousand ARNs of one CA are much alike: packed, they are a tenth of it. */
const packedBytesMax = 350_000;
/** Unpacked at once: what a comparison of two full lists with the longest subjects could be is refused, not swallowed. */
const unpackedBytesMax = 256 * 1024 * 1024;

/** Audit reports that were asked for, and what comparing them with the ledger found. */
export function createDynamoAudits(table: Table): AuditStore {
  return {
    async report(caId, generation) {
      const item = await table.get(keys.auditReport(caId, generation));
      return item === undefined ? undefined : documentOf<KnownReport>(item, 'doc');
    },
    async recordReport(report) {
      // A report asked for later stays: the condition that fails is the answer wanted.
      await table.update({
        kind: 'update',
        key: keys.auditReport(report.caId, report.generation),
        set: {
          expression: 'SET doc = :doc, askedAt = :at',
          values: { ':doc': document(report), ':at': number(report.askedAt) },
        },
        condition: 'attribute_not_exists(askedAt) OR askedAt <= :at',
      });
    },
    async beginAfter(caId, generation) {
      const item = await table.get(keys.auditDeferral(caId, generation));
      return item === undefined ? 0 : numberOf(item, 'beginAfter');
    },
    async deferBegin(caId, generation, until) {
      await table.putMany([{ ...keyItem(keys.auditDeferral(caId, generation)), beginAfter: number(until) }]);
    },
    async recordComparison(comparison) {
      const key = keyItem(keys.comparison(comparison.caId, comparison.generation));
      await table.putMany([{ ...key, packed: bytes(await pack(comparison)) }]);
    },
    async comparison(caId, generation) {
      const item = await table.get(keys.comparison(caId, generation));
      return item === undefined ? undefined : unpack(item);
    },
    async comparisons() {
      return Promise.all((await listPartition(table, listPartitions.comparisons, readCountMax)).map(unpack));
    },
  };
}

const compress = promisify(gzip);
const decompress = promisify(gunzip);

/** Gzip of JSON. The lists of names, which are cut at a bound anyway, are halved until the rest fits an item. */
export async function pack(comparison: Comparison): Promise<Uint8Array> {
  const packed = await compress(JSON.stringify(comparison));
  if (packed.length <= packedBytesMax) return packed;
  const half = <T>({ count, named }: { readonly count: number; readonly named: readonly T[] }) => ({
    count,
    named: named.slice(0, Math.floor(named.length / 2)),
  });
  return pack({
    ...comparison,
    unknownCertificates: half(comparison.unknownCertificates),
    unknownIssuances: half(comparison.unknownIssuances),
  });
}

async function unpack(item: Item): Promise<Comparison> {
  const json = await decompress(bytesOf(item, 'packed'), { maxOutputLength: unpackedBytesMax });
  return JSON.parse(json.toString('utf8')) as Comparison;
}
