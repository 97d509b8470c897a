import type { EnrolmentScope, PolicyViolation } from '../../hierarchy/policy.ts';
import { issuanceIdOf } from '../../issuance/ids.ts';
import type { IssuanceError, IssuanceRecord } from '../../issuance/issuance-record.ts';
import type { IssuanceState } from '../../issuance/issuance-state.ts';
import { decodeIntent } from '../ledger/intent-document.ts';

/** What `recordQuery` selects. */
export interface IssuanceRow {
  readonly issuance: number;
  readonly request_id: string;
  readonly ordinal: number;
  readonly state: string;
  readonly state_at: number;
  readonly ca_id: string;
  readonly generation: number;
  readonly policy_version: string;
  readonly attempts: number;
  readonly dropped_extensions: string | null;
  readonly crl_shard: number | null;
  readonly ticket: string | null;
  readonly serial: string | null;
  readonly violations: string | null;
  readonly last_error: string | null;
  readonly adopted: number | null;
  readonly revoked_at: number | null;
  readonly revocation_reason: string | null;
  readonly principal: string;
  readonly credential_id: string;
  readonly owner: string;
  readonly fleet: string;
  readonly profile: string;
  readonly key_type: string;
  readonly scope: string;
  readonly names: string;
  readonly csr: Uint8Array;
  readonly csr_sha256: string;
  readonly spki_sha256: string;
  readonly received_at: number;
  readonly predecessor: string | null;
  readonly intent: string | null;
  readonly tbs: Uint8Array | null;
  readonly certificate: Uint8Array | null;
  readonly not_before: number | null;
  readonly not_after: number | null;
  readonly fingerprint: string | null;
}

/** One whole record; a caller appends WHERE or ORDER BY over `i`. */
export const recordQuery = `
  SELECT i.issuance, i.request_id, i.ordinal, i.state, i.state_at, i.ca_id, i.generation, i.policy_version, i.attempts,
    i.dropped_extensions, i.crl_shard, i.ticket, i.serial, i.violations, i.last_error, i.adopted, i.revoked_at,
    i.revocation_reason, r.principal, r.credential_id, r.owner, r.fleet, r.profile, r.key_type, r.scope, r.names, r.csr,
    r.csr_sha256, r.spki_sha256, r.received_at, r.predecessor, n.document AS intent, n.tbs,
    c.der AS certificate, c.not_before, c.not_after, c.fingerprint
  FROM issuances i JOIN requests r ON r.issuance = i.issuance
    LEFT JOIN intents n ON n.issuance = i.issuance LEFT JOIN certificates c ON c.issuance = i.issuance`;

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** An absent field of a record is absent, not undefined. */
export function recordOf(row: IssuanceRow): IssuanceRecord {
  const record: Mutable<IssuanceRecord> = {
    issuanceId: issuanceIdOf(row.request_id, row.ordinal),
    requestId: row.request_id,
    ordinal: row.ordinal,
    principal: row.principal,
    credentialId: row.credential_id,
    owner: row.owner,
    fleet: row.fleet,
    scope: JSON.parse(row.scope) as EnrolmentScope,
    profile: row.profile,
    policyVersion: row.policy_version,
    caId: row.ca_id,
    generation: row.generation,
    csrDer: row.csr,
    csrSha256: row.csr_sha256,
    spkiSha256: row.spki_sha256,
    keyType: row.key_type,
    names: JSON.parse(row.names) as string[],
    receivedAt: row.received_at,
    state: row.state as IssuanceState,
    stateAt: row.state_at,
    attempts: row.attempts,
    droppedExtensions: row.dropped_extensions === null ? [] : (JSON.parse(row.dropped_extensions) as string[]),
  };
  if (row.intent !== null) record.intent = decodeIntent(row.intent, row.tbs);
  if (row.ticket !== null) record.ticket = row.ticket;
  if (row.serial !== null) record.serial = row.serial;
  if (row.not_before !== null) record.notBefore = row.not_before;
  if (row.not_after !== null) record.notAfter = row.not_after;
  if (row.fingerprint !== null) record.fingerprint = row.fingerprint;
  if (row.certificate !== null) record.certificateDer = row.certificate;
  if (row.crl_shard !== null) record.crlShard = row.crl_shard;
  if (row.predecessor !== null) record.predecessor = row.predecessor;
  if (row.violations !== null) record.violations = JSON.parse(row.violations) as PolicyViolation[];
  if (row.last_error !== null) record.lastError = JSON.parse(row.last_error) as IssuanceError;
  if (row.adopted !== null) record.adopted = row.adopted === 1;
  if (row.revoked_at !== null) record.revokedAt = row.revoked_at;
  if (row.revocation_reason !== null) record.revocationReason = row.revocation_reason;
  return record;
}
