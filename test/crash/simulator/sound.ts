/**
 * What has to hold when a schedule has come to rest, whatever went wrong on the way: the ledger against itself, against what
 * the simulated CAs have written down outside the product, and against what clients were told.
 */
import type { DatabaseSync } from 'node:sqlite';
import { bucketOf } from '../../../shared/adapters/ledger/counted.ts';
import {
  type HistoryEntry,
  type HistoryRow,
  historyEntryOf,
  historyQuery,
} from '../../../shared/adapters/sqlite/history.ts';
import { type IssuanceRow, recordOf, recordQuery } from '../../../shared/adapters/sqlite/issuance-rows.ts';
import type { IssuanceRecord } from '../../../shared/issuance/issuance-record.ts';
import { isEdge, isPending } from '../../../shared/issuance/issuance-state.ts';
import { parseCertificate, subjectAltNames } from '../../../shared/pki/certificate.ts';
import { sha256Hex } from '../../../shared/pki/hash.ts';
import { nameKey } from '../../../shared/pki/names.ts';
import type { PcaCertificate } from './journal.ts';
import type { Outcome } from './world.ts';

interface Ledger {
  readonly records: readonly IssuanceRecord[];
  readonly histories: ReadonlyMap<string, readonly HistoryEntry[]>;
}

type Fault = (code: string, text: string) => void;

/** Reads the whole of a schedule's store, and answers what is wrong: [] when all is sound. */
export type SoundnessCheck = (outcome: Outcome) => readonly string[];

export function createSoundnessCheck(database: DatabaseSync): SoundnessCheck {
  const rows = database.prepare(`${recordQuery} ORDER BY i.issuance`);
  const changesOf = database.prepare(historyQuery);
  const tables = createTableChecks(database);

  function read(): Ledger {
    const histories = new Map<string, readonly HistoryEntry[]>();
    const records = (rows.all() as unknown as IssuanceRow[]).map((row) => {
      const record = recordOf(row);
      histories.set(record.issuanceId, (changesOf.all(row.issuance) as unknown as HistoryRow[]).map(historyEntryOf));
      return record;
    });
    return { records, histories };
  }

  return (outcome) => {
    const faults = [...outcome.journal.violations];
    const fault: Fault = (code, text) => void faults.push(`${code}: ${text}`);
    const ledger = read();
    const nameOf = namesOf(outcome);
    const forPeople = misissuedOrphans(outcome, ledger);
    if (outcome.ended === 'time-out' && forPeople.size === 0)
      fault('not-settled', 'the pipeline did not come to rest within its time');
    endFaults(outcome, ledger, forPeople, nameOf, fault);
    historyFaults(ledger, nameOf, fault);
    hsmFaults(outcome, ledger, nameOf, fault);
    pcaFaults(outcome, ledger, forPeople, nameOf, fault);
    tables(ledger, fault);
    return faults;
  };
}

type NameOf = (record: Pick<IssuanceRecord, 'issuanceId' | 'csrSha256'>) => string;

function namesOf({ plan }: Outcome): NameOf {
  const names = new Map(plan.requests.map(({ csrDer, name }) => [sha256Hex(csrDer), name]));
  return ({ csrSha256, issuanceId }) => `${names.get(csrSha256) ?? '?'}.${issuanceId.split('.')[1]}`;
}

/**
 * Orphans that stay suspected, by issuance: the CA issued something else than it was asked for, and its answer was lost. Nothing
 * settles these but a person, who is told (`orphan-unsettled`).
 */
function misissuedOrphans({ journal }: Outcome, { records }: Ledger): ReadonlySet<string> {
  const suspected = records.filter(({ state }) => state === 'orphan-suspected');
  const isMisissued = ({ intent }: IssuanceRecord) =>
    intent?.kind === 'template' &&
    journal.certificates.some(
      ({ der, token, notAfter }) =>
        der !== undefined && token === intent.idempotencyToken && notAfter !== intent.notAfter,
    );
  return new Set(suspected.filter(isMisissued).map(({ issuanceId }) => issuanceId));
}

