import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { Counted } from '../../inventory/counted.ts';
import { assertNever } from '../../issuance/errors.ts';
import { parseIssuanceId } from '../../issuance/ids.ts';
import type { IssuanceRecord } from '../../issuance/issuance-record.ts';
import type { IssuanceState } from '../../issuance/issuance-state.ts';
import type { AdvanceOutcome, Transition } from '../../issuance/ports.ts';
import { sha256Hex } from '../../pki/hash.ts';
import { encodeIntent } from '../ledger/intent-document.ts';
import { invariant } from '../ledger/ledger-fault.ts';
import { issuanceIdOfTransition } from '../ledger/transition-checks.ts';
import { createContactNotes } from './contact-samples.ts';
import type { Counters } from './counters.ts';
import { createMarkCompromised } from './public-keys.ts';
import { type RecordMemory, recordAfter } from './record-memory.ts';

/** RFC 5280 5.3.1. The reason after which a key is refused for ever. */
const compromise = 'keyCompromise';

const moved: AdvanceOutcome = { kind: 'moved' };

type Move<To extends Transition['to']> = Extract<Transition, { to: To }>;

/** What a move reads of the issuance before it decides. */
interface Standing {
  readonly issuance: number;
  readonly state: IssuanceState;
  readonly ca_id: string;
  readonly serial: string | null;
  /** Where it is remembered. */
  readonly record: IssuanceRecord | undefined;
}

/** What moves need of a request. */
type Request = Pick<
  IssuanceRecord,
  'owner' | 'fleet' | 'profile' | 'keyType' | 'credentialId' | 'spkiSha256' | 'names' | 'receivedAt'
>;

function createRequestReads(prepare: Prepare): (standing: Standing) => Request {
  const requestOf = prepare(
    `SELECT owner, fleet, profile, key_type AS keyType, credential_id AS credentialId, spki_sha256 AS spkiSha256, names,
      received_at AS receivedAt FROM requests WHERE issuance = ?`,
  );
  return ({ issuance, record }) => {
    if (record !== undefined) return record;
    const row = requestOf.get(issuance) as unknown as Omit<Request, 'names'> & { readonly names: string };
    return { ...row, names: JSON.parse(row.names) as string[] };
  };
}

function countedOf(
  caId: string,
  request: Omit<Counted, 'caId' | 'notBefore' | 'notAfter'>,
  notBefore: number,
  notAfter: number,
): Counted {
  const { owner, fleet, profile, keyType, credentialId } = request;
  return { caId, owner, fleet, profile, keyType, credentialId, notBefore, notAfter };
}

/**
 * Makes the function that applies one transition, inside a transaction of the commit queue. It answers before it has
 * written anything unless it answers `moved`: no savepoint takes back half a move.
 */
export function createMoves(
  database: DatabaseSync,
  counters: Counters,
  memory: RecordMemory,
): (transition: Transition) => AdvanceOutcome {
  const prepare = (sql: string) => database.prepare(sql);
  const standingOf = prepare(
    'SELECT issuance, state, ca_id, serial FROM issuances WHERE request_id = ? AND ordinal = ?',
  );
  const addHistory = prepare('INSERT INTO history (issuance, at, from_state, to_state, detail) VALUES (?, ?, ?, ?, ?)');
  const requestOf = createRequestReads(prepare);
  const approve = createApprove(prepare, requestOf);
  const intend = createIntend(prepare);
  const issue = createIssue(prepare, requestOf, counters);
  const revoke = createRevoke(prepare, counters);
  const setState = prepare('UPDATE issuances SET state = ?, state_at = ? WHERE issuance = ?');
  const setError = prepare('UPDATE issuances SET state = ?, state_at = ?, last_error = ? WHERE issuance = ?');
  const setTicket = prepare("UPDATE issuances SET state = 'submitted', state_at = ?, ticket = ? WHERE issuance = ?");
  const reject = prepare(
    "UPDATE issuances SET state = 'rejected', state_at = ?, policy_version = ?, violations = ? WHERE issuance = ?",
  );
  const addWithheld = prepare('INSERT INTO certificates (issuance, der) VALUES (?, ?)');

  function apply(standing: Standing, move: Transition): AdvanceOutcome {
    const { issuance } = standing;
    switch (move.to) {
      case 'approved':
        return approve(standing, move);
      case 'rejected':
        reject.run(move.at, move.policyVersion, JSON.stringify(move.violations), issuance);
        return moved;
      case 'lapsed':
        setState.run(move.to, move.at, issuance);
        return moved;
      case 'intended':
        return intend(standing, move);
      case 'submitted':
        setTicket.run(move.at, move.ticket, issuance);
        return moved;
      case 'issued':
        return issue(standing, move);
      case 'misissued':
        addWithheld.run(issuance, move.certificateDer);
        setError.run(move.to, move.at, JSON.stringify(move.error), issuance);
        return moved;
      case 'failed':
      case 'orphan-suspected':
        setError.run(move.to, move.at, JSON.stringify(move.error), issuance);
        return moved;
      case 'revoked':
        return revoke(standing, move);
      default:
        return assertNever(move);
    }
  }

  function find(issuanceId: string): Standing | undefined {
    const remembered = memory.get(issuanceId);
    if (remembered !== undefined) {
      const { issuance, record } = remembered;
      return { issuance, state: record.state, ca_id: record.caId, serial: record.serial ?? null, record };
    }
    const id = parseIssuanceId(issuanceId);
    return id === undefined ? undefined : (standingOf.get(id.requestId, id.ordinal) as unknown as Standing | undefined);
  }

  return (transition) => {
    const issuanceId = issuanceIdOfTransition(transition);
    const standing = find(issuanceId);
    if (standing?.state !== transition.from) return { kind: 'conflict', actual: standing?.state };
    const outcome = apply(standing, transition);
    if (outcome.kind === 'moved') {
      const detail = JSON.stringify(historyDetail(transition));
      addHistory.run(standing.issuance, transition.at, transition.from, transition.to, detail);
      const { issuance, record } = standing;
      const after = record === undefined ? undefined : recordAfter(record, transition);
      if (after === undefined) memory.forget(issuanceId);
      else memory.put({ issuance, record: after });
    }
    return outcome;
  };
}

