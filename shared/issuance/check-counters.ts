import { bucketOf, countedDimensions, countedValues } from '../inventory/counted.ts';
import type { RecountView } from './inventory-ports.ts';

/** A counter that is not what the certificates add up to. */
export interface CounterDifference {
  readonly caId: string;
  readonly dimension: string;
  readonly value: string;
  readonly bucketStart: number;
  readonly bucketMs: number;
  readonly counted: { readonly issued: number; readonly revoked: number };
  readonly recounted: { readonly issued: number; readonly revoked: number };
}

export interface CounterCheck {
  readonly certificates: number;
  readonly counters: number;
  /** How many counters differ; `differences` names the first of them. */
  readonly differing: number;
  readonly differences: readonly CounterDifference[];
}

const differencesNamedMax = 20;

interface Sum {
  issued: number;
  revoked: number;
}

/**
 * Counts the certificates of a ledger anew and holds its counters against that, both ways: a counter of nothing is as wrong as
 * one that is missing. Holds one sum for each counter in memory. `onCounted` is told
 * how many certificates were counted so far, page by page.
 */
export async function checkCounters(
  view: RecountView,
  onCounted: (certificates: number) => void = () => undefined,
): Promise<CounterCheck> {
  const sums = new Map<string, Sum>();
  let certificates = 0;
  for (let after: string | undefined, first = true; first || after !== undefined; first = false) {
    const page = await view.certificates(after);
    for (const certificate of page.certificates) {
      certificates += 1;
      const { bucketMs, bucketStart } = bucketOf(certificate.notBefore, certificate.notAfter);
      const values = countedValues(certificate);
      for (const dimension of countedDimensions) {
        const key = JSON.stringify([certificate.caId, dimension, values[dimension], bucketMs, bucketStart]);
        const sum = sums.get(key) ?? { issued: 0, revoked: 0 };
        sum.issued += 1;
        if (certificate.revoked) sum.revoked += 1;
        sums.set(key, sum);
      }
    }
    onCounted(certificates);
    after = page.next;
  }
  const found: CounterDifference[] = [];
  let differing = 0;
  let counters = 0;
  const compare = (key: string, counted: Sum, recounted: Sum) => {
    if (counted.issued === recounted.issued && counted.revoked === recounted.revoked) return;
    differing += 1;
    if (found.length >= differencesNamedMax) return;
    const [caId, dimension, value, bucketMs, bucketStart] = JSON.parse(key) as [string, string, string, number, number];
    found.push({ caId, dimension, value, bucketMs, bucketStart, counted, recounted });
  };
  const nothing: Sum = { issued: 0, revoked: 0 };
  for (let after: string | undefined, first = true; first || after !== undefined; first = false) {
    const page = await view.counters(after);
    for (const { caId, dimension, value, bucketMs, bucketStart, issued, revoked } of page.rows) {
      counters += 1;
      const key = JSON.stringify([caId, dimension, value, bucketMs, bucketStart]);
      compare(key, { issued, revoked }, sums.get(key) ?? nothing);
      sums.delete(key);
    }
    after = page.next;
  }
  for (const [key, sum] of sums) compare(key, nothing, sum);
  return { certificates, counters, differing, differences: found };
}