/** Nothing accepted is forgotten, and everything has the end that its request deserves. */
function endFaults(
  outcome: Outcome,
  { records }: Ledger,
  forPeople: ReadonlySet<string>,
  nameOf: NameOf,
  fault: Fault,
): void {
  const { plan, accepted } = outcome;
  const ids = new Set(records.map(({ issuanceId }) => issuanceId));
  if (ids.size < records.length) fault('received-twice', 'an ordinal of a request is that of two issuances');
  for (const [id, client] of accepted)
    if (!ids.has(id)) fault('forgotten', `${plan.requests[client]!.name} was answered 202 and is not in the ledger`);
  const expected = new Map(plan.requests.map((request) => [sha256Hex(request.csrDer), request.expected]));
  for (const record of records) {
    const { state, csrSha256 } = record;
    if (isPending(state) && !forPeople.has(record.issuanceId))
      fault('forgotten', `${nameOf(record)} is still ${state}`);
    const wanted = expected.get(csrSha256);
    if (wanted === 'rejected' && state !== 'rejected')
      fault('refused-signed', `${nameOf(record)} should be refused and is ${state}`);
    if (wanted === 'issued' && !isPending(state) && !mayEndAs(outcome, state))
      fault('not-issued', `${nameOf(record)} should be issued and is ${state}: ${record.lastError?.code}`);
  }
  const abandoned = new Set(outcome.abandoned);
  for (const record of records)
    if (abandoned.has(record.issuanceId))
      fault('abandoned', `without the reconciler ${nameOf(record)} has neither an end nor a message`);
}

function mayEndAs({ plan: { needs } }: Outcome, state: IssuanceRecord['state']): boolean {
  if (state === 'failed') return needs.has('pca-fails');
  if (state === 'misissued') return needs.has('pca-misissues');
  if (state === 'lapsed') return needs.has('lapse-validator') || needs.has('lapse-signer');
  return state === 'issued';
}

/** Every change is an edge and begins where the last one ended; what was refused was never meant to be signed. */
function historyFaults({ records, histories }: Ledger, nameOf: NameOf, fault: Fault): void {
  for (const record of records) {
    const changes = histories.get(record.issuanceId) ?? [];
    let before: HistoryEntry['from'];
    for (const { from, to } of changes) {
      if (from !== before) fault('history', `${nameOf(record)}: a change from ${from} where it was ${before}`);
      if (from === undefined ? to !== 'received' : !isEdge(from, to))
        fault('history', `${nameOf(record)}: ${from} to ${to}`);
      before = to;
    }
    if (before !== record.state)
      fault('history', `${nameOf(record)} is ${record.state}, its history ends in ${before}`);
    const intents = changes.filter(({ to }) => to === 'intended').length;
    const absences = changes.filter(({ from, to }) => from === 'orphan-suspected' && to === 'approved').length;
    if (intents > absences + 1) fault('intended-twice', `${nameOf(record)} was intended ${intents} times`);
    if (record.state === 'rejected' && intents > 0)
      fault('refused-signed', `${nameOf(record)} was intended and is rejected`);
  }
}

