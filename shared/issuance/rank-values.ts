import type { CountedDimension } from '../inventory/counted.ts';
import type { EpochMs } from '../pki/epoch.ts';
import type { InventoryReads, StandingPlace } from './inventory-ports.ts';

/** A value of a dimension with what is outstanding of it. */
export interface RankedValue {
  readonly value: string;
  readonly outstanding: number;
}

export interface Ranking {
  readonly values: readonly RankedValue[];
  /** False when the bound on reads came first: another value may have as many as the last one here. */
  readonly exact: boolean;
}

/** Values looked at in each CA's list at a time, and in all. */
const stepCount = 100;
const seenMax = 1_000;

type Reads = Pick<InventoryReads, 'largest' | 'standings' | 'sums'>;

/**
 * The `countMax` values with the most outstanding certificates over several CAs, without reading them all: Fagin's threshold
 * algorithm. Each CA's list is read from the largest down; a value's bound is the sum of its `standing` in every CA; no value
 * that was not seen can have more than the sum of where the lists stand. Bounds are then made exact, the largest first, until
 * what is exact is at least the next bound.
 */
export async function rankValues(
  reads: Reads,
  caIds: readonly string[],
  dimension: CountedDimension,
  at: EpochMs,
  countMax: number,
): Promise<Ranking> {
  const bounds = new Map<string, number>();
  const places = new Map<string, StandingPlace | 'ended' | undefined>(caIds.map((caId) => [caId, undefined]));
  let threshold = Number.POSITIVE_INFINITY;
  while (bounds.size < seenMax && nthLargest(bounds, countMax) < threshold) {
    threshold = 0;
    for (const [caId, place] of places) {
      if (place === 'ended') continue;
      const page = await reads.largest(caId, dimension, stepCount, place);
      await addBounds(reads, caIds, dimension, bounds, caId, page);
      const last = page.at(-1);
      places.set(caId, page.length < stepCount || last === undefined ? 'ended' : last);
      threshold += page.length < stepCount ? 0 : (last?.standing ?? 0);
    }
    if (threshold === 0) break;
  }
  const { values, least } = await exactly(reads, caIds, dimension, at, countMax, bounds);
  return { values, exact: threshold === 0 || least >= threshold };
}

/** 0 while there are fewer. */
function nthLargest(bounds: ReadonlyMap<string, number>, n: number): number {
  if (bounds.size < n) return 0;
  return [...bounds.values()].sort((a, b) => b - a)[n - 1]!;
}

async function addBounds(
  reads: Reads,
  caIds: readonly string[],
  dimension: CountedDimension,
  bounds: Map<string, number>,
  fromCa: string,
  page: readonly { readonly value: string; readonly standing: number }[],
): Promise<void> {
  const fresh = page.filter(({ value }) => !bounds.has(value));
  for (const { value, standing } of fresh) bounds.set(value, standing);
  if (fresh.length === 0) return;
  const names = fresh.map(({ value }) => value);
  for (const caId of caIds) {
    if (caId === fromCa) continue;
    const standings = await reads.standings(caId, dimension, names);
    names.forEach((value, index) => void bounds.set(value, bounds.get(value)! + standings[index]!));
  }
}

async function exactly(
  reads: Reads,
  caIds: readonly string[],
  dimension: CountedDimension,
  at: EpochMs,
  countMax: number,
  bounds: ReadonlyMap<string, number>,
): Promise<{ readonly values: readonly RankedValue[]; readonly least: number }> {
  const candidates = [...bounds].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1));
  let ranked: RankedValue[] = [];
  for (const [value, bound] of candidates) {
    if (ranked.length === countMax && ranked.at(-1)!.outstanding >= bound) break;
    let outstanding = 0;
    for (const caId of caIds) outstanding += (await reads.sums(caId, dimension, value, at)).outstanding;
    if (outstanding > 0) ranked.push({ value, outstanding });
    ranked = ranked.sort((a, b) => b.outstanding - a.outstanding || (a.value < b.value ? -1 : 1)).slice(0, countMax);
  }
  return { values: ranked, least: ranked.length < countMax ? 0 : ranked.at(-1)!.outstanding };
}
