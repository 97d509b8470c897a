import type { DatabaseSync } from 'node:sqlite';
import type { IssuanceRecord } from '../../issuance/issuance-record.ts';

export type Named = Pick<IssuanceRecord, 'owner' | 'names' | 'spkiSha256'>;

export interface Hold {
  readonly owner: string;
  readonly spkiSha256: string;
  readonly heldAt: number;
}

export interface KeyHold {
  readonly owner: string;
  readonly compromised: boolean;
}

/** SQL of what an index has of a request's id: 66 bits. */
export function requestStartOf(requestId: string): string {
  return `substr(${requestId}, 1, 11)`;
}

/** SQL of what an index has of a digest in hexadecimal. What is none has no start, and so is not found. */
export function startOf(digest: string): string {
  return `unhex(substr(${digest}, 1, 16))`;
}

/** As the table has it, like all below: for what is not in memory, or for who has the indexes completed first. */
export function createIssuanceOf(database: DatabaseSync): (requestId: string, ordinal: number) => number | undefined {
  const read =
    database.prepare(`SELECT b.issuance FROM issuances_by_request b JOIN issuances i ON i.issuance = b.issuance
    WHERE b.request_id_start = ${requestStartOf('?1')} AND b.ordinal = ?2 AND i.request_id = ?1`);
  return (requestId, ordinal) => read.get(requestId, ordinal)?.issuance as number | undefined;
}

export function createOrdinalMax(database: DatabaseSync): (requestId: string) => number | undefined {
  const read =
    database.prepare(`SELECT b.ordinal FROM issuances_by_request b JOIN issuances i ON i.issuance = b.issuance
    WHERE b.request_id_start = ${requestStartOf('?1')} AND i.request_id = ?1 ORDER BY b.ordinal DESC LIMIT 1`);
  return (requestId) => read.get(requestId)?.ordinal as number | undefined;
}

/** The holder is the first that is marked so: a name that was released is marked at nobody's before the next. */
export function createHoldOf(database: DatabaseSync): (name: string) => Hold | undefined {
  const read = database.prepare(`SELECT r.owner, r.spki_sha256 AS spkiSha256, n.held_at AS heldAt
    FROM issuances_by_name n JOIN requests r ON r.issuance = n.issuance
    WHERE n.name = ? AND n.held_at IS NOT NULL ORDER BY n.issuance LIMIT 1`);
  return (name) => read.get(name) as Hold | undefined;
}

/** All issuances of a key that were approved have the same owner: the first of them is looked at, unless `owner` is known. */
export function createKeyOf(database: DatabaseSync): (spkiSha256: string, owner?: string) => KeyHold | undefined {
  const ownerOf = database.prepare(`SELECT r.owner FROM issuances_by_key k JOIN requests r ON r.issuance = k.issuance
    WHERE k.spki_sha256_start = ${startOf('?1')} AND r.spki_sha256 = ?1 ORDER BY k.issuance LIMIT 1`);
  const compromisedBy = database.prepare('SELECT owner FROM compromised_keys WHERE spki_sha256 = ?');
  return (spkiSha256, known) => {
    const compromised = compromisedBy.get(spkiSha256);
    const owner = (known ?? ownerOf.get(spkiSha256)?.owner ?? compromised?.owner) as string | undefined;
    return owner === undefined ? undefined : { owner, compromised: compromised !== undefined };
  };
}

export interface Derived {
  readonly to: 'received' | 'approved' | 'issued';
  readonly requestId: string;
  readonly ordinal: number;
  readonly issuance: number;
  readonly at: number;
  readonly named: Named;
  readonly fingerprint: string | undefined;
}

export function createDerive(database: DatabaseSync): () => Iterable<Derived> {
  const read =
    database.prepare(`SELECT h.to_state, h.issuance, h.at, i.request_id, i.ordinal, r.owner, r.names, r.spki_sha256, c.fingerprint
    FROM history h JOIN issuances i ON i.issuance = h.issuance JOIN requests r ON r.issuance = h.issuance
      LEFT JOIN certificates c ON c.issuance = h.issuance
    WHERE h.change > (SELECT coalesce(max(change), 0) FROM index_mark) AND h.to_state IN ('received', 'approved', 'issued')
    ORDER BY h.change`);
  return () =>
    read.all().map((row) => ({
      to: row.to_state as Derived['to'],
      issuance: row.issuance as number,
      at: row.at as number,
      requestId: row.request_id as string,
      ordinal: row.ordinal as number,
      named: {
        owner: row.owner as string,
        names: JSON.parse(row.names as string) as string[],
        spkiSha256: row.spki_sha256 as string,
      },
      fingerprint: (row.fingerprint ?? undefined) as string | undefined,
    }));
}