/** Of each serial one TBSCertificate, of each issuance one, and the one that was released. */
function hsmFaults({ journal }: Outcome, { records, histories }: Ledger, nameOf: NameOf, fault: Fault): void {
  const bySerial = Map.groupBy(journal.signatures, ({ serial }) => serial);
  for (const [serial, signatures] of bySerial) {
    const count = new Set(signatures.map(({ tbsSha256 }) => tbsSha256)).size;
    if (count > 1) fault('serial-twice', `${count} TBSCertificates were signed with the serial ${serial}`);
  }
  const signed = new Set(journal.signatures.map(({ tbsSha256 }) => tbsSha256));
  for (const record of records) {
    const { intent, certificateDer, state, issuanceId } = record;
    if (record.caId !== 'workloads') continue;
    const own = (histories.get(issuanceId) ?? []).flatMap(({ to, detail }) =>
      to === 'intended' ? [(detail.intent as { readonly tbsSha256: string }).tbsSha256] : [],
    );
    const count = own.filter((tbsSha256) => signed.has(tbsSha256)).length;
    for (const tbsSha256 of own) signed.delete(tbsSha256);
    if (count > 1) fault('signed-twice', `${nameOf(record)} was signed as ${count} different certificates`);
    if (state !== 'issued') continue;
    if (certificateDer === undefined || intent?.kind !== 'tbs') {
      fault('released', `${nameOf(record)} is issued without certificate or intent`);
      continue;
    }
    const { tbs } = parseCertificate(certificateDer);
    if (sha256Hex(tbs.der) !== sha256Hex(intent.tbsDer))
      fault('released', `${nameOf(record)} is not what was intended`);
    if (count === 0) fault('released', `${nameOf(record)} was released and never signed`);
  }
  for (const tbsSha256 of signed)
    fault('signed-without-intent', `a TBSCertificate ${tbsSha256.slice(0, 12)} is of no intent`);
}

/** Every certificate at the CA is that of one issuance, and of each issuance there is one. */
function pcaFaults(
  { journal }: Outcome,
  ledger: Ledger,
  forPeople: ReadonlySet<string>,
  nameOf: NameOf,
  fault: Fault,
): void {
  const tokens = new Map<string, IssuanceRecord>();
  for (const record of ledger.records)
    for (const { to, detail } of ledger.histories.get(record.issuanceId) ?? []) {
      const token =
        to === 'intended' ? (detail.intent as { readonly idempotencyToken?: string }).idempotencyToken : undefined;
      if (token !== undefined) tokens.set(token, record);
    }
  const bound = new Map<string, IssuanceRecord>();
  for (const record of ledger.records) {
    if (record.caId !== 'devices') continue;
    if (record.fingerprint !== undefined && record.state === 'issued') {
      if (bound.has(record.fingerprint)) fault('released', `${nameOf(record)} has the certificate of another issuance`);
      bound.set(record.fingerprint, record);
    }
    if (record.state === 'misissued' && record.certificateDer !== undefined)
      bound.set(sha256Hex(record.certificateDer), record);
  }
  for (const certificate of journal.certificates) {
    const { fingerprint, token } = certificate;
    if (fingerprint === undefined) continue;
    const asked = token === undefined ? undefined : tokens.get(token);
    const owner = bound.get(fingerprint);
    bound.delete(fingerprint);
    if (owner === undefined) {
      if (asked !== undefined && forPeople.has(asked.issuanceId)) continue;
      const whose = asked === undefined ? 'nobody that the ledger knows' : nameOf(asked);
      fault('issued-twice', `a certificate at the CA, asked for by ${whose}, is no issuance's`);
    } else if (owner !== asked && !(owner.adopted === true && isSame(certificate, owner)))
      fault('wrong-certificate', `${nameOf(owner)} has a certificate that was asked for by another`);
  }
  for (const record of bound.values())
    fault('released', `${nameOf(record)} has a certificate that the CA did not issue`);
}

/** Two issuances of one key, the same names and the same validity cannot be told apart at the CA, and need not be. */
function isSame({ der }: PcaCertificate, record: IssuanceRecord): boolean {
  const { tbs } = parseCertificate(der!);
  const names = (subjectAltNames(tbs)?.names ?? []).map(nameKey).sort();
  return tbs.publicKey.sha256 === record.spkiSha256 && names.join() === record.names.toSorted().join();
}

