import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite';
import { issuanceIdOf } from '../../issuance/ids.ts';
import type { CertificateQuery, CertificateSearch, FoundCertificate } from '../../issuance/search-certificates.ts';
import { invariant } from '../ledger/ledger-fault.ts';
import { type HistoryRow, historyEntryOf, historyQuery } from './history.ts';
import { createLanes, type Lane, nameForms, placeText, sqliteFindsBy, type Values } from './search-lanes.ts';

const pageMax = 1_000;
/** Rows of lanes looked at in one call: what a search for nearly nothing costs before it answers where to go on. */
const lookedAtMaxDefault = 5_000;
/** Rows that a lane costs, however few it has: a search over many short lanes is bounded, too. */
const laneRows = 10;
const successorsMax = 100;
/** Pages of the connection of its own: an export neither grows the process nor drives the hot path's pages out. */
const cacheKiB = 2 * 1024;

const columns = `i.issuance, i.request_id, i.ordinal, i.state, i.ca_id, i.generation, i.serial, i.revoked_at,
  i.revocation_reason, r.owner, r.fleet, r.profile, r.credential_id, r.names, r.spki_sha256, c.not_before, c.not_after,
  c.fingerprint`;

export interface SqliteSearch extends CertificateSearch {
  close(): void;
}

/** The key of an issuance's row. */
export type RowOf = (issuanceId: string) => number | undefined;

/** Searches a ledger in a file by a connection of its own, opened at the first search; one in memory by the ledger's. */
export function openCertificateSearch(database: DatabaseSync, path: string, rowOf: RowOf): SqliteSearch {
  let own: DatabaseSync | undefined;
  let search: CertificateSearch | undefined;
  const opened = (): CertificateSearch => {
    if (search !== undefined) return search;
    if (path !== ':memory:') {
      own = new DatabaseSync(path, { readOnly: true, timeout: 2_000 });
      own.exec(`PRAGMA cache_size = -${cacheKiB}; PRAGMA temp_store = MEMORY`);
    }
    search = createCertificateSearch(own ?? database, rowOf);
    return search;
  };
  return {
    findsBy: sqliteFindsBy,
    find: async (...asked) => opened().find(...asked),
    history: async (issuanceId) => opened().history(issuanceId),
    successors: async (issuanceId) => opened().successors(issuanceId),
    close: () => own?.close(),
  };
}

export function createCertificateSearch(
  database: DatabaseSync,
  rowOf: RowOf,
  lookedAtMax: number = lookedAtMaxDefault,
): CertificateSearch {
  const lanesOf = createLanes(database);
  const prepare = remembered(database);
  const historyOf = database.prepare(historyQuery);
  const successorsOf = database.prepare(`SELECT i.request_id, i.ordinal FROM requests r
    JOIN issuances i ON i.issuance = r.issuance WHERE r.predecessor = ? ORDER BY r.issuance LIMIT ?`);
  return {
    findsBy: sqliteFindsBy,
    async find(query, at, after, countMax) {
      invariant(countMax >= 1 && countMax <= pageMax, 'out-of-bounds', `countMax ${countMax}`);
      return page(prepare, lanesOf(query, after), filtersOf(query, at), { at, countMax, lookedAtMax });
    },
    async history(issuanceId) {
      const row = rowOf(issuanceId);
      if (row === undefined) return [];
      return historyOf.all(row).map((one) => historyEntryOf(one as unknown as HistoryRow));
    },
    async successors(issuanceId) {
      return successorsOf
        .all(issuanceId, successorsMax)
        .map((row) => issuanceIdOf(row.request_id as string, row.ordinal as number));
    },
  };
}

interface Filters {
  readonly conditions: readonly string[];
  readonly values: Values;
}

interface Bounds {
  readonly at: number;
  readonly countMax: number;
  readonly lookedAtMax: number;
}

/** Stretch by stretch, lane by lane, until there are enough, or enough was looked at. */
function page(prepare: Prepare, lanes: Iterable<Lane>, filters: Filters, bounds: Bounds) {
  const { at, countMax, lookedAtMax } = bounds;
  const found: FoundCertificate[] = [];
  let looked = 0;
  for (const lane of lanes) {
    let after = lane.after;
    // A lane that was begun with is gone through at least: every call gets on.
    if (looked >= lookedAtMax) return { found, next: placeText(lane, after) };
    for (;;) {
      const stretch = Math.max(1, Math.min(pageMax, lookedAtMax - looked));
      const { last, n } = endOf(prepare, lane, after, stretch);
      if (n > 0) {
        let place: unknown;
        for (const row of rowsOf(prepare, lane, filters, { after, last, countMax: countMax - found.length })) {
          found.push(foundOf(row, at));
          place = row.place;
        }
        if (found.length === countMax) return { found, next: placeText(lane, place as number | string) };
        after = last;
        looked += n;
      }
      if (n < stretch) break;
      if (looked >= lookedAtMax) return { found, next: placeText(lane, after) };
    }
    looked += laneRows;
  }
  return { found, next: undefined };
}