type Prepare = (sql: string) => StatementSync;

function createApprove(
  prepare: Prepare,
  requestOf: (standing: Standing) => Request,
): (standing: Standing, move: Move<'approved'>) => AdvanceOutcome {
  const holdOf = prepare('SELECT owner, spki_sha256 FROM name_holds WHERE name = ?');
  const keyOf = prepare('SELECT owner, compromised_at FROM public_keys WHERE spki_sha256 = ?');
  const hold = prepare(
    'INSERT INTO name_holds (name, owner, spki_sha256, held_at) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING',
  );
  const ownKey = prepare(
    'INSERT INTO public_keys (spki_sha256, owner, held_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING',
  );
  const update =
    prepare(`UPDATE issuances SET state = 'approved', state_at = ?, policy_version = ?, ca_id = ?, generation = ?,
    dropped_extensions = ?, crl_shard = NULL, serial = NULL, ticket = NULL WHERE issuance = ?`);
  const dropIntent = prepare('DELETE FROM intents WHERE issuance = ?');

  return (standing, move) => {
    const { issuance } = standing;
    const request = requestOf(standing);
    const { names } = request;
    const held = names.filter((name) => {
      const holder = holdOf.get(name);
      return holder !== undefined && (holder.owner !== request.owner || holder.spki_sha256 !== request.spkiSha256);
    });
    if (held.length > 0) return { kind: 'held', names: held };
    const key = keyOf.get(request.spkiSha256);
    if (key !== undefined && key.compromised_at !== null) return { kind: 'key-compromised' };
    if (key !== undefined && key.owner !== request.owner) return { kind: 'key-of-another-owner' };

    const absent = move.droppedExtensions.length === 0;
    update.run(
      move.at,
      move.policyVersion,
      move.caId,
      move.generation,
      absent ? null : JSON.stringify(move.droppedExtensions),
      issuance,
    );
    for (const name of names) hold.run(name, request.owner, request.spkiSha256, move.at);
    if (key === undefined) ownKey.run(request.spkiSha256, request.owner, move.at);
    // The intent that left no certificate is not to be taken up again; its serial stays taken.
    if (move.from === 'orphan-suspected') dropIntent.run(issuance);
    return moved;
  };
}

function createIntend(prepare: Prepare): (standing: Standing, move: Move<'intended'>) => AdvanceOutcome {
  const frozenOf = prepare('SELECT frozen FROM authority_controls WHERE ca_id = ?');
  const takeSerial = prepare('INSERT INTO serials (ca_id, serial, issuance) VALUES (?, ?, ?) ON CONFLICT DO NOTHING');
  const addIntent = prepare('INSERT INTO intents (issuance, document, tbs) VALUES (?, ?, ?)');
  const update = prepare(
    "UPDATE issuances SET state = 'intended', state_at = ?, serial = ?, crl_shard = ? WHERE issuance = ?",
  );

  return ({ issuance, ca_id }, { at, prepared, crlShard }) => {
    const { intent } = prepared;
    invariant(
      prepared.caId === ca_id,
      'prepared-for-another-ca',
      `prepared for ${prepared.caId}, approved for ${ca_id}`,
    );
    if (frozenOf.get(ca_id)?.frozen === 1) return { kind: 'frozen' };
    const serial = intent.kind === 'tbs' ? intent.serial : null;
    if (serial !== null && takeSerial.run(ca_id, serial, issuance).changes === 0) return { kind: 'serial-taken' };
    const stored = encodeIntent(intent);
    addIntent.run(issuance, stored.document, stored.tbs);
    update.run(at, serial, crlShard ?? null, issuance);
    return moved;
  };
}

