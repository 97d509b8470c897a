import type { BreakdownEntry, BrokenDownBy } from '../inventory/blast-radius.ts';
import type { EpochMs } from '../pki/epoch.ts';
import { type BlastRadiusPorts, subjectAuthority } from './blast-radius.ts';
import { SealwrightError } from './errors.ts';

export interface BreakdownQuery {
  readonly caId: string;
  readonly dimension: BrokenDownBy;
  /** 1 to 1,000. */
  readonly countMax: number;
  readonly cursor?: string;
}

export interface BreakdownPage {
  readonly caId: string;
  readonly dimension: BrokenDownBy;
  readonly asOf: EpochMs;
  /** By the text of the value. */
  readonly values: readonly BreakdownEntry[];
  readonly nextCursor: string | undefined;
}

type Ports = Pick<BlastRadiusPorts, 'authorities' | 'hierarchy' | 'inventory' | 'clock'>;

/**
 * A page of the values that a CA, and those below it, have outstanding certificates of. A cursor is a place in the order of
 * values: what comes or goes meanwhile moves no other value. Throws `not-found`, and `request-malformed` for a cursor of another query.
 */
export async function breakdownPage(ports: Ports, query: BreakdownQuery): Promise<BreakdownPage> {
  const { caId, dimension, countMax, cursor } = query;
  const { includes } = await subjectAuthority(ports, caId);
  const asOf = ports.clock();
  let after = cursor === undefined ? undefined : readCursor(cursor, query);
  const values: BreakdownEntry[] = [];
  let more = true;
  // A value whose certificates have all expired since the counters were brought up to date is passed over.
  while (more && values.length < countMax) {
    const names = await nextValues(ports, includes, dimension, after, countMax - values.length);
    for (const value of names.values) {
      let outstanding = 0;
      for (const one of includes) outstanding += (await ports.inventory.sums(one, dimension, value, asOf)).outstanding;
      if (outstanding > 0) values.push({ value, outstanding });
    }
    after = names.values.at(-1) ?? after;
    more = names.more;
  }
  return {
    caId,
    dimension,
    asOf,
    values,
    nextCursor: more && after !== undefined ? writeCursor(query, after) : undefined,
  };
}

/** The next values of several lists in one order. */
async function nextValues(
  { inventory }: Ports,
  caIds: readonly string[],
  dimension: BrokenDownBy,
  after: string | undefined,
  countMax: number,
): Promise<{ readonly values: readonly string[]; readonly more: boolean }> {
  const lists = await Promise.all(caIds.map((caId) => inventory.standingValues(caId, dimension, after, countMax)));
  const merged = [...new Set(lists.flat().map(({ value }) => value))].sort((a, b) =>
    Buffer.compare(Buffer.from(a), Buffer.from(b)),
  );
  const more = merged.length > countMax || lists.some((list) => list.length === countMax);
  return { values: merged.slice(0, countMax), more };
}

function writeCursor({ caId, dimension }: BreakdownQuery, after: string): string {
  return Buffer.from(JSON.stringify([caId, dimension, after]), 'utf8').toString('base64url');
}

const cursorCharactersMax = 2_048;

function readCursor(cursor: string, { caId, dimension }: BreakdownQuery): string {
  let read: unknown;
  try {
    read = cursor.length > cursorCharactersMax ? undefined : JSON.parse(Buffer.from(cursor, 'base64url').toString());
  } catch {
    read = undefined;
  }
  const after: unknown = Array.isArray(read) && read.length === 3 ? read[2] : undefined;
  if (!Array.isArray(read) || typeof after !== 'string')
    throw new SealwrightError('request-malformed', { clientDetail: 'cursor is none of this service' });
  if (read[0] !== caId || read[1] !== dimension)
    throw new SealwrightError('request-malformed', {
      clientDetail: 'cursor is of another query: leave it out to begin anew',
    });
  return after;
}