type Prepare = (sql: string) => StatementSync;

const statementsMax = 64;

/**
 * Statements by their text, for all searches: what SQLite holds of one is freed when its object is collected, which is late, so
 * that thousands of pages of one export would leave as many behind.
 */
function remembered(database: DatabaseSync): Prepare {
  const statements = new Map<string, StatementSync>();
  return (sql) => {
    const known = statements.get(sql);
    if (known !== undefined) return known;
    if (statements.size >= statementsMax) statements.clear();
    const statement = database.prepare(sql);
    statements.set(sql, statement);
    return statement;
  };
}

function endOf(prepare: Prepare, { condition, place, table, values }: Lane, after: number | string, stretch: number) {
  const statement = prepare(`SELECT max(place) AS last, count(*) AS n FROM (SELECT m.${place} AS place FROM ${table} m
    WHERE ${condition} AND m.${place} > $after ORDER BY m.${place} LIMIT $stretch)`);
  return statement.get({ ...values, after, stretch }) as { readonly last: number | string; readonly n: number };
}

interface Stretch {
  readonly after: number | string;
  readonly last: number | string;
  readonly countMax: number;
}

function rowsOf(prepare: Prepare, { condition, place, table, values }: Lane, filters: Filters, stretch: Stretch) {
  // CROSS JOIN keeps the order of the tables (https://www.sqlite.org/lang_select.html): the lane leads.
  const statement = prepare(`SELECT m.${place} AS place, ${columns} FROM ${table} m
    CROSS JOIN issuances i ON i.issuance = m.issuance CROSS JOIN requests r ON r.issuance = m.issuance
    CROSS JOIN certificates c ON c.issuance = m.issuance
    WHERE ${[condition, `m.${place} > $after AND m.${place} <= $last`, ...filters.conditions].join(' AND ')}
    ORDER BY m.${place} LIMIT $countMax`);
  return statement.iterate({ ...values, ...filters.values, ...stretch });
}

const equalColumns = {
  issuer: 'i.ca_id',
  serial: 'i.serial',
  owner: 'r.owner',
  fleet: 'r.fleet',
  profile: 'r.profile',
  credential: 'r.credential_id',
  fingerprint: 'c.fingerprint',
  key: 'c.spki_sha256',
} as const satisfies Partial<Record<keyof CertificateQuery, string>>;

/** Every filter of the query, whichever the lanes go by. */
function filtersOf(query: CertificateQuery, at: number): Filters {
  const { name, notAfterAfter, notAfterBefore, status } = query;
  const conditions = ["i.state IN ('issued', 'revoked')"];
  const values: Record<string, SQLInputValue> = {};
  const hold = (condition: string, more: Values) => {
    conditions.push(condition);
    Object.assign(values, more);
  };
  for (const [filter, column] of Object.entries(equalColumns)) {
    const value = query[filter as keyof typeof equalColumns];
    if (value !== undefined) hold(`${column} = $${filter}`, { [filter]: value });
  }
  if (name !== undefined) {
    const forms = nameForms(name).map((form, n) => [`form${n}`, form] as const);
    const list = forms.map(([parameter]) => `$${parameter}`).join(', ');
    hold(
      `EXISTS (SELECT 1 FROM issuances_by_name n WHERE n.name IN (${list}) AND n.issuance = m.issuance)`,
      Object.fromEntries(forms),
    );
  }
  if (notAfterBefore !== undefined) hold('c.not_after < $before', { before: notAfterBefore });
  if (notAfterAfter !== undefined) hold('c.not_after > $beyond', { beyond: notAfterAfter });
  if (status === 'revoked') hold("i.state = 'revoked'", {});
  if (status === 'issued') hold("i.state = 'issued' AND c.not_after > $now", { now: at });
  if (status === 'expired') hold("i.state = 'issued' AND c.not_after <= $now", { now: at });
  return { conditions, values };
}

function foundOf(row: Readonly<Record<string, unknown>>, at: number): FoundCertificate {
  const notAfter = row.not_after as number;
  const isRevoked = row.state === 'revoked';
  return {
    issuanceId: issuanceIdOf(row.request_id as string, row.ordinal as number),
    fingerprint: row.fingerprint as string,
    serial: row.serial as string,
    issuer: row.ca_id as string,
    generation: row.generation as number,
    owner: row.owner as string,
    fleet: row.fleet as string,
    profile: row.profile as string,
    credential: row.credential_id as string,
    names: JSON.parse(row.names as string) as string[],
    key: row.spki_sha256 as string,
    notBefore: row.not_before as number,
    notAfter,
    status: isRevoked ? 'revoked' : notAfter <= at ? 'expired' : 'issued',
    ...(isRevoked ? { revokedAt: row.revoked_at as number, reason: row.revocation_reason as string } : {}),
  };
}
