import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite';
import type { IssuanceRecord } from '../../issuance/issuance-record.ts';
import { encodeIntent } from '../ledger/intent-document.ts';
import { createContactNotes } from './contact-samples.ts';
import type { Draft, HistoryLine } from './drafts.ts';
import type { LateIndexes } from './late-indexes.ts';

type Prepare = (sql: string) => StatementSync;

/** Makes the function that writes what a draft has that its rows have not, inside a transaction. */
export function createDraftWriter(database: DatabaseSync, late: LateIndexes): (draft: Draft) => void {
  const prepare: Prepare = (sql) => database.prepare(sql);
  const add = createAdd(prepare);
  const update = createUpdate(prepare);
  const writeIntent = createWriteIntent(prepare);
  const addCertificate = createAddCertificate(prepare, late);
  const writeLines = createWriteLines(prepare);
  return (draft) => {
    const { base, issuance, lines, record } = draft;
    if (base === undefined) add(issuance, record);
    else update(issuance, base, record);
    if (record.intent !== base?.intent) writeIntent(issuance, base, record);
    if (record.certificateDer !== base?.certificateDer) addCertificate(issuance, record);
    writeLines(issuance, lines);
  };
}

const orNull = <T>(value: T | undefined): T | null => value ?? null;
const jsonOrNull = (value: unknown): string | null => (value === undefined ? null : JSON.stringify(value));
const flagOrNull = (value: boolean | undefined): number | null => (value === undefined ? null : Number(value));

/** Columns of `issuances` that moves write, but for those of a revocation. */
const movedColumns = [
  'state',
  'state_at',
  'ca_id',
  'generation',
  'policy_version',
  'attempts',
  'dropped_extensions',
  'crl_shard',
  'ticket',
  'serial',
  'violations',
  'last_error',
  'adopted',
];

function movedValues(record: IssuanceRecord): SQLInputValue[] {
  return [
    record.state,
    record.stateAt,
    record.caId,
    record.generation,
    record.policyVersion,
    record.attempts,
    record.droppedExtensions.length === 0 ? null : JSON.stringify(record.droppedExtensions),
    orNull(record.crlShard),
    orNull(record.ticket),
    orNull(record.serial),
    jsonOrNull(record.violations),
    jsonOrNull(record.lastError),
    flagOrNull(record.adopted),
  ];
}

function createAdd(prepare: Prepare): (issuance: number, record: IssuanceRecord) => void {
  const addIssuance = prepare(`INSERT INTO issuances (issuance, request_id, ordinal, ${movedColumns.join(', ')})
    VALUES (?, ?, ?, ${movedColumns.map(() => '?').join(', ')})`);
  const addRequest = prepare(`INSERT INTO requests (issuance, principal, credential_id, owner, fleet, profile, key_type,
    scope, names, csr, csr_sha256, spki_sha256, received_at, predecessor) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`);
  return (issuance, record) => {
    addIssuance.run(issuance, record.requestId, record.ordinal, ...movedValues(record));
    addRequest.run(
      issuance,
      record.principal,
      record.credentialId,
      record.owner,
      record.fleet,
      record.profile,
      record.keyType,
      JSON.stringify(record.scope),
      JSON.stringify(record.names),
      record.csrDer,
      record.csrSha256,
      record.spkiSha256,
      record.receivedAt,
      orNull(record.predecessor),
    );
  };
}

type Update = (issuance: number, base: IssuanceRecord, record: IssuanceRecord) => void;

function createUpdate(prepare: Prepare): Update {
  const issued = prepare(
    'UPDATE issuances SET state = ?, state_at = ?, serial = ?, ticket = ?, adopted = ? WHERE issuance = ?',
  );
  const update = prepare(
    `UPDATE issuances SET ${movedColumns.map((column) => `${column} = ?`).join(', ')} WHERE issuance = ?`,
  );
  // By itself: whatever writes `revoked_at` pays for its trigger.
  const revoke = prepare('UPDATE issuances SET revoked_at = ?, revocation_reason = ? WHERE issuance = ?');
  return (issuance, base, record) => {
    if (record.state === 'issued' && isOnlyIssued(base, record)) {
      const { adopted, serial, state, stateAt, ticket } = record;
      issued.run(state, stateAt, orNull(serial), orNull(ticket), flagOrNull(adopted), issuance);
    } else {
      update.run(...movedValues(record), issuance);
    }
    if (record.revokedAt !== base.revokedAt)
      revoke.run(orNull(record.revokedAt), orNull(record.revocationReason), issuance);
  };
}

/** The way of nearly every certificate: of its row only what issuance writes has changed. */
function isOnlyIssued(base: IssuanceRecord, record: IssuanceRecord): boolean {
  return (
    record.caId === base.caId &&
    record.generation === base.generation &&
    record.policyVersion === base.policyVersion &&
    record.attempts === base.attempts &&
    record.droppedExtensions === base.droppedExtensions &&
    record.crlShard === base.crlShard &&
    record.violations === base.violations &&
    record.lastError === base.lastError
  );
}

function createWriteIntent(
  prepare: Prepare,
): (issuance: number, base: IssuanceRecord | undefined, record: IssuanceRecord) => void {
  const drop = prepare('DELETE FROM intents WHERE issuance = ?');
  const add = prepare('INSERT INTO intents (issuance, document, tbs) VALUES (?, ?, ?)');
  return (issuance, base, { intent }) => {
    if (base?.intent !== undefined) drop.run(issuance);
    if (intent === undefined) return;
    const { document, tbs } = encodeIntent(intent);
    add.run(issuance, document, tbs);
  };
}

/** One that was not asked for in this form is withheld: found by its issuance only. */
function createAddCertificate(prepare: Prepare, late: LateIndexes): (issuance: number, record: IssuanceRecord) => void {
  const add = prepare(`INSERT INTO certificates (issuance, der, not_before, not_after, fingerprint, spki_sha256)
    VALUES (?, ?, ?, ?, ?, ?)`);
  const withhold = prepare('INSERT INTO certificates (issuance, der) VALUES (?, ?)');
  const noteContact = createContactNotes(prepare);
  return (issuance, record) => {
    const { certificateDer, fingerprint, names, notAfter, notBefore, receivedAt: at } = record;
    if (fingerprint === undefined) {
      withhold.run(issuance, certificateDer!);
      return;
    }
    add.run(issuance, certificateDer!, notBefore!, notAfter!, fingerprint, record.spkiSha256);
    late.issued(issuance, fingerprint);
    const [name] = names;
    const { caId, credentialId, fleet, owner, profile } = record;
    if (name !== undefined) noteContact({ caId, fleet, owner, profile, name, credentialId, at, notAfter: notAfter! });
  };
}

/** Moves of one issuance in one transaction, mostly: received, approved, intended. */
const linesAtOnceMax = 3;

function createWriteLines(prepare: Prepare): (issuance: number, lines: readonly HistoryLine[]) => void {
  const adds = Array.from({ length: linesAtOnceMax }, (_, count) => {
    const rows = Array.from({ length: count + 1 }, () => '(?, ?, ?, ?, ?)').join(', ');
    return prepare(`INSERT INTO history (issuance, at, from_state, to_state, detail) VALUES ${rows}`);
  });
  return (issuance, lines) => {
    for (let first = 0; first < lines.length; first += linesAtOnceMax) {
      const some = lines.slice(first, first + linesAtOnceMax);
      adds[some.length - 1]!.run(...some.flatMap(({ at, from, to, detail }) => [issuance, at, from, to, detail]));
    }
  };
}
