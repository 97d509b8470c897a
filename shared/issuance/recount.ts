import type { CountedDimension } from '../inventory/counted.ts';
import { type CellDifference, cellsOf, cellText, createTally, type Tally } from '../inventory/recount.ts';
import type { EpochMs } from '../pki/epoch.ts';
import type { CountedCertificate, CountedRow, RecountSource, RecountView, SumsRow } from './inventory-ports.ts';
import type { Clock } from './ports.ts';

export interface RecountPorts {
  readonly source: RecountSource;
  readonly random: (bytes: number) => Uint8Array;
  /** Between two pages: lets the rest of the process go on. */
  readonly pause: () => Promise<unknown>;
}

/** The sums of a value that are not those of its counters. */
export interface SumDifference {
  readonly caId: string;
  readonly dimension: CountedDimension;
  readonly value: string;
  readonly counted: { readonly issued: number; readonly revoked: number; readonly standing: number };
  readonly recounted: { readonly issued: number; readonly revoked: number; readonly standing: number };
}

export interface RecountResult {
  readonly certificates: number;
  readonly counters: number;
  /** True when each counter is what the records make it, and each sum what the counters do. */
  readonly equal: boolean;
  /** At most 100, with how many there are among the cells looked at. */
  readonly differences: readonly CellDifference[];
  readonly differing: number;
  readonly sumDifferences: readonly SumDifference[];
  /** False where writes may have come between two pages: then only what differed twice is named. */
  readonly consistent: boolean;
}

const namedMax = 100;
/** Partitions whose cells are counted one by one: what bounds the memory of a ledger that is wrong everywhere. */
const partitionsMax = 32;
const keyBytes = 16;

export type OnProgress = (done: number, about: number) => void;

/** Counts every certificate and compares. Reads only: what differs is named, never repaired. */
export async function recount(ports: RecountPorts, onProgress: OnProgress = () => undefined): Promise<RecountResult> {
  const first = await recountOnce(ports, onProgress);
  if (first.equal || first.consistent) return first;
  // A certificate issued between two pages looks like a difference, and is none the next time.
  const second = await recountOnce(ports, onProgress);
  const before = new Set(first.differences.map(differenceText));
  const differences = second.differences.filter((one) => before.has(differenceText(one)));
  const sumsBefore = new Set(first.sumDifferences.map(sumDifferenceText));
  const sumDifferences = second.sumDifferences.filter((one) => sumsBefore.has(sumDifferenceText(one)));
  const equal = differences.length === 0 && sumDifferences.length === 0;
  return { ...second, equal, differences, sumDifferences, differing: differences.length };
}

/** A counter that is wrong is so by the same each time; one that moves between two pages is not. */
function differenceText(one: CellDifference): string {
  const { counted, recounted } = one;
  return `${cellText(one)} ${counted.issued - recounted.issued} ${counted.revoked - recounted.revoked}`;
}

function sumDifferenceText({ caId, dimension, value, counted, recounted }: SumDifference): string {
  const by = (of: keyof typeof counted) => counted[of] - recounted[of];
  return JSON.stringify([caId, dimension, value, by('issued'), by('revoked'), by('standing')]);
}

async function recountOnce(ports: RecountPorts, onProgress: OnProgress): Promise<RecountResult> {
  const { consistent, view } = await ports.source.open();
  try {
    const tally = createTally(ports.random(keyBytes));
    const certificates = await eachCertificate(ports, view, onProgress, (one) => tally.addCertificate(one));
    const sums = createSumCheck(ports, view);
    const counters = await eachCounter(ports, view, async (row) => {
      tally.subtractCounter(row);
      await sums.next(row);
    });
    const sumDifferences = await sums.end();
    const differing = tally.differing();
    const differences = differing.size === 0 ? [] : await nameDifferences(ports, view, tally, differing);
    return {
      certificates,
      counters,
      equal: differing.size === 0 && sumDifferences.length === 0,
      differences: differences.slice(0, namedMax),
      differing: differences.length,
      sumDifferences: sumDifferences.slice(0, namedMax),
      consistent,
    };
  } finally {
    await view.close();
  }
}

