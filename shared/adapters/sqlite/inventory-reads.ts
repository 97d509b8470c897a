import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { bucketSizesMs, type CountedSums } from '../../inventory/counted.ts';
import { issuanceIdOf } from '../../issuance/ids.ts';
import type { CertificateOfKey, InventoryReads, LiveBucket, StandingValue } from '../../issuance/inventory-ports.ts';
import type { IssuanceState } from '../../issuance/issuance-state.ts';
import { invariant } from '../ledger/ledger-fault.ts';
import { createContactReads } from './contact-samples.ts';

const pageMax = 1_000;
/** Above every value. */
const beforeAll = { standing: Number.MAX_SAFE_INTEGER, value: '' };

function checkPage(countMax: number): void {
  invariant(countMax >= 1 && countMax <= pageMax, 'out-of-bounds', `countMax ${countMax}`);
}

/** The inventory's reads of the SQLite ledger: each is a range of one index. */
export function createInventoryReads(database: DatabaseSync): InventoryReads {
  return {
    ...createSums(database),
    ...createValues(database),
    certificatesOfKey: createKeyReads(database),
    contacts: createContactReads(database),
  };
}

type SumReads = Pick<InventoryReads, 'sums' | 'liveBuckets'>;

function createSums(database: DatabaseSync): SumReads {
  // What has ended and is still in `standing`, for each size of bucket: at the mark's own bucket, only what comes after it.
  const ended = bucketSizesMs
    .map(
      (bucketMs) => `coalesce((SELECT sum(c.issued - c.revoked) FROM counters c
        LEFT JOIN counter_marks m ON m.ca_id = c.ca_id AND m.bucket_ms = c.bucket_ms
        WHERE c.ca_id = v.ca_id AND c.dimension = v.dimension AND c.value = v.value AND c.bucket_ms = ${bucketMs}
          AND c.bucket_start BETWEEN coalesce((SELECT bucket_start FROM counter_marks
            WHERE ca_id = v.ca_id AND bucket_ms = ${bucketMs}), 0) AND :at - ${bucketMs}
          AND (m.ca_id IS NULL OR (c.bucket_start, c.dimension, c.value) > (m.bucket_start, m.dimension, m.value))), 0)`,
    )
    .join(' - ');
  const sumsOf = database.prepare(`SELECT issued, revoked, standing - ${ended} AS outstanding FROM counted_values v
    WHERE ca_id = :ca AND dimension = :dimension AND value = :value`);
  const live = database.prepare(`SELECT bucket_start AS bucketStart, bucket_ms AS bucketMs, issued, revoked,
      not_after_first AS notAfterFirst, not_after_last AS notAfterLast FROM counters
    WHERE ca_id = ? AND dimension = ? AND value = ? AND bucket_ms = ? AND bucket_start > ? ORDER BY bucket_start`);

  return {
    async sums(caId, dimension, value, at) {
      const row = sumsOf.get({ ca: caId, dimension, value, at });
      return row === undefined ? { issued: 0, revoked: 0, outstanding: 0 } : ({ ...row } as unknown as CountedSums);
    },
    async liveBuckets(caId, dimension, value, at) {
      const rows = bucketSizesMs.flatMap((bucketMs) => live.all(caId, dimension, value, bucketMs, at - bucketMs));
      const buckets = rows.map((row) => ({ ...row }) as unknown as LiveBucket);
      return buckets.toSorted((a, b) => a.bucketStart + a.bucketMs - (b.bucketStart + b.bucketMs));
    },
  };
}

type ValueReads = Pick<InventoryReads, 'largest' | 'standingValues' | 'standings' | 'countValues'>;

