/**
 * What the ledger's own transactions count. One item holds what one owner's fleet got in one bucket, in one window of time and one
 * shard: a total, and under it the marginals by profile, key type and credential. So a certificate moves one item, not six. Once
 * its window is over, nobody writes to it (but for a straggler), and the upkeep folds it into the counters that are read
 * (`counter-fold.ts`): until then a reader adds what is here (`journal.ts`).
 */
import { bucketOf, type Counted, type CountedDimension } from '../../inventory/counted.ts';
import type { EpochMs } from '../../pki/epoch.ts';
import type { Action } from './calls.ts';
import { type Item, number, numberOf, numberOr, text, textOf } from './items.ts';
import { keyPart, keys, timeText } from './table.ts';

export type CountedChange = 'issued' | 'revoked';

interface Cell {
  readonly caId: string;
  readonly owner: string;
  readonly fleet: string;
  readonly bucketStart: EpochMs;
  readonly bucketMs: number;
  readonly window: EpochMs;
  /** Attribute of the item → how much to add. */
  readonly added: Map<string, number>;
}

/** What the members of one transaction count, gathered so that it moves each item once. */
export type Cells = Map<string, Cell>;

const dayMs = 24 * 3_600_000;
/** Longer ones fold more certificates at once, which costs less, and leave more for readers to add. */
export const windowMs = 10 * 60_000;

/** Attributes: `i`, `r` the totals issued and revoked; `ip:`, `rp:` by profile; `ik:`, `rk:` by key type; `ic:`, `rc:` by credential. */
const letters = { issued: 'i', revoked: 'r' } as const;

const dimensions: Readonly<Record<string, CountedDimension>> = { 'p:': 'profile', 'k:': 'keyType', 'c:': 'credential' };

function sortKey({ owner, fleet, bucketStart, bucketMs, window }: Omit<Cell, 'added'>): string {
  const bucket = `${bucketMs === dayMs ? 'd' : 'h'}#${timeText(bucketStart)}`;
  return `${timeText(window)}#${bucket}#${keyPart(owner)}#${keyPart(fleet)}`;
}

/** What a move counts. `at` is when it was made, by the clock of who makes it. */
export interface Count {
  readonly change: CountedChange;
  readonly certificate: Counted;
  readonly at: EpochMs;
}

function emptyCell({ certificate, at }: Count): Cell {
  const { caId, owner, fleet, notBefore, notAfter } = certificate;
  const window = Math.floor(at / windowMs) * windowMs;
  return { caId, owner, fleet, ...bucketOf(notBefore, notAfter), window, added: new Map() };
}

export function cellKeyOf(count: Count): string {
  return `${keyPart(count.certificate.caId)}#${sortKey(emptyCell(count))}`;
}

export function countInto(cells: Cells, count: Count): void {
  const { profile, keyType, credentialId } = count.certificate;
  const key = cellKeyOf(count);
  let cell = cells.get(key);
  if (cell === undefined) {
    cell = emptyCell(count);
    cells.set(key, cell);
  }
  const letter = letters[count.change];
  for (const name of [letter, `${letter}p:${profile}`, `${letter}k:${keyType}`, `${letter}c:${credentialId}`]) {
    cell.added.set(name, (cell.added.get(name) ?? 0) + 1);
  }
}

/**
 * ADD is repeated by nobody: it stands in a transaction whose other actions pass once. `mv` counts the changes of the item, so
 * that who folds it knows that it is what was read.
 */
export function countActions(cells: Cells, shard: number): readonly Action[] {
  return [...cells.values()].map((cell): Action => {
    const added = [...cell.added];
    return {
      kind: 'update',
      key: { PK: keys.counterPartition(cell.caId, shard), SK: sortKey(cell) },
      set: {
        expression: `SET own = :own, flt = :flt, bs = :bs, bm = :bm ADD mv :one, ${added.map((_, i) => `#a${i} :a${i}`).join(', ')}`,
        names: Object.fromEntries(added.map(([name], i) => [`#a${i}`, name])),
        values: {
          ':own': text(cell.owner),
          ':flt': text(cell.fleet),
          ':bs': number(cell.bucketStart),
          ':bm': number(cell.bucketMs),
          ':one': number(1),
          ...Object.fromEntries(added.map(([, sum], i) => [`:a${i}`, number(sum)])),
        },
      },
    };
  });
}

/** What is counted in one bucket of one value. */
export interface CountedCell {
  readonly dimension: CountedDimension;
  readonly value: string;
  readonly bucketStart: EpochMs;
  readonly bucketMs: number;
  readonly issued: number;
  readonly revoked: number;
}

/** A part of an item that is folded as one: some of its attributes, and the cells that they count in. */
export interface Part {
  readonly attributes: readonly string[];
  readonly cells: readonly CountedCell[];
}

/** The parts of an item that are left: one with the totals, and one for each profile, key type and credential. */
export function partsOfCounter(item: Item): readonly Part[] {
  const bucket = { bucketStart: numberOf(item, 'bs'), bucketMs: numberOf(item, 'bm') };
  const values: Readonly<Record<string, readonly (readonly [CountedDimension, string])[]>> = {
    '': [
      ['total', ''],
      ['owner', textOf(item, 'own')],
      ['fleet', textOf(item, 'flt')],
    ],
  };
  const names = new Set(Object.keys(item).flatMap((name) => (isCount(name) ? [name.slice(1)] : [])));
  return [...names].map((name) => {
    const [issued, revoked] = [numberOr(item, `i${name}`, 0), numberOr(item, `r${name}`, 0)];
    const of = values[name] ?? [[dimensions[name.slice(0, 2)]!, name.slice(2)] as const];
    return {
      attributes: [`i${name}`, `r${name}`].filter((one) => item[one] !== undefined),
      cells: of.map(([dimension, value]) => ({ dimension, value, ...bucket, issued, revoked })),
    };
  });
}

function isCount(name: string): boolean {
  return name === 'i' || name === 'r' || (/^[ir]/.test(name) && dimensions[name.slice(1, 3)] !== undefined);
}