async function eachCertificate(
  { pause }: RecountPorts,
  view: RecountView,
  onProgress: OnProgress,
  take: (certificate: CountedCertificate) => void,
): Promise<number> {
  let count = 0;
  let after: string | undefined;
  do {
    const page = await view.certificates(after);
    for (const certificate of page.certificates) take(certificate);
    count += page.certificates.length;
    after = page.next;
    onProgress(count, Math.max(count, view.issuancesAbout));
    await pause();
  } while (after !== undefined);
  return count;
}

async function eachCounter(
  { pause }: RecountPorts,
  view: RecountView,
  take: (row: CountedRow) => Promise<void>,
): Promise<number> {
  let count = 0;
  let after: string | undefined;
  do {
    const page = await view.counters(after);
    for (const row of page.rows) await take(row);
    count += page.rows.length;
    after = page.next;
    await pause();
  } while (after !== undefined);
  return count;
}

/** Counts the cells of some partitions again, one by one. */
async function nameDifferences(
  ports: RecountPorts,
  view: RecountView,
  tally: Tally,
  differing: ReadonlySet<number>,
): Promise<readonly CellDifference[]> {
  const looked = new Set([...differing].slice(0, partitionsMax));
  const cells = new Map<string, CellDifference>();
  const change = (
    cell: Parameters<Tally['partitionOf']>[0],
    of: 'counted' | 'recounted',
    by: CellDifference['counted'],
  ) => {
    if (!looked.has(tally.partitionOf(cell))) return;
    const { caId, dimension, value, bucketMs, bucketStart } = cell;
    const text = cellText(cell);
    const none = { issued: 0, revoked: 0 };
    const found = cells.get(text) ?? { caId, dimension, value, bucketMs, bucketStart, counted: none, recounted: none };
    const { issued, revoked } = found[of];
    cells.set(text, { ...found, [of]: { issued: issued + by.issued, revoked: revoked + by.revoked } });
  };
  await eachCertificate(
    ports,
    view,
    () => undefined,
    (one) => {
      for (const cell of cellsOf(one)) change(cell, 'recounted', { issued: 1, revoked: one.revoked ? 1 : 0 });
    },
  );
  await eachCounter(ports, view, async (row) => change(row, 'counted', row));
  return [...cells.values()].filter(
    ({ counted, recounted }) => counted.issued !== recounted.issued || counted.revoked !== recounted.revoked,
  );
}

/** Holds the sums of values against their counters, which come in the same order: one value in memory at a time. */
function createSumCheck(ports: RecountPorts, view: RecountView) {
  const differences: SumDifference[] = [];
  let value: (SumDifference['recounted'] & Pick<SumsRow, 'caId' | 'dimension' | 'value'>) | undefined;
  const kept = createSumReader(ports, view);

  async function compare(): Promise<void> {
    if (value === undefined) return;
    const { caId, dimension, value: name, issued, revoked, standing } = value;
    const own = await kept.of(value);
    const counted = own ?? { issued: 0, revoked: 0, standing: 0 };
    if (counted.issued === issued && counted.revoked === revoked && counted.standing === standing) return;
    if (differences.length <= namedMax)
      differences.push({
        caId,
        dimension,
        value: name,
        counted: figures(counted),
        recounted: { issued, revoked, standing },
      });
  }

  return {
    async next(row: CountedRow): Promise<void> {
      if (
        value === undefined ||
        value.caId !== row.caId ||
        value.dimension !== row.dimension ||
        value.value !== row.value
      ) {
        await compare();
        value = { caId: row.caId, dimension: row.dimension, value: row.value, issued: 0, revoked: 0, standing: 0 };
      }
      const standing = row.taken ? 0 : row.issued - row.revoked;
      value = {
        ...value,
        issued: value.issued + row.issued,
        revoked: value.revoked + row.revoked,
        standing: value.standing + standing,
      };
    },
    async end(): Promise<readonly SumDifference[]> {
      await compare();
      for (const row of await kept.rest())
        differences.push({ ...place(row), counted: figures(row), recounted: { issued: 0, revoked: 0, standing: 0 } });
      return differences;
    },
  };
}