/** The tables beside the issuances: what was counted, what is held, whose each serial is. */
function createTableChecks(database: DatabaseSync): (ledger: Ledger, fault: Fault) => void {
  const credentials = database.prepare('SELECT id, used FROM credentials');
  const counters = database.prepare('SELECT * FROM counters');
  // Nothing expires while a schedule runs, so that all that is not revoked stands.
  const wrongSums =
    database.prepare(`SELECT coalesce(c.ca_id, v.ca_id) || ' ' || coalesce(c.dimension, v.dimension) || ' ' ||
      coalesce(c.value, v.value) AS place
    FROM (SELECT ca_id, dimension, value, sum(issued) AS issued, sum(revoked) AS revoked FROM counters GROUP BY 1, 2, 3) c
      FULL OUTER JOIN counted_values v ON v.ca_id = c.ca_id AND v.dimension = c.dimension AND v.value = c.value
    WHERE c.issued IS NOT v.issued OR c.revoked IS NOT v.revoked OR v.standing IS NOT v.issued - v.revoked`);
  const holds = database.prepare(`SELECT n.name, r.owner, r.spki_sha256 AS spkiSha256
    FROM issuances_by_name n JOIN requests r ON r.issuance = n.issuance WHERE n.held_at IS NOT NULL`);
  const keys = database.prepare(`SELECT r.spki_sha256 AS spkiSha256, r.owner
    FROM issuances_by_key k JOIN requests r ON r.issuance = k.issuance`);
  const serials = database.prepare(`SELECT s.ca_id AS caId, s.serial, i.request_id || '.' || i.ordinal AS issuanceId
    FROM serials s LEFT JOIN issuances i ON i.issuance = s.issuance`);

  function counterFaults(records: readonly IssuanceRecord[], fault: Fault): void {
    const expected = new Map<string, number>();
    for (const { state, caId, owner, fleet, profile, keyType, credentialId, notBefore, notAfter } of records) {
      if (state !== 'issued' || notBefore === undefined || notAfter === undefined) continue;
      const { bucketStart, bucketMs } = bucketOf(notBefore, notAfter);
      const values = { total: '', owner, fleet, profile, keyType, credential: credentialId };
      for (const [dimension, value] of Object.entries(values)) {
        const key = [caId, dimension, value, bucketMs, bucketStart].join(' ');
        expected.set(key, (expected.get(key) ?? 0) + 1);
      }
    }
    for (const row of counters.all()) {
      const key = [row.ca_id, row.dimension, row.value, row.bucket_ms, row.bucket_start].join(' ');
      if (row.issued !== (expected.get(key) ?? 0))
        fault('counters', `${key}: ${row.issued}, and ${expected.get(key) ?? 0} are issued`);
      expected.delete(key);
    }
    for (const key of expected.keys()) fault('counters', `${key} is not counted`);
    for (const { place } of wrongSums.all())
      fault('counters', `the sums of ${String(place)} are not those of its counters`);
  }

  return ({ records, histories }, fault) => {
    counterFaults(records, fault);
    for (const { id, used } of credentials.all()) {
      const count = records.filter(({ credentialId }) => credentialId === id).length;
      if (used !== count)
        fault('credential-used', `${String(id)} counts ${String(used)} issuances, and there are ${count}`);
    }
    const approved = records.filter(({ issuanceId }) => histories.get(issuanceId)?.some(({ to }) => to === 'approved'));
    const held = holds.all();
    const holderOf = new Map(held.map((hold) => [hold.name as string, hold]));
    if (holderOf.size < held.length) fault('holds', 'a name is held twice');
    for (const { names, owner, spkiSha256 } of approved)
      for (const name of names) {
        const hold = holderOf.get(name);
        if (hold?.owner !== owner || hold.spkiSha256 !== spkiSha256)
          fault('holds', `${name} was approved and is not held for it`);
      }
    for (const name of holderOf.keys())
      if (!approved.some(({ names }) => names.includes(name)))
        fault('holds', `${name} is held, and nothing with it was approved`);
    const ownerOf = new Map(keys.all().map((key) => [key.spkiSha256, key.owner]));
    for (const { owner, spkiSha256 } of approved)
      if (ownerOf.get(spkiSha256) !== owner) fault('holds', `a key that was approved for ${owner} is not its own`);
    const taken = new Map(serials.all().map((row) => [`${row.caId} ${row.serial}`, row.issuanceId]));
    for (const { caId, serial, issuanceId, state } of records)
      if (state === 'issued' && taken.get(`${caId} ${serial}`) !== issuanceId)
        fault('serials', `serial ${serial} is not that of its issuance`);
  };
}
