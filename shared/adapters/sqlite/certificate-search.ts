import type { DatabaseSync, SQLInputValue } from 'node:sqlite';
import { issuanceIdOf, parseIssuanceId } from '../../issuance/ids.ts';
import type { CertificateQuery, CertificateSearch, FoundCertificate } from '../../issuance/search-certificates.ts';
import { invariant } from '../ledger/ledger-fault.ts';
import { type HistoryRow, historyEntryOf, historyQuery } from './history.ts';

const pageMax = 1_000;
/** Rows looked at in one call: what a search for nearly nothing costs before it answers where to go on. */
const lookedAtMax = 20_000;
const successorsMax = 100;

const columns = `i.issuance, i.request_id, i.ordinal, i.state, i.ca_id, i.generation, i.serial, i.revoked_at,
  i.revocation_reason, r.owner, r.fleet, r.profile, r.credential_id, r.names, r.spki_sha256, c.not_before, c.not_after,
  c.fingerprint`;

type Condition = readonly [sql: string, ...values: SQLInputValue[]];

/** Of the conditions, those that an index finds by are looked up; the others are held against each row. */
export function createCertificateSearch(database: DatabaseSync): CertificateSearch {
  const endOf = database.prepare(
    'SELECT max(issuance) AS last, count(*) AS n FROM (SELECT issuance FROM certificates WHERE issuance > ? ORDER BY issuance LIMIT ?)',
  );
  const rowOf = database.prepare('SELECT issuance FROM issuances WHERE request_id = ? AND ordinal = ?');
  const historyOf = database.prepare(historyQuery);
  const successorsOf = database.prepare(`SELECT i.request_id, i.ordinal FROM requests r
    JOIN issuances i ON i.issuance = r.issuance WHERE r.predecessor = ? ORDER BY r.issuance LIMIT ?`);
  return {
    async find(query, at, after, countMax) {
      invariant(countMax >= 1 && countMax <= pageMax, 'out-of-bounds', `countMax ${countMax}`);
      const narrow = narrowing(query);
      const range = endOf.get(after, lookedAtMax) as { readonly last: number | null; readonly n: number };
      // What an index narrows is looked for in all that is left; else a stretch is looked through.
      const last = narrow === undefined ? (range.last ?? after) : Number.MAX_SAFE_INTEGER;
      const conditions = [...(narrow === undefined ? [] : [narrow]), ...filters(query, at)];
      const where = [
        "i.state IN ('issued', 'revoked')",
        'c.issuance > ?',
        'c.issuance <= ?',
        ...conditions.map(([sql]) => sql),
      ];
      const rows = database
        .prepare(`SELECT ${columns} FROM certificates c JOIN issuances i ON i.issuance = c.issuance
          JOIN requests r ON r.issuance = c.issuance WHERE ${where.join(' AND ')} ORDER BY c.issuance LIMIT ?`)
        .all(after, last, ...conditions.flatMap(([, ...values]) => values), countMax);
      const found = rows.map((row) => foundOf(row, at));
      if (rows.length === countMax) return { found, next: rows.at(-1)!.issuance as number };
      return { found, next: narrow === undefined && range.n === lookedAtMax ? last : undefined };
    },
    async history(issuanceId) {
      const id = parseIssuanceId(issuanceId);
      const row = id === undefined ? undefined : rowOf.get(id.requestId, id.ordinal);
      if (row === undefined) return [];
      return historyOf.all(row.issuance as number).map((one) => historyEntryOf(one as unknown as HistoryRow));
    },
    async successors(issuanceId) {
      return successorsOf
        .all(issuanceId, successorsMax)
        .map((row) => issuanceIdOf(row.request_id as string, row.ordinal as number));
    },
  };
}

function narrowing({ fingerprint, issuer, key, name, serial }: CertificateQuery): Condition | undefined {
  if (fingerprint !== undefined) return ['c.fingerprint = ?', fingerprint];
  if (key !== undefined) return ['c.spki_sha256 = ?', key];
  if (issuer !== undefined && serial !== undefined)
    return ['c.issuance IN (SELECT issuance FROM serials WHERE ca_id = ? AND serial = ?)', issuer, serial];
  if (name === undefined) return undefined;
  return [
    'c.issuance IN (SELECT issuance FROM certificate_names WHERE name IN (?, ?, ?, ?))',
    name,
    `dns:${name}`,
    `uri:${name}`,
    `ip:${name}`,
  ];
}

function filters(query: CertificateQuery, at: number): readonly Condition[] {
  const { notAfterAfter, notAfterBefore, status } = query;
  const equal: readonly (readonly [string, string | undefined])[] = [
    ['i.ca_id', query.issuer],
    ['i.serial', query.serial],
    ['r.owner', query.owner],
    ['r.fleet', query.fleet],
    ['r.profile', query.profile],
    ['r.credential_id', query.credential],
    ['c.fingerprint', query.fingerprint],
    ['c.spki_sha256', query.key],
  ];
  const conditions: Condition[] = equal.flatMap(([column, value]) =>
    value === undefined ? [] : [[`${column} = ?`, value]],
  );
  if (notAfterBefore !== undefined) conditions.push(['c.not_after < ?', notAfterBefore]);
  if (notAfterAfter !== undefined) conditions.push(['c.not_after > ?', notAfterAfter]);
  if (status === 'revoked') conditions.push(["i.state = 'revoked'"]);
  if (status === 'issued') conditions.push(["i.state = 'issued' AND c.not_after > ?", at]);
  if (status === 'expired') conditions.push(["i.state = 'issued' AND c.not_after <= ?", at]);
  return conditions;
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