const figures = ({ issued, revoked, standing }: SumDifference['counted']) => ({ issued, revoked, standing });
const place = ({ caId, dimension, value }: SumsRow) => ({ caId, dimension, value });

/** Reads the sums alongside. What it passes over has no counters at all, and is kept to be named. */
function createSumReader(ports: RecountPorts, view: RecountView) {
  let rows: readonly SumsRow[] = [];
  let index = 0;
  let after: string | undefined;
  let ended = false;
  const orphans: SumsRow[] = [];

  async function peek(): Promise<SumsRow | undefined> {
    while (index >= rows.length) {
      if (ended) return undefined;
      const page = await view.sums(after);
      rows = page.rows;
      index = 0;
      after = page.next;
      ended = page.next === undefined;
      await ports.pause();
    }
    return rows[index];
  }

  return {
    async of(wanted: Pick<SumsRow, 'caId' | 'dimension' | 'value'>): Promise<SumsRow | undefined> {
      for (let row = await peek(); row !== undefined; row = await peek()) {
        const order = compareRows(row, wanted);
        if (order > 0) return undefined;
        index += 1;
        if (order === 0) return row;
        if (orphans.length <= namedMax) orphans.push(row);
      }
      return undefined;
    },
    async rest(): Promise<readonly SumsRow[]> {
      for (let row = await peek(); row !== undefined && orphans.length <= namedMax; row = await peek()) {
        orphans.push(row);
        index += 1;
      }
      return orphans;
    },
  };
}

function compareRows(a: Pick<SumsRow, 'caId' | 'dimension' | 'value'>, b: typeof a): number {
  return (
    Buffer.compare(Buffer.from(a.caId), Buffer.from(b.caId)) ||
    Buffer.compare(Buffer.from(a.dimension), Buffer.from(b.dimension)) ||
    Buffer.compare(Buffer.from(a.value), Buffer.from(b.value))
  );
}

/** A recount that runs, or ran, in this process. */
export interface Recount {
  readonly id: string;
  readonly startedAt: EpochMs;
  readonly done: number;
  readonly about: number;
  readonly endedAt: EpochMs | undefined;
  readonly result: RecountResult | undefined;
  readonly failed: boolean;
}

export interface Recounts {
  /** Begins one, or answers the one that runs. Waits for its end up to `waitMsMax`. */
  start(waitMsMax: number): Promise<Recount>;
  find(id: string): Recount | undefined;
}

/** Recounts of this process: one at a time, the last one remembered. `onFailed` is told why one ended without a result. */
export function createRecounts(
  ports: RecountPorts & {
    readonly clock: Clock;
    readonly wait: (ms: number) => Promise<unknown>;
    readonly onFailed: (cause: unknown) => void;
  },
): Recounts {
  let last: Recount | undefined;
  let running: Promise<unknown> | undefined;

  async function run(): Promise<void> {
    try {
      const result = await recount(ports, (done, about) => {
        last = { ...last!, done, about };
      });
      last = { ...last!, endedAt: ports.clock(), result };
    } catch (cause) {
      last = { ...last!, endedAt: ports.clock(), failed: true };
      ports.onFailed(cause);
    } finally {
      running = undefined;
    }
  }

  return {
    async start(waitMsMax) {
      if (running === undefined) {
        const id = Buffer.from(ports.random(12)).toString('base64url');
        last = {
          id,
          startedAt: ports.clock(),
          done: 0,
          about: 0,
          endedAt: undefined,
          result: undefined,
          failed: false,
        };
        running = run();
      }
      await Promise.race([running, ports.wait(waitMsMax)]);
      return last!;
    },
    find: (id) => (last?.id === id ? last : undefined),
  };
}
