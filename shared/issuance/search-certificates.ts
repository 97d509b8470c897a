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

export interface CertificateSearch {
  /**
   * Certificates in the order in which they were asked for, after `after`; at most `countMax` (1,000). Looks at a bounded number
   * of rows a call, so that a page may be short, or empty, while `next` says where to go on; undefined after the last.
   */
  find(
    query: CertificateQuery,
    at: EpochMs,
    after: number,
    countMax: number,
  ): Promise<{ readonly found: readonly FoundCertificate[]; readonly next: number | undefined }>;
  /** Every change of one issuance, first to last. */
  history(issuanceId: string): Promise<readonly HistoryLine[]>;
  /** Issuances that named this one as their predecessor; at most 100. */
  successors(issuanceId: string): Promise<readonly string[]>;
}

export interface SearchPage {
  readonly found: readonly FoundCertificate[];
  readonly nextCursor: string | undefined;
}

/** A page. A cursor is bound to its query: throws `request-malformed` for that of another. */
export async function searchCertificates(
  ports: { readonly search: CertificateSearch; readonly clock: Clock },
  query: CertificateQuery,
  countMax: number,
  cursor: string | undefined,
): Promise<SearchPage> {
  const bond = sha256Hex(Buffer.from(JSON.stringify(Object.entries(query).sort()))).slice(0, 16);
  const after = cursor === undefined ? 0 : readCursor(cursor, bond);
  const { found, next } = await ports.search.find(query, ports.clock(), after, countMax);
  const nextCursor = next === undefined ? undefined : Buffer.from(`${bond}.${next}`).toString('base64url');
  return { found, nextCursor };
}

function readCursor(cursor: string, bond: string): number {
  const text = cursor.length > 100 ? '' : Buffer.from(cursor, 'base64url').toString('latin1');
  const [, own, place] = /^([0-9a-f]{16})\.([0-9]{1,15})$/.exec(text) ?? [];
  if (own === bond) return Number(place);
  throw new SealwrightError('request-malformed', {
    clientDetail: 'the cursor is of another query: send it with the parameters that it was given for, or none',
  });
}

export interface CertificateHistory {
  readonly record: IssuanceRecord;
  readonly history: readonly HistoryLine[];
  readonly successors: readonly string[];
}