function createIssue(
  prepare: Prepare,
  requestOf: (standing: Standing) => Request,
  counters: Counters,
): (standing: Standing, move: Move<'issued'>) => AdvanceOutcome {
  const takeSerial = prepare('INSERT INTO serials (ca_id, serial, issuance) VALUES (?, ?, ?) ON CONFLICT DO NOTHING');
  const addCertificate = prepare(`
    INSERT INTO certificates (issuance, der, not_before, not_after, fingerprint, spki_sha256) VALUES (?, ?, ?, ?, ?, ?)`);
  const addName = prepare('INSERT INTO certificate_names (name, issuance) VALUES (?, ?) ON CONFLICT DO NOTHING');
  const note = createContactNotes(prepare);
  const noteContact = (caId: string, request: Request, name: string, notAfter: number) => {
    const { owner, fleet, profile, credentialId, receivedAt: at } = request;
    note({ caId, fleet, owner, profile, name, credentialId, at, notAfter });
  };
  const update = prepare(`UPDATE issuances SET state = 'issued', state_at = ?, serial = ?, ticket = coalesce(?, ticket),
    adopted = ? WHERE issuance = ?`);

  return (standing, { at, certificate, ticket, adopted }) => {
    const { issuance, ca_id, serial } = standing;
    if (serial === null) {
      if (takeSerial.run(ca_id, certificate.serial, issuance).changes === 0) return { kind: 'serial-taken' };
    } else {
      invariant(
        serial === certificate.serial,
        'serial-not-the-intended',
        'the certificate has another serial than its intent',
      );
    }
    const request = requestOf(standing);
    const { names } = request;
    const { der, notBefore, notAfter, fingerprint } = certificate;
    addCertificate.run(issuance, der, notBefore, notAfter, fingerprint, request.spkiSha256);
    for (const name of names) addName.run(name, issuance);
    counters.count('issued', countedOf(ca_id, request, notBefore, notAfter));
    if (names[0] !== undefined) noteContact(ca_id, request, names[0], notAfter);
    update.run(at, certificate.serial, ticket ?? null, adopted === undefined ? null : Number(adopted), issuance);
    return moved;
  };
}

function createRevoke(
  prepare: Prepare,
  counters: Counters,
): (standing: Standing, move: Move<'revoked'>) => AdvanceOutcome {
  const certificateOf =
    prepare(`SELECT r.owner, r.fleet, r.profile, r.key_type AS keyType, r.credential_id AS credentialId,
      r.spki_sha256 AS spkiSha256, c.not_before, c.not_after FROM requests r JOIN certificates c ON c.issuance = r.issuance WHERE r.issuance = ?`);
  const update = prepare(
    "UPDATE issuances SET state = 'revoked', state_at = ?, revoked_at = ?, revocation_reason = ? WHERE issuance = ?",
  );
  const compromised = createMarkCompromised(prepare);

  return ({ issuance, ca_id }, { at, reason }) => {
    type Row = Omit<Request, 'names' | 'receivedAt'> & { readonly not_before: number; readonly not_after: number };
    const row = certificateOf.get(issuance) as unknown as Row;
    counters.count('revoked', countedOf(ca_id, row, row.not_before, row.not_after));
    if (reason === compromise) compromised(row.spkiSha256, row.owner, at);
    update.run(at, at, reason, issuance);
    return moved;
  };
}

/** What of a move is kept in the history: everything but bytes, which have their digest. */
function historyDetail(move: Transition): Readonly<Record<string, unknown>> {
  switch (move.to) {
    case 'intended': {
      const { intent, caId } = move.prepared;
      const { kind, notBefore, notAfter, at } = intent;
      const own =
        intent.kind === 'tbs'
          ? { serial: intent.serial, tbsSha256: sha256Hex(intent.tbsDer) }
          : { templateArn: intent.templateArn, idempotencyToken: intent.idempotencyToken };
      return { caId, intent: { kind, notBefore, notAfter, at, ...own }, crlShard: move.crlShard };
    }
    case 'issued': {
      const { serial, fingerprint, notBefore, notAfter } = move.certificate;
      return { serial, fingerprint, notBefore, notAfter, ticket: move.ticket, adopted: move.adopted };
    }
    case 'misissued':
      return { error: move.error, certificateSha256: sha256Hex(move.certificateDer) };
    default: {
      const { to: _to, from: _from, at: _at, issuanceId: _id, ...detail } = move;
      return detail;
    }
  }
}
