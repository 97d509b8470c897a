import type { DatabaseSync, SQLInputValue } from 'node:sqlite';
import { type CertificateQuery, cursorRefused, placeParts } from '../../issuance/search-certificates.ts';
import { startOf } from './late-lookups.ts';

export type Values = Readonly<Record<string, SQLInputValue>>;

/**
 * Rows of one index in its own order, each with an `issuance`: what a search looks at, and where it goes on. `alike` are values of
 * the query that all lanes of it have besides.
 */
export interface Lane {
  /** Tells the lanes of one search apart, in the order in which they are gone through. */
  readonly key: readonly string[];
  readonly table: string;
  /** Of the columns of the table, which is `m`. */
  readonly condition: string;
  /** The column that the rows are in the order of. */
  readonly place: 'issuance' | 'serial';
  readonly values: Values;
  /** The last place that was looked at. */
  readonly after: number | string;
}

/** What is held against the rows of every lane that goes by serials: one that was taken and not used is not its certificate's. */
const usedSerial = 'EXISTS (SELECT 1 FROM issuances u WHERE u.issuance = m.issuance AND u.serial = m.serial)';

/** Where a search goes on: the key of a lane and the last place in it. */
export function placeText(lane: Pick<Lane, 'key'>, last: number | string): string {
  return JSON.stringify([...lane.key, last]);
}

interface Place {
  readonly key: readonly string[];
  readonly last: number | string;
}

function placeOf(text: string): Place {
  const parts = placeParts(text);
  if (parts.length < 1 || parts.length > 3) throw cursorRefused();
  const [last, ...key] = parts.toReversed();
  const isPlace = typeof last === 'string' || (Number.isSafeInteger(last) && (last as number) >= 0);
  if (!isPlace || !key.every((part) => typeof part === 'string')) throw cursorRefused();
  return { key: (key as readonly string[]).toReversed(), last: last as number | string };
}

/** Filters that a lane goes by. */
export const sqliteFindsBy = [
  'issuer',
  'owner',
  'fleet',
  'serial',
  'fingerprint',
  'key',
  'name',
  'credential',
  'notAfterBefore',
  'notAfterAfter',
] as const satisfies readonly (keyof CertificateQuery)[];

/** Whether what is looked for is in an index that is filled late. */
export function goesByLateIndex({ fingerprint, key, name }: CertificateQuery): boolean {
  return fingerprint !== undefined || key !== undefined || name !== undefined;
}

export type LanesOf = (query: CertificateQuery, after: string | undefined) => Iterable<Lane>;

/** An issuer is looked for by its serials where it has less than one certificate in so many. */
const rareOneIn = 16;

/** The lanes of a query, by the filter that is likely to find the least, from the place on where it was left off. */
export function createLanes(database: DatabaseSync): LanesOf {
  const next = createNext(database);
  return function* lanes(query, after) {
    const from = after === undefined ? undefined : placeOf(after);
    const { credential, fingerprint, fleet, issuer, key, name, owner, serial } = query;
    if (fingerprint !== undefined)
      yield* single('issuances_by_fingerprint', `m.fingerprint_start = ${startOf('$is')}`, fingerprint, from);
    else if (serial !== undefined) yield* bySerial(serial, issuer, next.issuer, from);
    else if (key !== undefined) yield* single('issuances_by_key', `m.spki_sha256_start = ${startOf('$is')}`, key, from);
    else if (name !== undefined) yield* byName(name, from);
    else if (credential !== undefined) {
      // Whose a credential is never changes.
      const whose = next.credential(credential);
      if (whose !== undefined) yield ofFleet(whose.owner, whose.fleet, from);
    } else if (owner !== undefined && fleet !== undefined) yield ofFleet(owner, fleet, from);
    else if (owner !== undefined) {
      for (const one of stepped(from, (last) => next.fleet(owner, last))) yield ofFleet(owner, one, from);
    } else if (fleet !== undefined) {
      for (const one of stepped(from, next.owner)) yield ofFleet(one, fleet, from, one);
    } else if (issuer !== undefined && (from?.key[0] ?? next.kindOf(issuer)) === 'serials')
      yield byIssuer(issuer, from);
    else yield through(from);
  };
}

const afterOf = (from: Place | undefined, key: readonly string[], first: number | string): number | string => {
  if (from === undefined || JSON.stringify(from.key) !== JSON.stringify(key)) return first;
  if (typeof from.last !== typeof first) throw cursorRefused();
  return from.last;
};

/** Values of a part of the key, from that of the place on, one step of an index each. */
function* stepped(from: Place | undefined, nextOf: (last: string | undefined) => string | undefined): Iterable<string> {
  if (from !== undefined && from.key.length !== 1) throw cursorRefused();
  for (let one = from?.key[0] ?? nextOf(undefined); one !== undefined; one = nextOf(one)) yield one;
}