function createValues(database: DatabaseSync): ValueReads {
  // Two ranges of one index rather than a comparison of rows, whose directions differ.
  const largestSame = database.prepare(`SELECT value, standing FROM counted_values
    WHERE ca_id = ? AND dimension = ? AND standing = ? AND value > ? ORDER BY value LIMIT ?`);
  const largestBelow = database.prepare(`SELECT value, standing FROM counted_values
    WHERE ca_id = ? AND dimension = ? AND standing < ? AND standing > 0 ORDER BY standing DESC, value LIMIT ?`);
  const inOrder = database.prepare(`SELECT value, standing FROM counted_values
    WHERE ca_id = ? AND dimension = ? AND value > ? AND standing > 0 ORDER BY value LIMIT ?`);
  const fromFirst = database.prepare(`SELECT value, standing FROM counted_values
    WHERE ca_id = ? AND dimension = ? AND standing > 0 ORDER BY value LIMIT ?`);
  // One statement for all: a thousand single reads cost more in crossing to SQLite than in it.
  const standingsOf = database.prepare(`SELECT coalesce(v.standing, 0) FROM json_each(?) j
    LEFT JOIN counted_values v ON v.ca_id = ? AND v.dimension = ? AND v.value = j.value ORDER BY j.key`);
  standingsOf.setReturnArrays(true);
  const counted = database.prepare(`SELECT count(*) AS n FROM
    (SELECT 1 FROM counted_values WHERE ca_id = ? AND dimension = ? AND standing > 0 LIMIT ?)`);
  const statements = new Map<number, StatementSync>();
  const distinctOver = (count: number) => {
    const one =
      'SELECT value FROM (SELECT value FROM counted_values WHERE ca_id = ? AND dimension = ? AND standing > 0 LIMIT ?)';
    const statement =
      statements.get(count) ??
      database.prepare(`SELECT count(*) AS n FROM (${Array.from({ length: count }, () => one).join(' UNION ')})`);
    statements.set(count, statement);
    return statement;
  };
  const page = (rows: readonly unknown[]) => rows.map((row) => ({ ...(row as object) }) as StandingValue);

  return {
    async largest(caId, dimension, countMax, after = beforeAll) {
      checkPage(countMax);
      const same = page(largestSame.all(caId, dimension, after.standing, after.value, countMax));
      if (same.length === countMax) return same;
      return [...same, ...page(largestBelow.all(caId, dimension, after.standing, countMax - same.length))];
    },
    async standingValues(caId, dimension, after, countMax) {
      checkPage(countMax);
      const rows =
        after === undefined ? fromFirst.all(caId, dimension, countMax) : inOrder.all(caId, dimension, after, countMax);
      return page(rows);
    },
    async standings(caId, dimension, asked) {
      invariant(asked.length <= pageMax, 'out-of-bounds', `${asked.length} values in one call`);
      const rows = standingsOf.all(JSON.stringify(asked), caId, dimension) as unknown as readonly [number][];
      return rows.map(([standing]) => standing);
    },
    async countValues(caIds, dimension, countMax) {
      const first = caIds[0];
      if (first === undefined) return { count: 0, exact: true };
      if (caIds.length === 1) {
        const count = counted.get(first, dimension, countMax + 1)!.n as number;
        return { count: Math.min(count, countMax), exact: count <= countMax };
      }
      const parameters = caIds.flatMap((caId) => [caId, dimension, countMax]);
      const count = Number(distinctOver(caIds.length).get(...parameters)!.n);
      const whole = caIds.every((caId) => (counted.get(caId, dimension, countMax + 1)!.n as number) <= countMax);
      return { count, exact: whole };
    },
  };
}

function createKeyReads(database: DatabaseSync): InventoryReads['certificatesOfKey'] {
  const byKey =
    database.prepare(`SELECT i.request_id, i.ordinal, i.ca_id, i.state, r.owner, r.fleet, r.profile, r.key_type,
      r.credential_id, c.not_before, c.not_after
    FROM certificates c JOIN issuances i ON i.issuance = c.issuance JOIN requests r ON r.issuance = c.issuance
    WHERE c.spki_sha256 = ? ORDER BY c.issuance LIMIT ?`);
  return async (spkiSha256, countMax) => {
    checkPage(countMax);
    return byKey.all(spkiSha256, countMax).map(
      (row): CertificateOfKey => ({
        issuanceId: issuanceIdOf(row.request_id as string, row.ordinal as number),
        caId: row.ca_id as string,
        owner: row.owner as string,
        fleet: row.fleet as string,
        profile: row.profile as string,
        keyType: row.key_type as string,
        credentialId: row.credential_id as string,
        state: row.state as IssuanceState,
        notBefore: row.not_before as number,
        notAfter: row.not_after as number,
      }),
    );
  };
}
