import type { EpochMs } from '../pki/epoch.ts';
import { sha256Hex } from '../pki/hash.ts';
import { SealwrightError } from './errors.ts';
import type { IssuanceRecord } from './issuance-record.ts';
import type { Clock } from './ports.ts';

/** `expired` is derived: issued, and past its notAfter. */
export const certificateStatuses = ['issued', 'revoked', 'expired'] as const;
export type CertificateStatus = (typeof certificateStatuses)[number];

/** Texts that a search may give, all of which have to hold. */
export const searchTexts = [
  'issuer',
  'owner',
  'fleet',
  'profile',
  'serial',
  'fingerprint',
  'key',
  'name',
  'credential',
] as const;
export type SearchText = (typeof searchTexts)[number];

export type CertificateQuery = Readonly<Partial<Record<SearchText, string>>> & {
  readonly status?: CertificateStatus;
  /** Exclusive both. */
  readonly notAfterBefore?: EpochMs;
  readonly notAfterAfter?: EpochMs;
};

export interface FoundCertificate {
  readonly issuanceId: string;
  readonly fingerprint: string;
  readonly serial: string;
  readonly issuer: string;
  readonly generation: number;
  readonly owner: string;
  readonly fleet: string;
  readonly profile: string;
  readonly credential: string;
  readonly names: readonly string[];
  readonly key: string;
  readonly notBefore: EpochMs;
  readonly notAfter: EpochMs;
  readonly status: CertificateStatus;
  readonly revokedAt?: EpochMs;
  readonly reason?: string;
}

export interface HistoryLine {
  readonly at: EpochMs;
  readonly from: string | undefined;
  readonly to: string;
  readonly detail: Readonly<Record<string, unknown>>;
}

/** Where a search goes on, in the words of the adapter that gave it; at most 2,000 characters. */
export type SearchPlace = string;

export interface CertificateSearch {
  /** Filters that an index finds by: a query has at least one of them. The others are held against what is found. */
  readonly findsBy: readonly (keyof CertificateQuery)[];
  /**
   * Certificates after `after` in an order that stays, at most `countMax` (1,000): what was there when the first page was
   * asked for comes once, what is issued meanwhile comes once or not at all. Looks at a bounded number of rows a call, so that a
   * page may be short, or empty, while `next` says where to go on; undefined after the last. Throws `cursorRefused` for a place
   * that this query has not.
   */
  find(
    query: CertificateQuery,
    at: EpochMs,
    after: SearchPlace | undefined,
    countMax: number,
  ): Promise<{ readonly found: readonly FoundCertificate[]; readonly next: SearchPlace | undefined }>;
  /** Every change of one issuance, first to last. */
  history(issuanceId: string): Promise<readonly HistoryLine[]>;
  /** Issuances that named this one as their predecessor; at most 100. */
  successors(issuanceId: string): Promise<readonly string[]>;
}

export interface SearchPage {
  readonly found: readonly FoundCertificate[];
  readonly nextCursor: string | undefined;
}

/**
 * A page. Throws `request-malformed` for a search of everything, with the filters that would bound it, and for a cursor of
 * another query.
 */
export async function searchCertificates(
  ports: { readonly search: CertificateSearch; readonly clock: Clock },
  query: CertificateQuery,
  countMax: number,
  cursor: string | undefined,
): Promise<SearchPage> {
  const { search, clock } = ports;
  if (!search.findsBy.some((name) => query[name] !== undefined)) throw unbounded(query, search.findsBy);
  const bond = sha256Hex(Buffer.from(JSON.stringify(Object.entries(query).sort()))).slice(0, 16);
  const after = cursor === undefined ? undefined : readCursor(cursor, bond);
  const { found, next } = await search.find(query, clock(), after, countMax);
  const nextCursor = next === undefined ? undefined : Buffer.from(`${bond}.${next}`).toString('base64url');
  return { found, nextCursor };
}

/** Nothing finds by what is given: all certificates would be looked through. */
function unbounded(query: CertificateQuery, findsBy: readonly string[]): SealwrightError {
  const given = Object.keys(query);
  const what = given.length === 0 ? 'a search without a filter' : `a search by ${given.sort().join(' and ')} alone`;
  return new SealwrightError('request-malformed', {
    clientDetail: `${what} would look through every certificate: add one of ${findsBy.join(', ')}`,
  });
}

/** Characters of a cursor: a place is bounded, and four characters of base64url are three octets. */
const cursorCharactersMax = 10_000;

function readCursor(cursor: string, bond: string): SearchPlace {
  const text = cursor.length > cursorCharactersMax ? '' : Buffer.from(cursor, 'base64url').toString('utf8');
  if (text.startsWith(`${bond}.`)) return text.slice(bond.length + 1);
  throw cursorRefused();
}

/** The parts of a place that an adapter has written as a JSON array. Throws `cursorRefused`. */
export function placeParts(place: SearchPlace): readonly unknown[] {
  let parts: unknown;
  try {
    parts = JSON.parse(place);
  } catch {
    throw cursorRefused();
  }
  if (!Array.isArray(parts)) throw cursorRefused();
  return parts as readonly unknown[];
}

export function cursorRefused(): SealwrightError {
  return new SealwrightError('request-malformed', {
    clientDetail: 'the cursor is of another query: send it with the parameters that it was given for, or none',
  });
}

export interface CertificateHistory {
  readonly record: IssuanceRecord;
  readonly history: readonly HistoryLine[];
  readonly successors: readonly string[];
}