function single(table: string, condition: string, value: string, from: Place | undefined): readonly Lane[] {
  const after = afterOf(from, [], 0);
  return [{ key: [], table, condition, place: 'issuance', values: { is: value }, after }];
}

function* bySerial(
  serial: string,
  issuer: string | undefined,
  nextIssuer: (last: string | undefined) => string | undefined,
  from: Place | undefined,
): Iterable<Lane> {
  const lane = (caId: string): Lane => ({
    key: [caId],
    table: 'serials',
    condition: `m.ca_id = $ca AND m.serial = $is AND ${usedSerial}`,
    place: 'issuance',
    values: { ca: caId, is: serial },
    after: afterOf(from, [caId], 0),
  });
  if (issuer !== undefined) yield lane(issuer);
  else for (const caId of stepped(from, nextIssuer)) yield lane(caId);
}

/** The key of a name's hold, or the name itself, of whatever kind. */
export function nameForms(name: string): readonly string[] {
  return [name, `dns:${name}`, `uri:${name}`, `ip:${name}`];
}

function* byName(name: string, from: Place | undefined): Iterable<Lane> {
  const forms = nameForms(name);
  const first = from === undefined ? 0 : forms.indexOf(from.key[0] ?? '');
  if (first < 0) throw cursorRefused();
  for (const [index, form] of forms.entries()) {
    if (index < first) continue;
    // What an earlier form has found is not found again.
    const seen = forms.slice(0, index).map((_, n) => `$seen${n}`);
    const once = `NOT EXISTS (SELECT 1 FROM issuances_by_name o WHERE o.name IN (${seen.join(', ')}) AND o.issuance = m.issuance)`;
    yield {
      key: [form],
      table: 'issuances_by_name',
      condition: index === 0 ? 'm.name = $is' : `m.name = $is AND ${once}`,
      place: 'issuance',
      values: { is: form, ...Object.fromEntries(forms.slice(0, index).map((one, n) => [`seen${n}`, one])) },
      after: afterOf(from, [form], 0),
    };
  }
}

function ofFleet(owner: string, fleet: string, from: Place | undefined, key = fleet): Lane {
  return {
    key: [key],
    table: 'requests',
    condition: 'm.owner = $whose AND m.fleet = $which',
    place: 'issuance',
    values: { whose: owner, which: fleet },
    after: afterOf(from, [key], 0),
  };
}

function byIssuer(issuer: string, from: Place | undefined): Lane {
  return {
    key: ['serials'],
    table: 'serials',
    condition: `m.ca_id = $ca AND ${usedSerial}`,
    place: 'serial',
    values: { ca: issuer },
    after: afterOf(from, ['serials'], ''),
  };
}

/** All certificates, a stretch at a time. */
function through(from: Place | undefined): Lane {
  const after = afterOf(from, [], 0);
  return {
    key: [],
    table: 'certificates',
    condition: 'm.fingerprint IS NOT NULL',
    place: 'issuance',
    values: {},
    after,
  };
}

/** Steps of an index: the least value after another, found without reading what is between. */
function createNext(database: DatabaseSync) {
  const prepare = (sql: string) => database.prepare(sql);
  const step = (first: ReturnType<typeof prepare>, after: ReturnType<typeof prepare>) => {
    return (last: string | undefined, ...fixed: readonly string[]): string | undefined => {
      const row = last === undefined ? first.get(...fixed) : after.get(...fixed, last);
      return (row?.one ?? undefined) as string | undefined;
    };
  };
  const fleet = step(
    prepare('SELECT min(fleet) AS one FROM requests WHERE owner = ?'),
    prepare('SELECT min(fleet) AS one FROM requests WHERE owner = ? AND fleet > ?'),
  );
  const owner = step(
    prepare('SELECT min(owner) AS one FROM requests'),
    prepare('SELECT min(owner) AS one FROM requests WHERE owner > ?'),
  );
  const issuer = step(
    prepare('SELECT min(ca_id) AS one FROM serials'),
    prepare('SELECT min(ca_id) AS one FROM serials WHERE ca_id > ?'),
  );
  const credential = prepare('SELECT owner, fleet FROM credentials WHERE id = ?');
  const issuedBy = prepare("SELECT issued FROM counted_values WHERE ca_id = ? AND dimension = 'total' AND value = ''");
  const lastIssuance = prepare('SELECT max(issuance) AS last FROM certificates');
  return {
    fleet: (whose: string, last: string | undefined) => fleet(last, whose),
    owner: (last: string | undefined) => owner(last),
    issuer: (last: string | undefined) => issuer(last),
    credential: (id: string) => credential.get(id) as { readonly owner: string; readonly fleet: string } | undefined,
    kindOf: (caId: string): 'serials' | 'all' => {
      const issued = Number(issuedBy.get(caId)?.issued ?? 0);
      return issued * rareOneIn < Number(lastIssuance.get()?.last ?? 0) ? 'serials' : 'all';
    },
  };
}
